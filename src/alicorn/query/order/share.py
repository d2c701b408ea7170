"""strong-or under a limit: each marked operand keeps its share of the answer (Unicorn, section 4)."""

from __future__ import annotations

import math

import numpy as np

from alicorn.language import tree
from alicorn.language.prepared import Prepared
from alicorn.query.order.by_keys import arranged
from alicorn.query.order.cursor import Ordering
from alicorn.query.order.order_by import ranked
from alicorn.query.run import Execution
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.per_segment import narrow
from alicorn.query.sets.ranked import Ranked, best_first


def with_shares(
    evaluation: Execution,
    prepared: Prepared,
    found: list[DocSet],
    best: Ranked,
    ordering: Ordering,
    limit: int,
) -> Ranked:
    """`best` with the last unreserved hits replaced until each marked operand has its share.

    Reservations are filled with each operand's best documents, in the order of the operands; where they do not all
    fit, earlier operands win.
    """
    reserved: dict[tuple[int, int], float] = {}
    root = prepared.root
    assert isinstance(root, tree.StrongOr)
    for own, weight in zip(evaluation.of_operands, root.optional_weight, strict=True):
        if weight is None:
            continue
        matched = narrow(own, found)
        share = min(math.ceil(weight * limit - 1e-9), limit)  # 0.07 x 100 is 7.000000000000001
        first = ranked(evaluation, prepared, matched, ordering, share)
        for at, number, score in zip(
            first.segments.tolist(), first.numbers.tolist(), first.scores.tolist(), strict=True
        ):
            if len(reserved) < limit:
                reserved.setdefault((at, number), score)
    chosen = dict(reserved)
    for at, number, score in zip(best.segments.tolist(), best.numbers.tolist(), best.scores.tolist(), strict=True):
        if len(chosen) >= limit:
            break
        chosen.setdefault((at, number), score)
    if len(ordering.order) > 1:
        views = range(len(evaluation.snapshot.segments))
        numbers_of = [
            np.array(sorted(number for at, number in chosen if at == view), dtype=np.uint32) for view in views
        ]
        return arranged(evaluation, ordering, numbers_of, limit)
    segments = np.array([at for at, _ in chosen], dtype=np.int64)
    numbers = np.array([number for _, number in chosen], dtype=np.int64)
    scores = np.array(list(chosen.values()), dtype=best.scores.dtype)
    order = best_first(evaluation.snapshot, scores, segments, numbers, limit)
    return Ranked(segments[order], numbers[order], scores[order])
