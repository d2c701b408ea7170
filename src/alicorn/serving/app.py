"""The HTTP API and the search page over one collection.

POST   /v1/search              an expression, or a text with its searcher -> hits and why they matched
POST   /v1/analyze             a text -> the terms of a document and of a query, step by step
POST   /v1/clicks              a hit was chosen
GET    /v1/documents/{id}      POST, PATCH /v1/documents      DELETE /v1/documents/{id}
GET    /v1/searchers           searchers to choose from
GET    /v1/about               what is served
GET    /healthz   /metrics   /openapi.json   and the page at /
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from alicorn import __version__
from alicorn.errors import AlicornError
from alicorn.feedback import ServedLog
from alicorn.query import Collection
from alicorn.reporting.json_text import plain_json
from alicorn.retrieval.analysis_steps import analysis_steps
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.serving.documents import updates_table, upserts_table
from alicorn.serving.guard import ERROR_ANSWERS, JsonResponse, SafeHeaders
from alicorn.serving.messages import (
    DOCUMENTS_BYTES,
    SEARCH_BYTES,
    About,
    Analyses,
    AnalyzeRequest,
    Changed,
    Clicked,
    ClickRequest,
    Deleted,
    DocumentBody,
    DocumentList,
    Health,
    NumSearchers,
    SearchAnswer,
    SearchersAnswer,
    SearchRequest,
    Stored,
    Upserted,
    from_query,
)
from alicorn.serving.metrics import CountRequests, Metrics
from alicorn.serving.openapi import openapi
from alicorn.serving.operations import Operation, resources
from alicorn.serving.search_endpoint import SearchEndpoint

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

_STATIC = Path(__file__).parent / "static"
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OF_A_BODY = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def create_app(
    collection: Collection,
    models: "Sequence[AnyModel]" = (),
    *,
    searchers: pa.Table | None = None,
    served_log: ServedLog | None = None,
) -> Starlette:
    """The app over an open collection, which the caller closes.

    models: of the collection's embedding keys; the first one's vertical is the one that is served.
    searchers: table of searchers, as in the log folder. served_log: flushed when the app shuts down.
    Raises AlicornError where models, searchers and collection do not fit each other.
    """
    known = Searchers(models[0].vertical, searchers) if models else None
    endpoint = SearchEndpoint(Retriever(collection, models, known), served_log)
    metrics = Metrics(collection)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        if served_log is not None:
            served_log.flush()

    operations = [
        *_search_operations(endpoint, metrics),
        *_document_operations(collection, list(endpoint.retriever.models.values())),
        *_status_operations(endpoint, metrics),
    ]
    document = openapi(operations)
    pages = [
        Operation("GET", "/openapi.json", "This description", lambda request, body: JsonResponse(document), dict),
        Operation("GET", "/", "The search page", lambda request, body: _page(), "text/html"),
    ]
    routes = [Route(found.path, found, methods=found.methods) for found in resources([*operations, *pages])]
    return Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=_STATIC))],
        middleware=[Middleware(CountRequests, metrics=metrics), Middleware(SafeHeaders)],
        exception_handlers=ERROR_ANSWERS,
        lifespan=lifespan,
    )


def _search_operations(endpoint: SearchEndpoint, metrics: Metrics) -> list[Operation]:
    def search(request: Request, asked: SearchRequest) -> SearchAnswer:
        answer = endpoint.search(asked)
        if answer.without_nn is not None:
            metrics.without_nn.labels(answer.without_nn).inc()
        return answer

    def analyze(request: Request, asked: AnalyzeRequest) -> Analyses:
        vertical = endpoint.retriever.vertical
        if vertical is None:
            raise AlicornError("this server has no vertical to analyze by: start it with a model")
        return analysis_steps(vertical, asked.text)

    def click(request: Request, chosen: ClickRequest) -> Clicked:
        if endpoint.served_log is None:
            raise AlicornError("this server keeps no log of what it serves: start it with a folder for one")
        return Clicked(endpoint.served_log.click(chosen.search_id, chosen.doc_id))

    def some_searchers(request: Request, body: None) -> SearchersAnswer:
        searchers = endpoint.retriever.searchers
        count = from_query(request.query_params, "limit", NumSearchers, 20)
        return SearchersAnswer(len(searchers or ()), endpoint.some_searchers(count))

    return [
        Operation(
            *("POST", "/v1/search", "Search", search),
            gives=SearchAnswer,
            takes=SearchRequest,
            max_bytes=SEARCH_BYTES,
            errors=(*_OF_A_BODY, HTTPStatus.CONFLICT),
        ),
        Operation(
            *("POST", "/v1/analyze", "Show what becomes of a text", analyze),
            gives=Analyses,
            takes=AnalyzeRequest,
            max_bytes=SEARCH_BYTES,
            errors=_OF_A_BODY,
        ),
        Operation(
            *("POST", "/v1/clicks", "Report a chosen hit", click),
            gives=Clicked,
            takes=ClickRequest,
            max_bytes=SEARCH_BYTES,
            errors=_OF_A_BODY,
        ),
        Operation(
            *("GET", "/v1/searchers", "Searchers to choose from", some_searchers),
            gives=SearchersAnswer,
            query={"limit": NumSearchers},
            errors=(HTTPStatus.BAD_REQUEST,),
        ),
    ]


def _document_operations(collection: Collection, models: "Sequence[AnyModel]") -> list[Operation]:
    def upsert(request: Request, documents: list[DocumentBody]) -> Upserted:
        chosen = upserts_table(documents, models, collection.snapshot())
        applied = collection.apply(chosen.documents, chosen.left_out, chosen.given)
        return Upserted(applied.upserted, len(chosen.left_out))

    def update(request: Request, documents: list[DocumentBody]) -> Changed:
        changes = updates_table(documents, collection.snapshot())
        return Changed(*collection.update(changes.documents, changes.given))

    def get(request: Request, body: None) -> Stored:
        doc_id: str = request.path_params["doc_id"]
        document = collection.get(doc_id)
        if document is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no document {doc_id[:200]!r}")
        return {name: plain_json(value) for name, value in document.items()}

    def delete(request: Request, body: None) -> Deleted:
        return Deleted(*collection.delete([request.path_params["doc_id"]]))

    return [
        Operation(
            *("POST", "/v1/documents", "Add or replace documents", upsert),
            gives=Upserted,
            takes=DocumentList,
            max_bytes=DOCUMENTS_BYTES,
            errors=(*_OF_A_BODY, HTTPStatus.CONFLICT),
        ),
        Operation(
            *("PATCH", "/v1/documents", "Change what is given of documents, and keep the rest", update),
            gives=Changed,
            takes=DocumentList,
            max_bytes=DOCUMENTS_BYTES,
            errors=(*_OF_A_BODY, HTTPStatus.CONFLICT),
        ),
        Operation(
            *("GET", "/v1/documents/{doc_id:path}", "A document", get), gives=Stored, errors=(HTTPStatus.NOT_FOUND,)
        ),
        Operation(
            *("DELETE", "/v1/documents/{doc_id:path}", "Delete a document", delete),
            gives=Deleted,
            errors=(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT),
        ),
    ]


def _status_operations(endpoint: SearchEndpoint, metrics: Metrics) -> list[Operation]:
    collection, retriever = endpoint.collection, endpoint.retriever

    def health(request: Request, body: None) -> Health:
        return Health("ok", len(collection), collection.read_only)

    def prometheus(request: Request, body: None) -> Response:
        return Response(metrics.text(), media_type=_METRICS_TYPE)

    def about(request: Request, body: None) -> About:
        return About(
            version=__version__,
            vertical=None if retriever.vertical is None else retriever.vertical.name,
            documents=len(collection),
            embeddings=dict(collection.embeddings),
            models={key: model.fingerprint for key, model in retriever.models.items()},
            columns=endpoint.columns(),
            searcher_columns=[] if retriever.searchers is None else list(retriever.searchers.columns),
            context_columns=[]
            if retriever.vertical is None
            else [column.name for column in retriever.vertical.context_columns()],
            logs_clicks=endpoint.served_log is not None,
        )

    return [
        Operation("GET", "/healthz", "Is it up?", health, gives=Health),
        Operation("GET", "/metrics", "Prometheus metrics", prometheus, gives="text/plain"),
        Operation("GET", "/v1/about", "What is served", about, gives=About),
    ]


def _page() -> Response:
    return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})
