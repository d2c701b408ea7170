"""`POST /v1/rank`: the documents that somebody else's engine found, in the order of our ranker.

So that a team can begin without leaving its engine: it sends ids and scores, and gets them back in order. Documents
that the collection does not have follow behind, in the order in which they came.
"""

import time
from http import HTTPStatus
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import Request

from alicorn.errors import AlicornError
from alicorn.ranking.stages import Pipeline
from alicorn.serving.api.messages import SEARCH_BYTES, Text
from alicorn.serving.api.operations import Operation
from alicorn.serving.api.search_endpoint import SearchEndpoint

_MOST = 1000


class FoundItem(Struct, forbid_unknown_fields=True, frozen=True):
    """score: of the engine that found it; the items come best first, whatever their scores are. channels: of the
    vertical's hybrid expression, those that found it; null where that is not known."""

    doc_id: str
    score: float | None = None
    channels: list[str] | None = None


class RankRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """searcher, context: as of a search."""

    text: Text
    items: Annotated[list[FoundItem], Meta(min_length=1, max_length=_MOST)]
    searcher: str | dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class RankedItem(Struct, frozen=True):
    """score: of the last stage that scored it; null where the collection has no such document, or a stage left it
    behind. position: that it came with, from 1. features: null where nothing is known."""

    doc_id: str
    score: float | None
    position: int
    features: dict[str, float | None]


class RankAnswer(Struct, frozen=True):
    """unknown: documents that the collection does not have, which come last. A stage may have taken items away."""

    items: list[RankedItem]
    unknown: list[str]
    notices: list[str]
    took_ms: float


def rank_operation(endpoint: SearchEndpoint, pipeline: Pipeline | None) -> Operation:
    def rank(request: Request, asked: RankRequest) -> RankAnswer:
        if pipeline is None:
            raise AlicornError("this server has no ranker: start it with --ranker FOLDER")
        started = time.perf_counter()
        ids = [item.doc_id for item in asked.items]
        if len(set(ids)) < len(ids):
            raise AlicornError("items: a doc_id is given twice")
        retriever = endpoint.retriever
        of_text = retriever.request(text=asked.text, searcher=asked.searcher, context=asked.context, limit=0)
        assert of_text.asked is not None, "the retriever ranks"
        scores = [0.0 if item.score is None else item.score for item in asked.items]
        channels = [item.channels for item in asked.items]
        found = pipeline.rank(retriever.collection.holding(ids), of_text.asked, ids, scores, channels)
        names = pipeline.ranker.features.names
        items = [
            RankedItem(ids[row], score, row + 1, dict(zip(names, _known(features), strict=True)))
            for row, score, features in zip(found.rows, found.scores, found.features, strict=True)
        ]
        items += [RankedItem(ids[row], None, row + 1, dict.fromkeys(names)) for row in found.unknown]
        took_ms = (time.perf_counter() - started) * 1000.0
        return RankAnswer(items, [ids[row] for row in found.unknown], list(found.notices), took_ms)

    shown = {"doc_id": "p1", "score": 1.7, "position": 2, "features": {"cosine": 0.93, "same_city": None}}
    return Operation(
        *("POST", "/v1/rank", "Rank the documents that another engine found", rank),
        gives=RankAnswer,
        shows={"items": [shown], "unknown": [], "notices": [], "took_ms": 1.2},
        takes=RankRequest,
        example={"text": "john smith", "items": [{"doc_id": "p2", "score": 12.1}, {"doc_id": "p1", "score": 11.8}]},
        max_bytes=SEARCH_BYTES,
        refused=(HTTPStatus.CONFLICT,),
        scope="search",
    )


def _known(features: list[float]) -> list[float | None]:
    return [None if value != value else value for value in features]
