"""What each channel of a hybrid expression finds, and what only it finds.

Of each search, each channel is asked alone for its first K: the nearest first where it has an `nn`, else by BM25, else
by static rank.

    found     its documents
    recall    the share of the targets that it finds
    alone     the share of the targets that no other channel finds: what would be lost without it
    overlap   the share of its documents that another channel finds too
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alicorn.evaluation.metrics.bootstrap import Interval, mean_interval
from alicorn.evaluation.metrics.ranking import recall_at
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import known_columns, request_vectors
from alicorn.language.tree import Node, Or
from alicorn.reporting.markdown import table
from alicorn.retrieval.channels import own_order
from alicorn.retrieval.retriever import Retriever

_SPREAD = "{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]"


@dataclass(frozen=True)
class ChannelReport:
    """Means over searches, with intervals. overlap: channel -> other channel -> share."""

    k: int
    num_searches: int
    found: Mapping[str, Interval]
    recall: Mapping[str, Interval]
    alone: Mapping[str, Interval]
    overlap: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, object]:
        told = {
            name: {
                "found": _rounded(self.found[name]),
                "recall": _rounded(self.recall[name]),
                "alone": _rounded(self.alone[name]),
                "overlap": {other: round(share, 6) for other, share in self.overlap[name].items()},
            }
            for name in self.found
        }
        return {"k": self.k, "searches": self.num_searches, "channels": told}

    def markdown(self) -> str:
        names = list(self.found)
        note = (
            f"Each channel of `expressions.hybrid` alone, its first {self.k} documents, {self.num_searches} searches."
            " alone: targets that no other channel finds. The last columns: the share of its documents that another"
            " channel finds too."
        )
        rows = [
            [
                name,
                f"{self.found[name].mean:.1f}",
                _SPREAD.format(i=self.recall[name]),
                _SPREAD.format(i=self.alone[name]),
                *("" if other == name else f"{self.overlap[name][other]:.3f}" for other in names),
            ]
            for name in names
        ]
        header = ["channel", "found", f"recall@{self.k}", "alone", *(f"in {name}" for name in names)]
        return "\n\n".join(["## Channels", note, table(header, rows)]) + "\n"


def channel_report(retriever: Retriever, searches: Searches, key: str, k: int) -> ChannelReport | None:
    """None where the vertical names no channels. Raises AlicornError."""
    assert retriever.vertical is not None, "a text is read by a vertical"
    names = tuple(retriever.vertical.expressions.hybrid.channels)
    if not names:
        return None
    runs = _runs(retriever, searches, key, names, k)
    members = {name: _members(run) for name, run in runs.items()}
    recalls = {name: recall_at(run, searches.targets, k) for name, run in runs.items()}
    of_all = _recall_of(list(runs.values()), searches)
    alone = {}
    for name in names:
        others = [run for other, run in runs.items() if other != name]
        alone[name] = mean_interval(of_all - _recall_of(others, searches))
    return ChannelReport(
        k,
        len(searches),
        {name: mean_interval((run >= 0).sum(axis=1).astype(np.float64)) for name, run in runs.items()},
        {name: mean_interval(recalls[name]) for name in names},
        alone,
        {name: {other: _overlap(members[name], members[other]) for other in names if other != name} for name in names},
    )


def _runs(retriever: Retriever, searches: Searches, key: str, names: tuple[str, ...], k: int) -> dict[str, np.ndarray]:
    """int32 (searches, k) of each channel alone; nothing where the selection answers a text without `nn`."""
    vectors = request_vectors(retriever, searches, key)
    known = known_columns(searches, retriever.columns)
    ids: dict[str, list[list[str]]] = {name: [] for name in names}
    for row, query in enumerate(searches.queries):
        read = retriever.read(query, "hybrid", key, k, known=known[row])
        given = {**read.vectors, **{name: each[row] for name, each in vectors.items()}}
        operands = read.expression.operands if read.channels and isinstance(read.expression, Or) else ()
        for at, name in enumerate(names):
            ids[name].append(_first(retriever, operands[at], given, k) if operands else [])
    return {name: searches.run(each, k) for name, each in ids.items()}


def _first(retriever: Retriever, operand: Node, vectors: Mapping[str, np.ndarray], k: int) -> list[str]:
    order = own_order(operand) or "static_rank"
    return retriever.collection.search(operand, vectors, k, order).ids


def _recall_of(runs: list[np.ndarray], searches: Searches) -> np.ndarray:
    """(searches,) of the union of runs."""
    together = np.concatenate(runs, axis=1)
    return recall_at(together, searches.targets, together.shape[1])


def _members(run: np.ndarray) -> list[set[int]]:
    return [set(row[row >= 0].tolist()) for row in run]


def _overlap(own: list[set[int]], other: list[set[int]]) -> float:
    """Mean over the searches where it finds anything; NaN where there is none."""
    shares = [len(one & two) / len(one) for one, two in zip(own, other, strict=True) if one]
    return float(np.mean(shares)) if shares else float("nan")


def _rounded(interval: Interval) -> list[float]:
    return [round(x, 6) for x in (interval.mean, interval.low, interval.high)]
