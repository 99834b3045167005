"""What the service answers."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client import REGISTRY as EVERYTHING
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp
from swagger_ui_bundle import swagger_ui_path

from digits import __version__
from digits.recognition import LAYOUTS
from digits.serving.access_log import DIGITS, AccessLog
from digits.serving.bodies import Bodies
from digits.serving.headers import PlainRequests, SecurityHeaders
from digits.serving.memory import give_back_when_freed
from digits.serving.origins import OwnOrigin
from digits.serving.readers import Picture, Readers
from digits.serving.refusals import BusyError, RefusedError
from digits.serving.settings import Settings

_PAGE = Path(__file__).parent / "page"
_BODY = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        },
    },
}


_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/json": {"schema": _ERROR}}}
    for status, words in {
        400: "not HTTP",
        403: "sent by a page of another origin",
        408: "did not arrive in time",
        413: "too large",
        421: "under a name by which the service is not known",
        422: "no picture, or one that cannot be read",
        500: "the server failed",
        503: "too much to do; try again after Retry-After seconds",
    }.items()
}


def make_app() -> ASGIApp:
    """The service as its settings in the environment say, with all that stands before it."""
    settings = Settings.current()
    app: ASGIApp = create_app(Readers(settings.readers), Bodies())
    app = SecurityHeaders(OwnOrigin(PlainRequests(app), settings.host, settings.allowed_hosts))
    return AccessLog(app, paths=frozenset({"/", "/health", "/docs", "/metrics", "/v1/recognize"}))


def create_app(readers: Readers, bodies: Bodies) -> FastAPI:
    """What the service answers: the page, ``/v1/recognize``, ``/health``, ``/docs`` and ``/metrics``."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        give_back_when_freed()
        asyncio.get_running_loop().set_exception_handler(_log_shortly)
        await readers.start()
        try:
            yield
        finally:
            await readers.stop()

    app = FastAPI(title="digits", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.openapi_version = "3.0.3"  # which the bundled Swagger shows
    app.mount("/page", StaticFiles(directory=_PAGE), name="page")
    app.mount("/swagger", StaticFiles(directory=swagger_ui_path), name="swagger")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html")

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the service is there."""
        return {"status": "ok", "version": __version__}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="digits",
            swagger_js_url="/swagger/swagger-ui-bundle.js",
            swagger_css_url="/swagger/swagger-ui.css",
            swagger_favicon_url="/page/icon.svg",
        )

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """What Prometheus collects, of all workers."""
        registry = EVERYTHING
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/v1/recognize", openapi_extra={"requestBody": _BODY}, responses=_ERRORS)
    async def recognize(
        request: Request,
        layout: Annotated[str, Query(json_schema_extra={"enum": list(LAYOUTS)})] = "auto",
        probabilities: Annotated[bool, Query(description="add those of all classes to each")] = False,
    ) -> Response:
        """Read the digits on a picture, sent as the body or as a form's file, of at most 10 MB and 25 megapixels."""
        content_type = request.headers.get("content-type", "")
        async with bodies.receive(request) as body:
            answer = await readers.read(Picture(content_type, body, layout, probabilities))
        DIGITS.inc(answer.digits)
        return Response(answer.content, answer.status, media_type="application/json")

    @app.exception_handler(BusyError)
    def busy(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "too much to do; try again in a second"}, 503, {"Retry-After": "1"})

    @app.exception_handler(RefusedError)
    def refused(_: Request, error: RefusedError) -> JSONResponse:
        headers = {"Connection": "close"} if error.status in (408, 413) else None  # the rest of it is not read
        return JSONResponse({"error": str(error)}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    def mistaken(_: Request, error: RequestValidationError) -> JSONResponse:
        words = [f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors()]
        return JSONResponse({"error": "; ".join(words)}, 422)

    @app.exception_handler(HTTPException)
    def unknown(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    def failed(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "the server failed; its log says why"}, 500)

    return app


def _log_shortly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say in one line that no file can be opened, which asyncio says with a traceback for each waiting connection."""
    error = context.get("exception")
    if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
        loop.default_exception_handler(context)
    elif loop.time() > getattr(loop, "said_so", -math.inf) + 10:
        loop.said_so = loop.time()  # type: ignore[attr-defined]
        print(f"digits: connections wait: {error.strerror}", file=sys.stderr, flush=True)  # noqa: T201 - the log
