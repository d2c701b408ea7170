"""What is asked of a collection, and of the stages that order its hits anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alicorn.index import Snapshot
from alicorn.language.order import OrderBy
from alicorn.language.tree import Node, Or
from alicorn.query import Facet, Result
from alicorn.query.any_collection import AnyCollection
from alicorn.query.check import UnitVectors
from alicorn.retrieval.asked import Asked
from alicorn.retrieval.reading.intents import Intent


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the collection.

    expression: the text or the tree that was given, or the tree that a text became; root: its tree.
    vectors: of unit length, by the names that the expression calls them by. limit: of hits.
    offset, after: where the page begins. facets: what to count over the whole result, by name.
    without_nn: the rule of the vertical's selection by which a text became the Boolean expression; None where none did.
    only: the tree of the documents that may be seen; None: all.
    asked: of a text, for the stages that order its hits anew; None where they stay in their order. share_ranked: of the
    candidates, that go through the stages.
    models: the models that encoded vectors of it, embedding key -> fingerprint.
    channels: names of the operands of the root, which is their `or`; empty where the vertical names none.
    intents: what the query is sure to ask for, by the vertical's control.
    """

    expression: str | Node
    root: Node
    vectors: UnitVectors
    limit: int
    order_by: OrderBy | None
    offset: int = 0
    after: str | None = None
    without_nn: str | None = None
    facets: Mapping[str, Facet] | None = None
    only: Node | None = None
    asked: Asked | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    intents: tuple[Intent, ...] = ()
    share_ranked: float = 1.0

    @property
    def wants_lineage(self) -> bool:
        """Whether the answer says which operands found a hit: for channels, and to count what the control lets pass."""
        return bool(self.channels) or (bool(self.intents) and isinstance(self.root, Or))

    def candidates(self, result: Result) -> int | None:
        """How many documents `nn` found and the control let pass (MGDSPR: Num_prank); None without an intent."""
        if not self.intents:
            return None
        return result.total if result.num_by_nn is None else result.num_by_nn

    @property
    def notices(self) -> tuple[str, ...]:
        """What the searcher should know of how the text was read."""
        return () if self.without_nn is None else (f"answered without nn: the search is {self.without_nn}",)


class RankingStages(Protocol):
    """What orders the hits of a text anew. keys, columns: the embeddings and the columns of the searcher and of the
    context that it wants to know of a request. fingerprint, described: of all that its scores depend on, and that as
    YAML; feature_set: fingerprint of its features."""

    @property
    def keys(self) -> Sequence[str]: ...

    @property
    def columns(self) -> Sequence[str]: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def described(self) -> str: ...

    @property
    def feature_set(self) -> str: ...

    def search(
        self, collection: AnyCollection, request: Request, explain: bool, snapshot: Snapshot | None = None
    ) -> Result: ...
