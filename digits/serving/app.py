"""What the service answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client import REGISTRY as EVERYTHING
from swagger_ui_bundle import swagger_ui_path

from digits import __version__
from digits.errors import UserError
from digits.recognition import FORMATS, LAYOUTS, Recognizer
from digits.serving.access_log import DIGITS, AccessLog
from digits.serving.bodies import MAX_BYTES, RefusedError, picture_of, read_body
from digits.serving.gate import Busy, Gate
from digits.serving.memory import read_and_give_back

_PAGE = Path(__file__).parent / "page"
_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger's page starts itself by a line of script within it.
_OF_DOCS = _STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
_BODY = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        },
    },
}


def create_app(recognizer: Recognizer, gate: Gate) -> FastAPI:
    """The service around a recognizer: the page, ``/v1/recognize``, ``/health``, ``/docs`` and ``/metrics``."""
    app = FastAPI(title="digits", version=__version__, docs_url=None, redoc_url=None)
    app.openapi_version = "3.0.3"  # which the bundled Swagger shows
    app.mount("/page", StaticFiles(directory=_PAGE), name="page")
    app.mount("/swagger", StaticFiles(directory=swagger_ui_path), name="swagger")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html")

    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether the service is there."""
        return {"status": "ok", "version": __version__}

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
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

    @app.post("/v1/recognize", openapi_extra={"requestBody": _BODY})
    async def recognize(
        request: Request,
        layout: Annotated[str, Query(description=" | ".join(LAYOUTS))] = "auto",
        probabilities: Annotated[bool, Query(description="add those of all ten digits to each")] = False,
    ) -> dict[str, Any]:
        """Read the digits on a picture, sent as the body or as a form's file, of at most 10 MB and 25 megapixels."""
        gate.enter()
        held = 0
        try:
            body = await read_body(request, gate)
            held = len(body)
            name, picture = picture_of(request.headers.get("content-type", ""), body)
            found = await gate.work(read_and_give_back, recognizer, picture, layout)
        finally:
            gate.leave(held)
        DIGITS.inc(sum(map(len, found.lines)))
        return found.as_json(name, with_probabilities=probabilities)

    @app.exception_handler(Busy)
    def busy(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "too much to do; try again in a second"}, 503, {"Retry-After": "1"})

    @app.exception_handler(RefusedError)
    def refused(_: Request, error: RefusedError) -> JSONResponse:
        headers = {"Connection": "close"} if error.status in (408, 413) else None  # the rest of it is not read
        return JSONResponse({"error": str(error)}, error.status, headers)

    @app.exception_handler(UserError)
    def mistaken(_: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"error": str(error), "formats": list(FORMATS), "max_bytes": MAX_BYTES}, 422)

    @app.exception_handler(Exception)
    def failed(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "the server failed; its log says why"}, 500)

    @app.middleware("http")
    async def secure(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["Content-Security-Policy"] = _OF_DOCS if request.url.path == "/docs" else _STRICT
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.add_middleware(AccessLog, paths=frozenset({"/", "/health", "/docs", "/metrics", "/v1/recognize"}))
    return app
