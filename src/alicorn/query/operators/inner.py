"""The documents of an inner expression from which apply and extract go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alicorn.language import tree
from alicorn.query.sets.per_segment import live, size
from alicorn.query.sets.static_order import first_documents

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def first_of_inner(evaluation: Execution, node: tree.Apply | tree.Extract) -> tuple[np.ndarray, np.ndarray]:
    """The first `limit` documents of the inner expression in static-rank order; a notice says when it was cut.

    Returns segments and numbers, (n,) int64 each.
    """
    found = live(evaluation.snapshot, evaluation.evaluate(node.inner, None))
    note_cut(evaluation, node, size(found))
    return first_documents(evaluation.snapshot, found, node.limit)


def note_cut(evaluation: Execution, node: tree.Apply | tree.Extract, total: int) -> None:
    """total: how many documents the inner expression has."""
    if total > node.limit:
        cut = f"{node.operator}: the inner expression has {total} documents, cut to :limit {node.limit}"
        evaluation.notices.append(cut)
