"""What a searcher's text asks for: an expression, vectors and an order over one collection. The one way in.

The server, the shell and the demo ask through a `Retriever`, with the same checks.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from alicorn.errors import AlicornError, ConfigError
from alicorn.index import Snapshot
from alicorn.intents import IntentClassifier
from alicorn.language.order import OrderBy
from alicorn.language.prepared import prepare
from alicorn.language.tree import Nn, Node
from alicorn.query import Facet, Result
from alicorn.query.any_collection import AnyCollection
from alicorn.query.check import check_vectors
from alicorn.retrieval.asked import Asked
from alicorn.retrieval.keyed_models import NO_MODEL, KeyedModels
from alicorn.retrieval.reading.by_words import Chosen
from alicorn.retrieval.reading.reader import Mode, ReadText, TextReader
from alicorn.retrieval.regions import served_regions
from alicorn.retrieval.request import RankingStages, Request
from alicorn.retrieval.searchers import Searcher, Searchers
from alicorn.vertical import Vertical
from alicorn.vertical.schema import NOTHING, KnownColumns

if TYPE_CHECKING:
    from alicorn.towers import AnyModel


class Retriever:
    """A collection, the models of its embedding keys, and its searchers.

    models: the first one's vertical names the terms, the expressions and the columns of searchers; without models,
    only expressions with their own vectors can be asked.
    """

    def __init__(
        self,
        collection: AnyCollection,
        models: Sequence[AnyModel] = (),
        searchers: Searchers | None = None,
        ranking: RankingStages | None = None,
        classifier: IntentClassifier | None = None,
    ) -> None:
        """searchers: without them, a searcher is what a request says of one. ranking: orders the hits of texts anew.
        classifier: of what texts ask for without naming it, for the vertical's control.

        Raises as KeyedModels.of, and ConfigError for a classifier that the vertical has no control for.
        """
        self.collection = collection
        self._keyed = KeyedModels.of(collection, models, searchers)
        self.ranking = ranking
        self.classifier = classifier
        if classifier is not None and (self.vertical is None or self.vertical.control is None):
            raise ConfigError("intents are learned for the control of a vertical, and there is none: leave them out")

    @property
    def models(self) -> Mapping[str, AnyModel]:
        """By key."""
        return self._keyed.models

    @property
    def vertical(self) -> Vertical | None:
        return self._keyed.vertical

    @property
    def searchers(self) -> Searchers | None:
        return self._keyed.searchers

    @property
    def regions(self) -> pa.Table | None:
        """Of searchers (retrieval/regions.py), for the {regions} of the vertical."""
        return None if self.searchers is None else self.searchers.regions

    def beside(self, model: AnyModel) -> Retriever:
        """The same with one model more, under the key that its vectors have in the collection.

        The vertical, and what is searched where no key is given, stay. Raises as KeyedModels.beside.
        """
        return self._with(self._keyed.beside(model))

    def without(self, key: str) -> Retriever:
        """The same without the model of a key."""
        return self._with(self._keyed.without(key))

    def pinned(self) -> Retriever:
        """The same, which goes on searching what is searched now where no key is given, whatever is called current."""
        if self._keyed.pinned is not None or not self.models:
            return self
        return self._with(replace(self._keyed, pinned=self.default_key))

    def _with(self, keyed: KeyedModels) -> Retriever:
        changed = copy.copy(self)
        changed._keyed = keyed
        return changed

    def request(
        self,
        expression: str | Node | None = None,
        *,
        vectors: Mapping[str, object] | None = None,
        text: str | None = None,
        searcher: Searcher = None,
        context: Mapping[str, Any] | None = None,
        mode: Mode | None = None,
        key: str | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        offset: int = 0,
        after: str | None = None,
        facets: Mapping[str, Facet] | None = None,
        chosen: Chosen = lambda days: (),
        only: Node | None = None,
    ) -> Request:
        """An expression with its vectors; or a text with its searcher; or an expression and a text, which is encoded.

        vectors: those that no model encodes, or instead of a model's. searcher: an id, or an object of columns.
        context: columns of the vertical's request.context, such as the device; one that is not given is unknown.
        order_by: unless given, of a text that of the vertical, of an expression the collection's default.
        mode: what a text becomes, hybrid unless given. key: the embedding that it looks in; unless given that of the
        vertical, or of the first model where no model encodes the vertical's.
        chosen: what the searcher chose before; the selection's rule about repeats asks.
        only: the tree of the documents that may be seen (query/restrict.py).
        Raises QueryError, VectorError, and AlicornError for whatever else the request has wrong.
        """
        is_ranked = self.ranking is not None and text is not None and order_by is None
        if is_ranked and after is not None:
            raise AlicornError(
                "after: the first hits of a text are ranked by stages, whose pages have no cursor: ask for the next"
                " page by offset, or give an order_by, whose pages have cursors"
            )
        read = None
        if expression is None:
            known = self._keyed.known(self.columns, text, searcher, context)
            read = self.read(text, mode, key, limit, order_by, chosen, only, known)
            expression, order_by = read.expression, read.order_by
        elif mode is not None or key is not None:
            raise AlicornError("mode and key say what a text becomes: leave them out beside an expression")
        prepared = prepare(expression)
        wanted = {node.vector or node.key for node in prepared.named if isinstance(node, Nn)}
        if is_ranked and self.ranking is not None:
            wanted |= {name for key in self.ranking.keys for name in self._keyed.names_of(key)}
        encoded = self._keyed.vectors(text, searcher, context, wanted)
        around = {} if read is None else read.vectors
        given = check_vectors({**around, **encoded, **(vectors or {})})
        return Request(
            expression,
            prepared.root,
            given,
            limit,
            order_by,
            offset,
            after,
            None if read is None else read.without_nn,
            facets,
            only,
            asked=self._asked(text or "", searcher, context, given) if is_ranked else None,
            models=self._keyed.fingerprints(encoded.keys() - (vectors or {}).keys()),
            channels=() if read is None else read.channels,
            intents=() if read is None else read.intents,
        )

    def search(self, request: Request, explain: bool = False, snapshot: Snapshot | None = None) -> Result:
        """The first hits of a request. explain: with what every node of the expression and every stage did.

        snapshot: of several requests; None: the newest.
        """
        if self.ranking is not None and request.asked is not None:
            return self.ranking.search(self.collection, request, explain, snapshot)
        return self.collection.search(
            request.expression,
            request.vectors,
            request.limit,
            request.order_by,
            explain,
            offset=request.offset,
            after=request.after,
            facets=request.facets,
            only=request.only,
            snapshot=snapshot,
            lineage=request.wants_lineage,
        )

    def read(
        self,
        text: str | None,
        mode: Mode | None = None,
        key: str | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        chosen: Chosen = lambda days: (),
        only: Node | None = None,
        known: KnownColumns = NOTHING,
    ) -> ReadText:
        """How a text is read: its expression, the order of the hits, and the rule by which it has no `nn`.

        The arguments are those of `request`, which asks the same for one text with its searcher.
        known: of `columns`, what is known of the searcher and the context. Raises AlicornError.
        """
        if text is None:
            raise AlicornError("give an expression, or a text (and a searcher)")
        if self.vertical is None:
            raise AlicornError(NO_MODEL)
        reader = TextReader(self.collection, self.vertical, self.classifier)
        known, around = served_regions(known, self.collection, self.vertical.embedding)
        if mode == "boolean":
            if key is not None:
                raise AlicornError("key names an embedding, and mode boolean has none: leave it out")
            return reader.boolean(text, order_by, known)._replace(vectors=around)
        key = self._keyed.key_of(key)
        vectors = self._keyed.interests.get(key, ())
        if mode == "embedding":
            return reader.embedding(key, vectors, order_by)
        return reader.hybrid(text, key, vectors, order_by, limit, chosen, only, known)._replace(vectors=around)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the searcher and the context that the vertical's expressions ask for."""
        return () if self.vertical is None else self.vertical.asker_columns

    def by_name(self, vectors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Vectors of one request by the names that expressions call them by. vectors: key -> (interests, dim)."""
        return self._keyed.by_name(vectors)

    @property
    def default_key(self) -> str:
        """The embedding that a text looks in unless it says another. There is a model."""
        return self._keyed.default_key

    def _asked(
        self, text: str, searcher: Searcher, context: Mapping[str, Any] | None, vectors: Mapping[str, np.ndarray]
    ) -> Asked:
        """What the ranking wants to know of a text with its searcher."""
        assert self.ranking is not None
        names = {key: self._keyed.names_of(key) for key in self.ranking.keys}
        of_keys = {
            key: np.array([vectors[name] for name in of]) for key, of in names.items() if vectors.keys() >= set(of)
        }
        known = self._keyed.known(self.ranking.columns, text, searcher, context)
        return Asked(text, of_keys, known, time.time_ns() // 1000)
