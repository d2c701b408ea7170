"""Searches that went wrong, each beside the nearest one that went right: what a person looks at.

Wrong: no target among the first `k`. Right: the first document is a target. Nearest: by cosine of the request vectors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.evaluation.metrics.ranking import recall_at, target_ranks
from alicorn.evaluation.searches import Searches
from alicorn.vertical import Vertical

_SHOWN = 3  # documents of one example
_WORDS = 60  # characters of one value


@dataclass(frozen=True)
class Found:
    """A document as it is shown. rank: from 1, 0 where the run does not hold it. known: its columns, by name."""

    doc_id: str
    rank: int
    cosine: float
    is_target: bool
    known: Mapping[str, str]

    @property
    def name(self) -> str:
        """What it is called: its first known column."""
        return next(iter(self.known.values()), self.doc_id)

    @property
    def further(self) -> list[str]:
        """What else is known of it."""
        return list(self.known.values())[1:]


@dataclass(frozen=True)
class Example:
    """One search. targets: what was wanted. found: the first documents of the run."""

    query: str
    segments: Sequence[str]
    searcher: Mapping[str, str]
    targets: Sequence[Found]
    found: Sequence[Found]

    @property
    def shown(self) -> list[Found]:
        """What was found, and the targets that were not."""
        ids = {found.doc_id for found in self.found}
        return [*self.found, *(target for target in self.targets if target.doc_id not in ids)]


@dataclass(frozen=True)
class Encoded:
    """A run with the vectors that made it: float32 (searches, dim) and (documents, dim), unit length."""

    run: np.ndarray
    requests: np.ndarray
    documents: np.ndarray


def wrong_and_right(
    searches: Searches, encoded: Encoded, vertical: Vertical, k: int, count: int = 6, seed: int = 0
) -> list[tuple[Example, Example | None, float]]:
    """At most `count` of (wrong, the nearest right one or None, their cosine); segments take turns."""
    recall = recall_at(encoded.run, searches.targets, k)
    wrong = np.flatnonzero(recall == 0)
    right = np.flatnonzero(recall_at(encoded.run, searches.targets, 1) > 0)
    shown = []
    for at in _in_turns(wrong, searches.segments, count, seed):
        cosines = encoded.requests[right] @ encoded.requests[at]
        near = int(right[np.argmax(cosines)]) if len(right) else None
        right = right[right != near]
        nearest = None if near is None else _example(searches, encoded, vertical, near)
        shown.append((_example(searches, encoded, vertical, int(at)), nearest, float(cosines.max(initial=0.0))))
    return shown


def _in_turns(wrong: np.ndarray, segments: Sequence[Sequence[str]], count: int, seed: int) -> list[int]:
    """A drawn failure of each segment, the segment with most failures first, until there are `count`."""
    drawn = np.random.default_rng(seed).permutation(wrong).tolist()
    by_segment: dict[str, list[int]] = {}
    for at in drawn:
        for label in segments[at] or ("all",):
            by_segment.setdefault(label, []).append(at)
    queues = sorted(by_segment.values(), key=len, reverse=True)
    chosen: dict[int, None] = {}
    while len(chosen) < min(count, len(drawn)):
        for queue in queues:
            unseen = [at for at in queue if at not in chosen]
            if unseen and len(chosen) < count:
                chosen[unseen[0]] = None
    return list(chosen)


def _example(searches: Searches, encoded: Encoded, vertical: Vertical, at: int) -> Example:
    targets = searches.targets.take(np.array([at]))
    ranks = target_ranks(encoded.run[at : at + 1], targets)
    wanted = targets.documents.tolist()
    columns = [column for column in _columns(vertical.document.features) if column in searches.documents.column_names]

    def document(number: int, rank: int) -> Found:
        row = searches.documents.slice(number, 1).select(["doc_id", *columns])
        known = described(row, columns)
        cosine = float(encoded.requests[at] @ encoded.documents[number])
        return Found(row["doc_id"][0].as_py(), rank, cosine, number in wanted, known)

    return Example(
        query=searches.queries[at],
        segments=searches.segments[at],
        searcher=described(searches.requests.slice(at, 1), _columns(vertical.request.features)),
        targets=[document(number, int(rank)) for number, rank in zip(wanted, ranks, strict=True) if number >= 0],
        found=[document(int(number), rank) for rank, number in enumerate(encoded.run[at, :_SHOWN], 1) if number >= 0],
    )


def described(row: pa.Table, columns: Sequence[str]) -> dict[str, str]:
    """The columns of a table's only row that are words or numbers and known, but for the query."""
    values: dict[str, Any] = {name: row[name][0].as_py() for name in columns if name != "query"}
    plain = {name: value for name, value in values.items() if isinstance(value, str | int | float) and value != ""}
    return {name: text if len(text := str(value)) <= _WORDS else f"{text[:_WORDS]}..." for name, value in plain.items()}


def _columns(features: Mapping[str, Any]) -> list[str]:
    """The columns that the features read, texts first."""
    ordered = sorted(features.values(), key=lambda feature: feature.kind != "text")
    return list(dict.fromkeys(feature.column for feature in ordered))
