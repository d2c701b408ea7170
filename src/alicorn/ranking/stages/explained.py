"""Why is a document where it is in a ranked answer, or why is it not there: its way from the expression to the page.

The expression finds it or does not; it is one of the first hits, the candidates, or not; each stage moves it, takes it
away or leaves it behind; and the forest has its reasons by feature (ranking/explanation.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from alicorn.errors import ConfigError
from alicorn.query import Result
from alicorn.query.any_collection import AnyCollection
from alicorn.query.explain.reason import Reason
from alicorn.ranking.explanation import ForestExplanation, explained_by_forest, known_features, written
from alicorn.ranking.stages.pipeline import Pipeline, applied
from alicorn.ranking.stages.scoring import ByForest
from alicorn.ranking.stages.slate import Slate
from alicorn.retrieval.channels import lineage
from alicorn.retrieval.request import Request


class StagePlace(NamedTuple):
    """What a stage does with a document: from one place to another, from 1. after: None where it takes it away; behind
    the hits of the next stage where `is_behind`."""

    stage: str
    before: int
    after: int | None
    is_behind: bool

    def __str__(self) -> str:
        if self.after is None:
            return f"{self.stage}: takes it away, from {self.before}"
        return f"{self.stage}: {self.before} -> {self.after}{', left behind' if self.is_behind else ''}"


@dataclass(frozen=True)
class RankedHit:
    """rank: in the answer, from 1; None where it is not there. expression, intents: what the text became, and what the
    control is sure that it asks for. place: among the hits of the expression, in its order; None where the expression
    does not find it. candidates: so many of the first go through the stages.

    reason: node by node, of a document that is no candidate. channels: of the vertical, that found it, with its score
    there. features: of a candidate. forest: None where it does not reach a forest.
    """

    doc_id: str
    expression: str
    intents: tuple[str, ...]
    candidates: int
    stages: tuple[StagePlace, ...]
    rank: int | None = None
    place: int | None = None
    reason: Reason | None = None
    channels: dict[str, float | None] = field(default_factory=dict)
    features: dict[str, float] = field(default_factory=dict)
    forest: ForestExplanation | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, where what is missing is null."""
        plain = {name: getattr(self, name) for name in ("doc_id", "rank", "expression", "place", "candidates")}
        plain["intents"] = list(self.intents)
        plain["reason"] = None if self.reason is None else self.reason.to_dict()
        plain["channels"] = self.channels
        plain["stages"] = [stage._asdict() for stage in self.stages]
        plain["features"] = known_features(self.features)
        plain["forest"] = None if self.forest is None else self.forest.to_dict()
        return plain

    def __str__(self) -> str:
        lines = [f"{self.doc_id}: {'not in the answer' if self.rank is None else f'rank {self.rank}'}", self.expression]
        lines += [f"understood: {', '.join(self.intents)}"] if self.intents else []
        if self.channels:
            lines.append(f"found by {', '.join(map(_channel, self.channels.items()))}")
        if self.place is not None:
            lines.append(f"{self.place} of the expression, of which the first {self.candidates} are candidates")
        lines += [] if self.reason is None else [str(self.reason)]
        lines += map(str, self.stages)
        if self.forest is not None:
            lines.append(str(self.forest))
        elif self.features:
            lines += [f"  {name} = {written(value)}" for name, value in self.features.items()]
        return "\n".join(lines)


def explained(
    pipeline: Pipeline,
    collection: AnyCollection,
    request: Request,
    doc_id: str,
    to_rank: int = 1,
    beside: str | None = None,
) -> RankedHit:
    """Why a document is where it is, and what would lift it to a rank of the forest.

    beside: another hit, to say why one of them is above the other. Raises ConfigError for a document that the
    collection does not have, and for another hit where one of the two does not reach the forest.
    """
    assert request.asked is not None
    found = pipeline.candidates(collection, request, pipeline.config.candidates)
    slate = pipeline.slate(found, request)
    ids = slate.candidates.given_ids()
    row = ids.index(doc_id) if doc_id in ids else -1
    stages, final, by_forest = _way(pipeline, slate, row)
    other = None if beside is None else (beside, _row_beside(beside, doc_id, ids, row, by_forest))
    hit = RankedHit(doc_id, str(request.expression), tuple(one.term for one in request.intents), len(ids), stages)
    rows = np.concatenate([final.order, final.behind])
    if row < 0:
        return _not_a_candidate(hit, collection, request, ids, len(rows))
    scored = row in by_forest
    return replace(
        hit,
        rank=1 + int(np.flatnonzero(rows == row)[0]) if row in rows else None,
        place=row + 1,
        channels=_found_by(found, request, row),
        features=dict(zip(pipeline.ranker.features.names, slate.matrix[row].tolist(), strict=True)),
        forest=explained_by_forest(pipeline.ranker.forest, slate.matrix, by_forest, row, to_rank, other)
        if scored
        else None,
    )


def _way(pipeline: Pipeline, slate: Slate, row: int) -> tuple[tuple[StagePlace, ...], Slate, np.ndarray]:
    """What each stage does with a row; the hits after all; the rows that the first forest orders, in its order, none
    without a forest."""
    places: list[StagePlace] = []
    by_forest = np.empty(0, dtype=np.int64)
    for stage, name in zip(pipeline.config.stages, pipeline.config.stage_names, strict=True):
        before = slate
        slate = applied(stage, slate, pipeline.ranker, name)
        if isinstance(stage, ByForest) and not len(by_forest):
            by_forest = np.concatenate([slate.order, slate.behind[: len(before.order) - len(slate.order)]])
        if row in before.order:
            here = np.concatenate([slate.order, slate.behind])
            after = 1 + int(np.flatnonzero(here == row)[0]) if row in here else None
            is_behind = after is not None and after > len(slate.order)
            places.append(StagePlace(name, 1 + int(np.flatnonzero(before.order == row)[0]), after, is_behind))
    return tuple(places), slate, by_forest


def _not_a_candidate(
    hit: RankedHit, collection: AnyCollection, request: Request, candidates: list[str], kept: int
) -> RankedHit:
    """With why the expression finds a document or not, and its place. kept: candidates that the stages leave."""
    reason = collection.explain(request.expression, hit.doc_id, request.vectors)
    if reason is None:
        raise ConfigError(f"the collection has no document {hit.doc_id!r}")
    if not reason.matches:
        return replace(hit, reason=reason)
    every = collection.search(request.expression, request.vectors, len(collection), request.order_by, only=request.only)
    place = every.ids.index(hit.doc_id) + 1
    before = len(set(every.ids[: place - 1]) - set(candidates))
    return replace(hit, reason=reason, place=place, rank=kept + before + 1)


def _row_beside(doc_id: str, own_id: str, ids: list[str], own: int, by_forest: np.ndarray) -> int:
    """Raises ConfigError where one of two hits is none of the forest's."""
    row = ids.index(doc_id) if doc_id in ids else -1
    for one, at in ((own_id, own), (doc_id, row)):
        if at not in by_forest:
            raise ConfigError(
                f"{one!r} does not reach a stage forest, which compares by features: explain it alone, without another"
                " hit beside it"
            )
    return row


def _found_by(found: Result, request: Request, row: int) -> dict[str, float | None]:
    if not request.channels:
        return {}
    of = replace(found, segments=found.segments[[row]], numbers=found.numbers[[row]])
    if found.found_by is not None:
        of = replace(of, found_by=found.found_by[[row]])
    return dict(lineage(of, request)[0])


def _channel(found: tuple[str, float | None]) -> str:
    name, score = found
    return name if score is None else f"{name} ({score:.4f})"
