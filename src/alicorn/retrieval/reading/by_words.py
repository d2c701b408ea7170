"""What words alone say of a text before it is searched: whether it is an easy repeat, and the signs that `nn` may add
nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from alicorn.language.tree import Node, Or, Term
from alicorn.query.any_collection import AnyCollection
from alicorn.text import words
from alicorn.vertical import Vertical
from alicorn.vertical.schema import KnownColumns
from alicorn.vertical.selection.requests import Signs

Chosen = Callable[[float], Sequence[str]]
"""Ids of the documents that this searcher chose for these words in the last so many days."""


@dataclass(frozen=True)
class ByWords:
    """A text, as the rules of a selection ask about it (Untried).

    known: what is known of the searcher and the context. chosen: by the searcher before. limit: of the first page.
    only: the tree of the documents that may be seen; None: all.
    """

    collection: AnyCollection
    vertical: Vertical
    text: str
    known: KnownColumns
    chosen: Chosen
    limit: int = 10
    only: Node | None = None

    def is_repeat(self, days: float) -> bool:
        """Whether a document that the searcher chose is among the first hits of the Boolean expression."""
        chosen = self.chosen(days)
        if not chosen:
            return False
        order = self.vertical.order_of("boolean")
        found = self.collection.search(self._boolean, limit=self.limit, order_by=order, only=self.only)
        return not set(found.ids).isdisjoint(chosen)

    def signs(self) -> Signs:
        found = self._count(self._boolean)
        names = self._count(Or(tuple(map(Term, self.vertical.terms_of_value(self.text)))))
        many = _log(len(words(self.text)))
        return {
            "constant": 1.0,
            "words": many,
            "none": float(found == 0),
            "one": float(found == 1),
            "found": _log(found),
            "name": float(names == 1),
            "names": _log(names),
            "words_of_one": many if found == 1 else 0.0,
            "words_of_some": many if found else 0.0,
        }

    @cached_property
    def _boolean(self) -> Node:
        return self.vertical.expression("boolean", self.text, known=self.known)

    def _count(self, expression: Node) -> int:
        return self.collection.search(expression, limit=0, only=self.only).total


def _log(count: int) -> float:
    return math.log(count) if count else 0.0
