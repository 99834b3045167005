"""Who may talk to the service from a browser: its own page, and no other's."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OwnOrigin:
    """Middleware that refuses foreign names and foreign pages.

    A page of another site could let its own name stand for this machine's address, and then read here as if it were the
    service's page (DNS rebinding). So the Host must be an address, which no such page has, or a name that is known. And
    what does more than read is refused where the browser says that a page of another origin sent it.

    Args:
        app: What answers.
        host: The address or name at which the service listens.
        allowed_hosts: Names by which it is reached otherwise, through a proxy for instance; besides ``localhost`` and
            this machine's own.

    """

    def __init__(self, app: ASGIApp, host: str, allowed_hosts: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed_hosts)
        self._names = self._allowed | {"localhost", socket.gethostname().lower(), host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> JSONResponse | None:
        host = headers.get("host")  # HTTP/1.0 has none, but every browser sends it
        name = _name(f"//{host}") if not set("/?#@") & set(host or "") else ""
        if host is not None and name not in self._names and not _is_address(name):
            words = f"the service is not known as {name[:100]!r}; start it with --allowed-host where it should be"
            return JSONResponse({"error": words}, 421)
        if method in _READING or self._is_own(headers, host):
            return None
        return JSONResponse({"error": "pages of other origins may not use the service"}, 403)

    def _is_own(self, headers: Headers, host: str | None) -> bool:
        """Whether no other origin's page sent this; programs that are no browsers send neither header."""
        origin = headers.get("origin")
        is_same = origin is None or origin.partition("://")[2] == host or _name(origin) in self._allowed
        return is_same and headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
