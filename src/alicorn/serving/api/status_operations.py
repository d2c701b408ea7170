"""What is served, and whether it is up."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from alicorn import __version__
from alicorn.errors import CollectionError
from alicorn.serving.api.messages import About, Health
from alicorn.serving.api.operations import Operation
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.serving.metrics import Metrics
from alicorn.serving.security.access import Access, only_of

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ABOUT = {
    "version": __version__,
    "vertical": "people",
    "documents": 20_000,
    "embeddings": {"people": 64},
    "models": {"people": "9d6c1f0a"},
    "columns": [{"mode": "hybrid", "key": "people", "title": "Hybrid: Boolean or people"}],
    "searcher_columns": ["city"],
    "context_columns": ["device"],
    "logs_events": True,
}


def status_operations(endpoint: SearchEndpoint, metrics: Metrics, access: Access) -> list[Operation]:
    collection = endpoint.collection

    def health(request: Request, body: None) -> Health:
        if access.is_asked_for:  # how many documents there are is not for everybody
            return Health("ok")
        return Health("ok", len(collection), endpoint.is_read_only())

    def alive(request: Request, body: None) -> Health:
        return Health("ok")

    def ready(request: Request, body: None) -> Health:
        """Searches can be answered; what they need was compiled before the server listened."""
        try:
            collection.search("x", limit=0)
        except CollectionError as error:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        return Health("ok")

    def metrics_text(request: Request, body: None) -> Response:
        return Response(metrics.text(), media_type=_METRICS_TYPE)

    def about(request: Request, body: None) -> About:
        retriever = endpoint.retriever
        vertical = retriever.vertical
        return About(
            version=__version__,
            vertical=None if vertical is None else vertical.name,
            documents=endpoint.count(only_of(request)),
            embeddings=dict(collection.embeddings),
            models={key: model.fingerprint for key, model in retriever.models.items()},
            columns=endpoint.columns(),
            searcher_columns=[] if retriever.searchers is None else list(retriever.searchers.columns),
            context_columns=[] if vertical is None else [column.name for column in vertical.context_columns()],
            logs_events=endpoint.served_log is not None,
        )

    shown = {"status": "ok", "documents": 20_000, "read_only": False}
    return [
        Operation("GET", "/healthz", "Is it up?", health, gives=Health, shows=shown, scope=None),
        Operation("GET", "/livez", "Does the process answer?", alive, gives=Health, shows={"status": "ok"}, scope=None),
        Operation(
            *("GET", "/readyz", "Can it search?", ready),
            gives=Health,
            shows={"status": "ok"},
            refused=(HTTPStatus.SERVICE_UNAVAILABLE,),
            scope=None,
        ),
        Operation("GET", "/metrics", "Prometheus metrics", metrics_text, gives="text/plain"),
        Operation(
            *("GET", "/v1/about", "What is served", about),
            gives=About,
            shows=_ABOUT,
            scope="search",
            sees_part=True,
        ),
    ]
