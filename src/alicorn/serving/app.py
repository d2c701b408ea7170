"""The HTTP API and the search page over one collection: routes, and the process that answers them.

POST   /v1/search              an expression, or a text with its searcher -> hits and why they matched
POST   /v1/clicks              a hit was chosen
GET    /v1/documents/{id}      POST /v1/documents      DELETE /v1/documents/{id}
GET    /v1/searchers           searchers to choose from
GET    /v1/about               what is served
GET    /healthz   /metrics   /openapi.json   and the page at /
"""

import signal
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import pyarrow as pa
import uvicorn
from fastapi import FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from alicorn import __version__
from alicorn.errors import AlicornError, CollectionError
from alicorn.feedback import ServedLog
from alicorn.query import Collection
from alicorn.reporting.json_text import plain_json
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.serving.documents import documents_table
from alicorn.serving.guard import DOCUMENTS_BYTES, SEARCH_BYTES, Json, SafeHeaders, answer_errors, read_body
from alicorn.serving.messages import (
    ClickRequest,
    DocumentBody,
    DocumentList,
    SearchAnswer,
    SearchRequest,
    decode,
    openapi,
)
from alicorn.serving.metrics import Measured, Metrics
from alicorn.serving.searching import Searching
from alicorn.tables import read_table

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

_STATIC = Path(__file__).parent / "static"


def create_app(
    collection: Collection,
    models: "Sequence[AnyModel]" = (),
    *,
    searchers: pa.Table | None = None,
    served_log: ServedLog | None = None,
) -> FastAPI:
    """The app over an open collection, which the caller closes.

    models: of the collection's embedding keys; the first one's vertical is the one that is served.
    searchers: table of searchers, as in the log folder. served_log: flushed when the app shuts down.
    Raises AlicornError where models, searchers and collection do not fit each other.
    """
    known = Searchers(models[0].vertical, searchers) if models else None
    searching = Searching(Retriever(collection, models, known), served_log)
    metrics = Metrics(collection)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if served_log is not None:
            served_log.flush()

    app = FastAPI(title="alicorn", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Measured, metrics=metrics)
    answer_errors(app)
    _add_search(app, searching, metrics)
    _add_documents(app, collection, models)
    _add_status(app, searching, metrics)
    return app


def serve(
    collection: str | Path,
    models: "Sequence[AnyModel]" = (),
    *,
    searchers: str | Path | None = None,
    served_log: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
) -> None:
    """Answer over HTTP until interrupted. A collection that another process writes is served read-only.

    searchers: Parquet file or folder. served_log: folder for the log of searches and clicks; None keeps none.
    """
    table = None if searchers is None else read_table(searchers, "searchers")
    with _open(Path(collection)) as opened:
        log = None if served_log is None else ServedLog(served_log)
        try:
            app = create_app(opened, models, searchers=table, served_log=log)
            _run(app, host, port)
        finally:
            if log is not None:
                log.close()


def _add_search(app: FastAPI, searching: Searching, metrics: Metrics) -> None:
    @app.post("/v1/search", summary="Search", openapi_extra=openapi(SearchRequest, SearchAnswer))
    async def search(request: Request) -> Response:
        asked = decode(await read_body(request, SEARCH_BYTES), SearchRequest)
        answer = await run_in_threadpool(searching.search, asked)
        if answer.without_nn is not None:
            metrics.without_nn.labels(answer.without_nn).inc()
        return Json(answer)

    @app.post("/v1/clicks", summary="Report a chosen hit", openapi_extra=openapi(ClickRequest, dict[str, bool]))
    async def click(request: Request) -> Response:
        chosen = decode(await read_body(request, SEARCH_BYTES), ClickRequest)
        if searching.served_log is None:
            raise AlicornError("this server keeps no log of what it serves: start it with a folder for one")
        recorded = await run_in_threadpool(searching.served_log.click, chosen.session_id, chosen.doc_id)
        return Json({"recorded": recorded})

    @app.get("/v1/searchers", summary="Searchers to choose from")
    def some_searchers(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
        total = 0 if searching.retriever.searchers is None else len(searching.retriever.searchers)
        return Json({"total": total, "searchers": searching.some_searchers(limit)})


def _add_documents(app: FastAPI, collection: Collection, models: "Sequence[AnyModel]") -> None:
    def upsert(body: bytes) -> dict[str, int]:
        sent: list[DocumentBody] = decode(body, DocumentList)
        chosen = documents_table(sent, models, collection.snapshot().columns)
        applied = collection.apply(chosen.documents, chosen.left_out)
        return {"upserted": applied.upserted, "left_out": len(chosen.left_out)}

    @app.post("/v1/documents", summary="Add or replace documents", openapi_extra=openapi(DocumentList, dict[str, int]))
    async def post_documents(request: Request) -> Response:
        return Json(await run_in_threadpool(upsert, await read_body(request, DOCUMENTS_BYTES)))

    @app.get("/v1/documents/{doc_id:path}", summary="A document")
    def get_document(doc_id: str) -> Response:
        document = collection.get(doc_id)
        if document is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no document {doc_id[:200]!r}")
        return Json(plain_json(document))

    @app.delete("/v1/documents/{doc_id:path}", summary="Delete a document")
    def delete_document(doc_id: str) -> Response:
        return Json(collection.delete([doc_id])._asdict())


def _add_status(app: FastAPI, searching: Searching, metrics: Metrics) -> None:
    collection = searching.collection

    @app.get("/healthz", summary="Is it up?")
    def health() -> Response:
        return Json({"status": "ok", "documents": len(collection), "read_only": collection.read_only})

    @app.get("/metrics", summary="Prometheus metrics")
    def prometheus() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/about", summary="What is served")
    def about() -> Response:
        retriever = searching.retriever
        answer: dict[str, Any] = {
            "version": __version__,
            "vertical": None if retriever.vertical is None else retriever.vertical.name,
            "documents": len(collection),
            "embeddings": collection.embeddings,
            "models": {key: model.fingerprint for key, model in retriever.models.items()},
            "columns": searching.columns(),
            "searcher_columns": [] if retriever.searchers is None else list(retriever.searchers.columns),
            "logs_clicks": searching.served_log is not None,
        }
        return Json(answer)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")


def _open(path: Path) -> Collection:
    try:
        return Collection.open(path)
    except CollectionError as error:
        try:
            opened = Collection.open(path, read_only=True)
        except CollectionError:
            raise error from None
        sys.stderr.write(f"alicorn: serving read-only: {error}\n")
        return opened


def _run(app: FastAPI, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM, both of which leave through `finally` of the callers."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, leave)  # uvicorn raises the signal again when it has shut down
    try:
        uvicorn.run(app, host=host, port=port, access_log=False)
    except KeyboardInterrupt:
        return
