"""What the engine does for one operator: evaluate it, estimate its size, and check the names that it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alicorn.index import Snapshot
from alicorn.query.sets.per_segment import Sets

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def _whole_collection(evaluation: Execution, _: Any) -> int:
    return evaluation.snapshot.num_docs


def _fits(*_: Any) -> None:
    """An operator that names nothing of the collection fits every collection."""


class Operator(NamedTuple):
    """evaluate: the documents of a node; given `within`, only the documents in it need be computed and returned.

    estimate: at most how many documents a node matches, from posting and column statistics alone.
    check: raises QueryError or VectorError where a name in the node does not fit the snapshot and the given vectors.
    """

    evaluate: Callable[[Execution, Any, Sets | None], Sets]
    estimate: Callable[[Execution, Any], int] = _whole_collection
    check: Callable[[Any, Snapshot, Mapping[str, np.ndarray]], None] = _fits
