"""Headers of requests and answers that are the same for all of the service."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURE = {
    "Content-Security-Policy": _CONTENT,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""A page may load what is the service's own and be framed by none; no other origin may load anything of it."""
# Swagger's page starts itself by a line of script within it.
_CONTENT_OF_DOCS = _CONTENT.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)


class SecurityHeaders:
    """Middleware that adds them to whatever ``app`` answers, errors too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURE.items():
                    headers[name] = value
                if scope["path"] == "/docs":
                    headers["Content-Security-Policy"] = _CONTENT_OF_DOCS
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)


class PlainRequests:
    """Middleware that asks ``app`` for whole answers alone.

    HEAD becomes GET, whose body the server leaves out. Parts of files are not given: small as ours are nobody needs
    them, and what Starlette says of a wrong Range is no JSON.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            scope = dict(scope, headers=headers, method=method)
        await self._app(scope, receive, send)
