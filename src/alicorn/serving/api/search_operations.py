"""What may be asked of a collection: searches, what becomes of a text, and clicks."""

from http import HTTPStatus

from starlette.requests import Request

from alicorn.errors import AlicornError
from alicorn.retrieval.analysis_steps import analysis_steps
from alicorn.serving.api.messages import (
    SEARCH_BYTES,
    Analyses,
    AnalyzeRequest,
    Clicked,
    ClickRequest,
    NumSearchers,
    SearchAnswer,
    SearchersAnswer,
    SearchRequest,
    from_query,
)
from alicorn.serving.api.operations import Operation
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.serving.metrics import Metrics
from alicorn.serving.security.access import only_of

_FOUND = {
    "hits": [{"doc_id": "p1", "score": 0.93, "stored": {"name": "John Smith"}, "why": None, "highlights": None}],
    "total": 1,
    "took_ms": 0.61,
    "search_ms": 0.12,
    "expression": "(and text:john text:smith)",
    "notices": [],
    "search_id": "5f0c1d9e8b7a4c3d",
    "explanation": None,
    "without_nn": None,
    "cursor": "WzAuOTMsInAxIl0",
    "facets": {},
}
_STEPS = [{"step": "words", "document": ["text:john"], "query": ["text:john"]}]


def search_operations(endpoint: SearchEndpoint, metrics: Metrics) -> list[Operation]:
    def search(request: Request, asked: SearchRequest) -> SearchAnswer:
        answer = endpoint.search(asked, only_of(request))
        if answer.without_nn is not None:
            metrics.without_nn.labels(answer.without_nn).inc()
        return answer

    def analyze(request: Request, asked: AnalyzeRequest) -> Analyses:
        vertical = endpoint.retriever.vertical
        if vertical is None:
            raise AlicornError("this server has no vertical to analyze by: start it with a model")
        return analysis_steps(vertical, asked.text)

    def some_searchers(request: Request, body: None) -> SearchersAnswer:
        searchers = endpoint.retriever.searchers
        count = from_query(request.query_params, "limit", NumSearchers, 20)
        return SearchersAnswer(len(searchers or ()), endpoint.some_searchers(count, only_of(request)))

    return [
        Operation(
            *("POST", "/v1/search", "Search", search),
            gives=SearchAnswer,
            shows=_FOUND,
            takes=SearchRequest,
            example={"expression": "(and text:john text:smith)", "limit": 10},
            max_bytes=SEARCH_BYTES,
            refused=(HTTPStatus.CONFLICT,),
            scope="search",
            sees_part=True,
        ),
        Operation(
            *("POST", "/v1/analyze", "Show what becomes of a text", analyze),
            gives=Analyses,
            shows={"text": {"columns": ["name"], "steps": _STEPS}},
            takes=AnalyzeRequest,
            example={"text": "John Smith"},
            max_bytes=SEARCH_BYTES,
            scope="search",
            sees_part=True,
        ),
        Operation(
            *("GET", "/v1/searchers", "Searchers to choose from", some_searchers),
            gives=SearchersAnswer,
            shows={"total": 1, "searchers": [{"searcher_id": "p3", "label": "Jane Doe, Oslo"}]},
            query={"limit": NumSearchers},
            scope="search",
            sees_part=True,
        ),
    ]


def click_operation(endpoint: SearchEndpoint) -> Operation:
    def click(request: Request, chosen: ClickRequest) -> Clicked:
        if endpoint.served_log is None:
            raise AlicornError("this server keeps no log of what it serves: start it with a folder for one")
        return Clicked(endpoint.served_log.click(chosen.search_id, chosen.doc_id))

    return Operation(
        *("POST", "/v1/clicks", "Report a chosen hit", click),
        gives=Clicked,
        shows={"recorded": True},
        takes=ClickRequest,
        example={"search_id": "5f0c1d9e8b7a4c3d", "doc_id": "p1"},
        max_bytes=SEARCH_BYTES,
        scope="events",
        sees_part=True,
    )
