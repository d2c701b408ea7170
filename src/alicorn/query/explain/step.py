"""What did a query do? A tree of steps with estimated and actual counts, times, and the plans of every `nn`.

run.py records a Step per node; a Result carries the root as `explanation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from alicorn.language import tree
from alicorn.query.nn.counters import Counters

_MOST_NODES = 256
_MOST_TERMS = 10


def spelled(node: tree.Node) -> str:
    """The expression of a node; its operator alone if it is large, because each of its parents would print it again."""
    if next(islice(tree.walk(node), _MOST_NODES, None), None) is None:
        return str(node)
    return f"({node.operator} ...)"


@dataclass
class Step:
    """One node of the tree as it was evaluated, over all segments.

    estimated: an upper estimate from the statistics. actual: documents found (deleted ones included until the root).
    narrowed_to: how many candidate documents the parent passed down, None for all. terms: those that it expanded to.
    positions_read: of a phrase, the documents whose positions were compared.
    """

    expression: str
    estimated: int = 0
    actual: int = 0
    narrowed_to: int | None = None
    positions_read: int | None = None
    ms: float = 0.0
    counters: Counters | None = None
    terms: pa.StringArray | None = None
    children: list[Step] = field(default_factory=list)

    def child(self, expression: str, estimated: int) -> Step:
        step = Step(expression, estimated)
        self.children.append(step)
        return step

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        described: dict[str, Any] = {
            "expression": self.expression,
            "estimated": self.estimated,
            "actual": self.actual,
            "ms": round(self.ms, 4),
        }
        if self.narrowed_to is not None:
            described["narrowed_to"] = self.narrowed_to
        if self.terms is not None:
            described |= {"num_terms": len(self.terms), "terms": self.terms[:_MOST_TERMS].to_pylist()}
        if self.positions_read is not None:
            described["positions_read"] = self.positions_read
        if self.counters is not None:
            counters = self.counters
            described |= {
                "plans": counters.plans,
                "estimated_us": {name: round(cost, 1) for name, cost in counters.costs_us.items()},
                "clusters_probed": counters.clusters_probed,
                "clusters_pruned": counters.clusters_pruned,
                "documents_scanned": counters.documents_scanned,
                "documents_refined": counters.documents_refined,
                "exact_distances": counters.exact_distances,
                "bytes_read": counters.bytes_read,
            }
            if counters.recall is not None:
                described |= {"clusters": counters.recall.clusters, "scan": counters.recall.scan}
        if self.children:
            described["children"] = [child.to_dict() for child in self.children]
        return described

    def __str__(self) -> str:
        return "\n".join(self._lines(0))

    def _lines(self, depth: int) -> list[str]:
        text = f"{'  ' * depth}{self.expression}  estimated {self.estimated}, found {self.actual}, {self.ms:.3f} ms"
        if self.narrowed_to is not None:
            text += f", within {self.narrowed_to}"
        if self.terms is not None:
            more = ", ..." if len(self.terms) > _MOST_TERMS else ""
            text += (
                f"\n{'  ' * depth}  {len(self.terms)} terms: {', '.join(self.terms[:_MOST_TERMS].to_pylist())}{more}"
            )
        if self.positions_read is not None:
            text += f", positions of {self.positions_read} documents read"
        if self.counters is not None:
            counters = self.counters
            plans = ", ".join(dict.fromkeys(counters.plans)) or "nothing to do"
            costs = ", ".join(f"{name} {cost:.0f} us" for name, cost in counters.costs_us.items())
            if counters.recall is not None:
                text += f"\n{'  ' * depth}  recall: {counters.recall}"
            text += (
                f"\n{'  ' * depth}  plan: {plans} (estimated: {costs}); clusters {counters.clusters_probed} probed,"
                f" {counters.clusters_pruned} pruned; {counters.documents_scanned} documents scanned,"
                f" {counters.documents_refined} refined, {counters.exact_distances} exact distances,"
                f" {counters.bytes_read} bytes read"
            )
        return [text, *(line for child in self.children for line in child._lines(depth + 1))]
