"""What a search by text leaves out where requests wait: a ladder, whose steps come one on top of the other.

A step is taken by how long a request would wait when it comes: the first from `degrade_ms` on, the second from twice
that, the third from three times that. What an answer lacks is named in it.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from alicorn.language.tree import Nn, Node, with_nn
from alicorn.retrieval.request import Request

STEPS = ("candidates", "ranker", "recall")
"""A quarter of the candidates is ranked; none is; each `nn` looks at fewer documents."""

_RANKED = 0.25
_RECALL = 0.8
_SCANNED = 4


def step_of(wait_s: float, degrade_ms: float | None) -> int:
    """How many steps are taken. degrade_ms None: none, whatever the wait."""
    return 0 if degrade_ms is None else min(len(STEPS), int(wait_s * 1000.0 / degrade_ms))


def with_less_work(request: Request, step: int) -> tuple[Request, Sequence[str]]:
    """The request of a text after so many steps, and those that changed it."""
    taken = []
    if step == 1 and request.asked is not None:
        request, taken = replace(request, share_ranked=_RANKED), [STEPS[0]]
    if step >= 2 and request.asked is not None:
        request, taken = replace(request, asked=None), [STEPS[1]]
    if step >= 3 and isinstance(request.expression, Node):
        root = with_nn(request.root, _looking_at_fewer)
        if root != request.root:
            request = replace(request, expression=root, root=root)
            taken.append(STEPS[2])
    return request, taken


def _looking_at_fewer(nn: Nn) -> Nn:
    if nn.recall is not None:
        return replace(nn, recall=min(nn.recall, _RECALL))
    if nn.scan is not None:
        return replace(nn, scan=min(nn.scan, max(nn.k or 1, ceil(nn.scan / _SCANNED))))
    return nn
