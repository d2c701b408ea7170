"""How is a text read? It becomes an expression, by the templates, the selection and the control of a vertical."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from alicorn.intents import IntentClassifier
from alicorn.language.order import OrderBy, without_nn
from alicorn.language.tree import Node
from alicorn.query.any_collection import AnyCollection
from alicorn.retrieval.reading.by_words import ByWords, Chosen
from alicorn.retrieval.reading.intents import Intent, controlled, understood
from alicorn.retrieval.reading.nearest import nearest
from alicorn.vertical import Vertical
from alicorn.vertical.schema import KnownColumns

Mode = Literal["boolean", "embedding", "hybrid"]
NEAREST = 100
"""Documents of mode embedding."""


class ReadText(NamedTuple):
    """What a text becomes: an expression, the order of its hits, and the rule of the selection by which it has no `nn`.

    order_by None: by `nn`. channels, intents: as of a Request. vectors: float32 (dim,), by the names of {regions}.
    """

    expression: Node
    order_by: OrderBy | None
    without_nn: str | None = None
    channels: tuple[str, ...] = ()
    intents: tuple[Intent, ...] = ()
    vectors: Mapping[str, np.ndarray] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TextReader:
    """A vertical over one collection. classifier: of what texts ask for without naming it, for the vertical's control.

    order_by of its methods: unless given, that of the vertical.
    """

    collection: AnyCollection
    vertical: Vertical
    classifier: IntentClassifier | None = None

    def boolean(self, text: str, order_by: OrderBy | None, known: KnownColumns) -> ReadText:
        expression = self.vertical.expression("boolean", text, known=known)
        return ReadText(expression, self._order("boolean", order_by))

    def embedding(self, key: str, vectors: Sequence[str], order_by: OrderBy | None) -> ReadText:
        """vectors: names of the request's, where it has several."""
        return ReadText(nearest(key, NEAREST, vectors=vectors), order_by)

    def hybrid(
        self,
        text: str,
        key: str,
        vectors: Sequence[str],
        order_by: OrderBy | None,
        limit: int,
        chosen: Chosen,
        only: Node | None,
        known: KnownColumns,
    ) -> ReadText:
        """The hybrid expression with the control around its `nn`; or the Boolean one, where a rule says so."""
        vertical = self.vertical
        by_words = ByWords(self.collection, vertical, text, known, chosen, limit, only)
        expression, rule = vertical.request_expression(text, by_words, key, vectors, known)
        if rule is not None:
            return ReadText(expression, self._order("boolean", without_nn(order_by)), rule)
        intents = understood(vertical, self.collection.part(only), text, self.classifier)
        if vertical.control is not None:
            expression = controlled(expression, intents, vertical.control)
        channels = tuple(vertical.expressions.hybrid.channels)
        return ReadText(expression, self._order("hybrid", order_by), None, channels, intents)

    def _order(self, which: Literal["boolean", "hybrid"], order_by: OrderBy | None) -> OrderBy | None:
        return self.vertical.order_of(which) if order_by is None else order_by
