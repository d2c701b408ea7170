"""What the relevance control of a vertical takes away: of the nearest documents, and of the targets.

understood   the share of searches with an intent, and how many intents
kept         the share of the targets that the intents allow: what is lost cannot be found by `nn`
candidates   documents of the `nn` that reach later stages (MGDSPR's Num_prank), without control and in both places
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from alicorn.evaluation.metrics.bootstrap import Interval, mean_interval
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import request_vectors
from alicorn.index import Snapshot
from alicorn.reporting.markdown import table
from alicorn.retrieval.reading.intents import Intent, allows, controlled, understood
from alicorn.retrieval.reading.nearest import RECALL, nearest
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical.expressions import RelevanceControl

_PLACES: tuple[Literal["while_searching", "afterwards"], ...] = ("while_searching", "afterwards")


@dataclass(frozen=True)
class ControlReport:
    """Means over searches, with intervals; kept and candidates over the searches with an intent.

    k: the nearest that are asked for, of each vector.
    """

    k: int
    num_searches: int
    num_understood: int
    intents: Interval
    kept: Interval
    candidates: Mapping[str, Interval]

    def to_dict(self) -> dict[str, object]:
        return {
            "k": self.k,
            "searches": self.num_searches,
            "understood": self.num_understood,
            "intents": _rounded(self.intents),
            "kept": _rounded(self.kept),
            "candidates": {name: _rounded(of) for name, of in self.candidates.items()},
        }

    def markdown(self) -> str:
        note = (
            f"Of {self.num_searches} searches {self.num_understood} have an intent, {self.intents.mean:.2f} on average."
            f" Of their targets {_written(self.kept)} are allowed. The {self.k} nearest of these searches:"
        )
        rows = [[name, _written(of, 1)] for name, of in self.candidates.items()]
        return "\n\n".join(["## Relevance control", note, table(["control", "candidates"], rows)]) + "\n"


def control_report(
    retriever: Retriever, searches: Searches, key: str, k: int, recall: float = RECALL
) -> ControlReport | None:
    """None where the vertical has no control. Raises AlicornError."""
    vertical = retriever.vertical
    if vertical is None or vertical.control is None:
        return None
    snapshot, collection = retriever.collection.snapshot(), retriever.collection
    every = [understood(vertical, snapshot, query, retriever.classifier) for query in searches.queries]
    rows = np.flatnonzero([bool(intents) for intents in every])
    vectors = request_vectors(retriever, searches, key)
    near = nearest(key, k, recall, () if key in vectors else tuple(vectors))
    controls = {place: RelevanceControl(intents=vertical.control.intents, filter=place) for place in _PLACES}
    counts: dict[str, list[int]] = {name: [] for name in ("none", *_PLACES)}
    for row in rows.tolist():
        given = {name: each[row] for name, each in vectors.items()}
        counts["none"].append(collection.search(near, given, limit=0).total)
        for place, control in controls.items():
            asked = controlled(near, every[row], control)
            counts[place].append(collection.search(asked, given, limit=0).total)
    kept = [_share_allowed(snapshot, searches, row, every[row]) for row in rows.tolist()]
    return ControlReport(
        k,
        len(searches),
        len(rows),
        mean_interval(np.array([len(intents) for intents in every], dtype=np.float64)),
        mean_interval(np.array(kept)),
        {name: mean_interval(np.array(of, dtype=np.float64)) for name, of in counts.items()},
    )


def _share_allowed(snapshot: Snapshot, searches: Searches, row: int, intents: Sequence[Intent]) -> float:
    """Of the targets of a search that the collection has; NaN of none."""
    targets = searches.targets
    here = slice(targets.starts[row], targets.starts[row + 1])
    numbers = targets.documents[here][(targets.grades[here] > 0) & (targets.documents[here] >= 0)]
    ids = searches.documents["doc_id"].take(pa.array(numbers)).to_pylist()
    found = [address for address in map(snapshot.find, ids) if address is not None]
    allowed = [allows(intents, set(snapshot.document(*address)["terms"])) for address in found]
    return float(np.mean(allowed)) if allowed else float("nan")


def _rounded(of: Interval) -> list[float]:
    return [round(x, 6) for x in (of.mean, of.low, of.high)]


def _written(of: Interval, digits: int = 3) -> str:
    return f"{of.mean:.{digits}f} [{of.low:.{digits}f}, {of.high:.{digits}f}]"
