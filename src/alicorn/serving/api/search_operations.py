"""What may be asked of a collection: searches, what becomes of a text; and what searchers did with the answers."""

import re
from collections.abc import Hashable
from http import HTTPStatus

from msgspec import UNSET
from starlette.exceptions import HTTPException
from starlette.requests import Request

from alicorn.distributed.router import reaching
from alicorn.errors import AlicornError, BodyError
from alicorn.retrieval.analysis_steps import analysis_steps
from alicorn.serving.api.body import JSON
from alicorn.serving.api.messages import (
    EVENTS_BYTES,
    SEARCH_BYTES,
    Analyses,
    AnalyzeRequest,
    BatchAnswer,
    BatchRequest,
    Beginning,
    EventBody,
    EventList,
    NumSearchers,
    NumSuggestions,
    SearchAnswer,
    SearchersAnswer,
    SearchRequest,
    Suggestions,
    WhyAnswer,
    WhyRequest,
    from_query,
)
from alicorn.serving.api.operations import Operation, deadline_of, degradation_of
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.serving.metrics import Metrics
from alicorn.serving.security.access import Access, only_of

_FOUND = {
    "hits": [{"doc_id": "p1", "score": 0.93, "stored": {"name": "John Smith"}, "why": None, "highlights": None}],
    "total": 1,
    "took_ms": 0.61,
    "search_ms": 0.12,
    "expression": "(and text:john text:smith)",
    "notices": [],
    "coverage": {"shards": 1, "answered": 1, "documents": 20_000, "answered_documents": 20_000},
    "search_id": "5f0c1d9e8b7a4c3d",
    "explanation": None,
    "without_nn": None,
    "cursor": "WzAuOTMsInAxIl0",
    "facets": {},
    "models": {},
}
_STEPS = [{"step": "words", "document": ["text:john"], "query": ["text:john"]}]


_K = re.compile(r":k\s+(\d{1,9})")


def _shape(asked: SearchRequest) -> Hashable:
    """What the time of a search depends on, beside the length of its body; sizes to a power of two."""
    expression = asked.expression or asked.mode or ""
    most = max(map(int, _K.findall(expression)), default=0)
    detail = (asked.explain, asked.why, asked.highlight, bool(asked.facets), asked.order_by is None)
    return most.bit_length(), ":radius" in expression, "*" in expression, asked.limit.bit_length(), asked.mode, detail


def search_operations(endpoint: SearchEndpoint, metrics: Metrics, access: Access) -> list[Operation]:
    def counted(answer: SearchAnswer) -> SearchAnswer:
        if answer.without_nn is not None:
            metrics.without_nn.labels(answer.without_nn).inc()
        for step in answer.degraded:
            metrics.degraded.labels(step).inc()
        if answer.candidates is not None:
            metrics.candidates.observe(answer.candidates)
        return answer

    def search(request: Request, asked: SearchRequest) -> SearchAnswer:
        deadline_of(request).within(asked.timeout_ms)
        access.limits_of(request).check_search(asked)
        with reaching(timeout_s=deadline_of(request).left_s):
            return counted(endpoint.search(asked, only_of(request), step=degradation_of(request)))

    def search_batch(request: Request, asked: BatchRequest) -> BatchAnswer:
        limits = access.limits_of(request)
        limits.check("batch", len(asked.searches))
        for search in asked.searches:
            limits.check_search(search)
        access.spend(request, len(asked.searches) - 1)
        deadline = deadline_of(request)
        deadline.within(asked.timeout_ms)
        with reaching(timeout_s=deadline.left_s):
            answer = endpoint.batch(asked, only_of(request), degradation_of(request))
        for one in answer.answers:
            if one.answer is not UNSET:
                counted(one.answer)
        return answer

    return [
        Operation(
            *("POST", "/v1/search", "Search", search),
            gives=SearchAnswer,
            shows=_FOUND,
            takes=SearchRequest,
            example={"expression": "(and text:john text:smith)", "limit": 10},
            max_bytes=SEARCH_BYTES,
            shape=_shape,
            refused=(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
            scope="search",
            sees_part=True,
        ),
        Operation(
            *("POST", "/v1/search/batch", "Several searches over one snapshot", search_batch),
            gives=BatchAnswer,
            shows={"answers": [{"answer": _FOUND}], "took_ms": 0.9},
            takes=BatchRequest,
            shape=lambda asked: (len(asked.searches).bit_length(), _shape(asked.searches[0])),
            example={"searches": [{"expression": "text:john"}, {"expression": "text:jane"}]},
            max_bytes=SEARCH_BYTES,
            refused=(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
            scope="search",
            sees_part=True,
        ),
    ]


def why_operation(endpoint: SearchEndpoint, access: Access) -> Operation:
    """Not for keys that see a part of the documents: reasons are of the whole collection."""

    def why(request: Request, asked: WhyRequest) -> WhyAnswer:
        access.limits_of(request).check_search(asked.search)
        found = endpoint.why(asked)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no document {asked.doc_id[:200]!r}")
        return found

    expression = "(and text:john text:smith)"
    children = [
        {"expression": "text:john", "matches": True, "why": "has the term"},
        {"expression": "text:smith", "matches": False, "why": "lacks the term"},
    ]
    reason = {"expression": expression, "matches": False, "why": "1 of 2 operands match", "children": children}
    return Operation(
        *("POST", "/v1/search/why", "Why a document is found, or is not", why),
        gives=WhyAnswer,
        shows={"matches": False, "position": None, "expression": expression, "reason": reason, "models": {}},
        takes=WhyRequest,
        example={"search": {"expression": expression}, "doc_id": "p1"},
        max_bytes=SEARCH_BYTES,
        refused=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        scope="search",
    )


def typing_operations(endpoint: SearchEndpoint) -> list[Operation]:
    """What helps to type a search: its terms, how they go on, and who may search."""

    def analyze(request: Request, asked: AnalyzeRequest) -> Analyses:
        vertical = endpoint.retriever.vertical
        if vertical is None:
            raise AlicornError("this server has no vertical to analyze by: start it with a model")
        return analysis_steps(vertical, asked.text)

    def suggest(request: Request, body: None) -> Suggestions:
        begins = from_query(request.query_params, "begins", Beginning, None)
        if begins is None:
            raise BodyError("query.begins is missing: give the beginning of a term, as text:jo")
        count = from_query(request.query_params, "limit", NumSuggestions, 10)
        return endpoint.suggest(begins, count, only_of(request))

    def searchers(request: Request, body: None) -> SearchersAnswer:
        known = endpoint.retriever.searchers
        count = from_query(request.query_params, "limit", NumSearchers, 20)
        only = only_of(request)
        some = endpoint.some_searchers(count, only)
        return SearchersAnswer(len(known or ()) if only is None else len(some), some)

    return [
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
            *("GET", "/v1/searchers", "Searchers to choose from", searchers),
            gives=SearchersAnswer,
            shows={"total": 1, "searchers": [{"searcher_id": "p3", "label": "Jane Doe, Oslo"}]},
            query={"limit": NumSearchers},
            scope="search",
            sees_part=True,
        ),
        Operation(
            *("GET", "/v1/suggest", "The most frequent terms and queries that begin so", suggest),
            gives=Suggestions,
            shows={
                "suggestions": [{"term": "text:john", "count": 310}, {"term": "text:jones", "count": 95}],
                "queries": [],
            },
            query={"begins": Beginning, "limit": NumSuggestions},
            required=("begins",),
            scope="search",
            sees_part=True,
        ),
    ]


def events_operation(endpoint: SearchEndpoint) -> Operation:
    def events(request: Request, reported: list[EventBody]) -> None:
        endpoint.log_events(reported)

    return Operation(
        *("POST", "/v1/events", "Report what searchers did", events),
        gives=None,
        takes=EventList,
        example=[{"action": "click", "search_id": "5f0c1d9e8b7a4c3d", "doc_id": "p1", "event_id": "e1"}],
        media_types=(JSON, "text/plain"),  # as navigator.sendBeacon sends a text
        max_bytes=EVENTS_BYTES,
        is_idempotent=False,  # without event_id an event that comes twice counts twice
        scope="events",
        sees_part=True,
    )
