"""The HTTP API and the search page over one collection.

POST   /v1/search              an expression, or a text with its searcher -> hits and why they matched
POST   /v1/search/batch        several searches over one snapshot
POST   /v1/search/why          why a document is found, or is not
GET    /v1/suggest             the beginning of a term -> terms
POST   /v1/analyze             a text -> the terms of a document and of a query, step by step
POST   /v1/events              what searchers did with hits
GET    /v1/models              and POST: load, check, shadow, switch, roll back, unload
GET    /v1/documents/{id}      POST, PATCH /v1/documents      DELETE /v1/documents/{id}
POST   /v1/documents/bulk      documents as lines of JSON or an Arrow stream, errors by row
GET    /v1/searchers           searchers to choose from
GET    /v1/about               what is served
GET    /healthz   /livez   /readyz   /metrics   /openapi.json   and the page at /
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from alicorn.feedback import ServedLog
from alicorn.intents import IntentClassifier
from alicorn.query.any_collection import AnyCollection
from alicorn.ranking.stages import Pipeline
from alicorn.ranking.stages.pipeline import vertical_of
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.serving.api.document_operations import bulk_operation, document_operations
from alicorn.serving.api.openapi import openapi
from alicorn.serving.api.operations import Operation, resources
from alicorn.serving.api.problems import PROBLEM_ANSWERS, JsonResponse
from alicorn.serving.api.rank_operation import rank_operation
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.serving.api.search_operations import (
    events_operation,
    search_operations,
    typing_operations,
    why_operation,
)
from alicorn.serving.api.status_operations import status_operations
from alicorn.serving.background import Background
from alicorn.serving.limits.admission import Admission
from alicorn.serving.limits.refusals import REFUSALS, Refusals
from alicorn.serving.limits.unread_bodies import EndsUnread
from alicorn.serving.logs import RequestIds
from alicorn.serving.metrics import CountRequests, Metrics
from alicorn.serving.models.operations import model_operations
from alicorn.serving.models.served_models import ServedModels
from alicorn.serving.popular import NO_QUERIES, PopularQueries
from alicorn.serving.processes.following import Follower, Follows
from alicorn.serving.processes.forwarding import Announces, OwnerLink
from alicorn.serving.processes.part import ServerPart
from alicorn.serving.sampling import RecallSample
from alicorn.serving.security.access import Access
from alicorn.serving.security.cors import CrossOrigin
from alicorn.serving.security.headers import SafeHeaders
from alicorn.serving.security.hosts import KnownHosts
from alicorn.serving.security.request_limits import NO_LIMITS, RequestLimits

if TYPE_CHECKING:
    from alicorn.serving.tracing import Tracing
    from alicorn.towers import AnyModel

_STATIC = Path(__file__).parent / "static"


def create_app(
    collection: AnyCollection,
    models: "Sequence[AnyModel]" = (),
    *,
    searchers: pa.Table | None = None,
    regions: pa.Table | None = None,
    served_log: ServedLog | None = None,
    popular: PopularQueries = NO_QUERIES,
    keys: Path | None = None,
    ranker: Path | None = None,
    intents: Path | None = None,
    model_folder: Path | None = None,
    limits: RequestLimits = NO_LIMITS,
    hosts: Sequence[str] = (),
    degrade_ms: float | None = None,
    per_second: float | None = None,
    part: ServerPart | None = None,
    tracing: "Tracing | None" = None,
) -> Starlette:
    """The app over an open collection, which the caller closes.

    models: of the collection's embedding keys; the first one's vertical is the one that is served.
    searchers: table of searchers, as in the log folder. regions: of searchers, by read_regions.
    served_log: flushed when the app shuts down. per_second: requests of all, as of Access.
    keys: file of API keys; without one, everybody may ask everything. degrade_ms: as in limits/degradation.py.
    ranker: folder of a ranker or a ranking.yaml, whose stages order the hits of a text.
    intents: file of `alicorn intents`, for the vertical's control. popular: the queries that are suggested.
    model_folder: of folders of models that may be loaded while the app answers. limits: of each request.
    hosts: names that requests may give as `Host`; none: any. part: of a server of several processes; None: the whole.
    tracing: takes spans. Raises AlicornError where models, searchers and collection do not fit each other.
    """
    known = Searchers(models[0].vertical, searchers, regions) if models else None
    ranking = None if ranker is None else Pipeline.load(ranker, vertical_of(models), collection)
    classifier = None if intents is None else IntentClassifier.load(intents)
    endpoint = SearchEndpoint(Retriever(collection, models, known, ranking, classifier), served_log, popular)
    numbers, slot, folder = (None, 0, None) if part is None else (part.shared, part.slot, part.folder)
    metrics = Metrics(collection, folder)
    access = Access(keys, limits=limits, numbers=numbers, per_second=per_second)
    admission = Admission(numbers=numbers, slot=slot, waits=collection.is_remote, degrade_ms=degrade_ms)
    background = Background()
    follower = Follower(collection, None if part is None else lambda: part.shared.commits)
    metrics.watch(admission, background, lambda: follower.age_s)
    endpoint.watching += [] if tracing is None else [tracing.searched]  # the first: it counts back from then
    endpoint.watching += [lambda answered: metrics.searched(answered.seconds), RecallSample(metrics, background).see]
    switched = ServedModels(endpoint, background, model_folder, part)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        switched.take()
        of_several = [] if part is None else [metrics.look_again(), switched.take_all()]
        tasks = [asyncio.create_task(one) for one in of_several]
        yield {REFUSALS: refusals}
        for task in tasks:
            task.cancel()
        background.close()
        follower.close()
        if served_log is not None:
            served_log.flush()

    operations = api_operations(endpoint, metrics, access, switched, ranking)
    refusals = Refusals(admission, access, [one for one in operations if one.waits], metrics.refused)
    if part is not None and not part.is_owner:
        endpoint.is_read_only = lambda: part.shared.is_read_only
    owner = None if part is None or part.is_owner else OwnerLink(part)
    every = resources([*operations, *_pages(openapi(operations))], access, admission, owner)
    app = Starlette(
        routes=[
            *(Route(found.path, found, methods=found.methods) for found in every),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[
            *_outermost(tracing, owner is not None),
            *_by_who_asks(part, collection, metrics, access, hosts, follower),
        ],
        exception_handlers=PROBLEM_ANSWERS,
        lifespan=lifespan,
    )
    app.state.retriever = endpoint.retriever
    return app


def _outermost(tracing: "Tracing | None", hands_on: bool) -> list[Middleware]:
    """Of every request, whoever asks. hands_on: some requests, to the owner."""
    ends, ids = Middleware(EndsUnread), Middleware(RequestIds)
    if tracing is None:
        return [ends, ids]
    from alicorn.serving.tracing import Traced

    return [ends, Middleware(Traced, tracing=tracing, hands_on=hands_on), ids]


def _by_who_asks(
    part: ServerPart | None,
    collection: AnyCollection,
    metrics: Metrics,
    access: Access,
    hosts: Sequence[str],
    follower: Follower,
) -> list[Middleware]:
    """Clients; or the other processes, which did for them what is done here, and the owner says what it wrote."""
    follows = [Middleware(Follows, follower=follower)] if collection.read_only or collection.is_remote else []
    if part is not None and part.is_owner:
        return [Middleware(Announces, collection=collection, part=part), *follows]
    return [
        Middleware(CountRequests, metrics=metrics),
        Middleware(SafeHeaders),
        Middleware(CrossOrigin, access=access),
        *([Middleware(KnownHosts, hosts=hosts)] if hosts else []),
        *follows,
    ]


def api_operations(
    endpoint: SearchEndpoint, metrics: Metrics, access: Access, models: ServedModels, ranking: Pipeline | None
) -> list[Operation]:
    """All operations of the API but its description; the same whatever the server was started with."""
    return [
        *search_operations(endpoint, metrics, access),
        why_operation(endpoint, access),
        rank_operation(endpoint, ranking),
        *typing_operations(endpoint),
        events_operation(endpoint),
        bulk_operation(endpoint),
        *document_operations(endpoint, access),
        *model_operations(models),
        *status_operations(endpoint, metrics, access),
    ]


def _pages(document: dict[str, Any]) -> list[Operation]:
    """What people and tools read first."""
    describe = Operation(
        "GET", "/openapi.json", "This description", lambda request, body: JsonResponse(document), dict, scope=None
    )
    page = Operation("GET", "/", "The search page", lambda request, body: _page(), "text/html", scope=None)
    return [describe, page]


def _page() -> Response:
    return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})
