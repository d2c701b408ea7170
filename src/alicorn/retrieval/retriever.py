"""What a searcher's text asks for: an expression, vectors and an order over one collection. The one way in.

The server, the shell and the demo ask through a `Retriever`, with the same checks.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from alicorn.errors import AlicornError, ConfigError
from alicorn.index import Snapshot
from alicorn.intents import IntentClassifier
from alicorn.language.order import OrderBy, without_nn
from alicorn.language.prepared import prepare
from alicorn.language.tree import Nn, Node, Or, walk
from alicorn.publishing.aliases import CURRENT, aliases_of
from alicorn.publishing.provenance import as_published, check_models, check_vertical
from alicorn.query import Collection, Facet, Result
from alicorn.query.check import UnitVectors, check_vectors
from alicorn.query.restrict import restricted
from alicorn.retrieval.asked import Asked
from alicorn.retrieval.by_words import ByWords, Chosen
from alicorn.retrieval.encoder import interests_of, named_vectors, search_vectors
from alicorn.retrieval.given import given_columns
from alicorn.retrieval.intents import Intent, controlled, understood
from alicorn.retrieval.nearest import nearest
from alicorn.retrieval.searchers import Searcher, Searchers
from alicorn.tables import python_values
from alicorn.vertical.schema import NOTHING, KnownColumns

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

Mode = Literal["boolean", "embedding", "hybrid"]
NEAREST = 100
"""Documents of mode embedding."""
_NO_MODEL = "a text is encoded by a model, and there is none: give an expression, or a model with --model"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the collection.

    expression: the text or the tree that was given, or the tree that a text became; root: its tree.
    vectors: of unit length, by the names that the expression calls them by. limit: of hits.
    offset, after: where the page begins. facets: what to count over the whole result, by name.
    without_nn: the rule of the vertical's selection by which a text became the Boolean expression; None where none did.
    only: the tree of the documents that may be seen; None: all.
    asked: of a text, for the stages that order its hits anew; None where they stay in their order.
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
        self, collection: Collection, request: Request, explain: bool, snapshot: Snapshot | None = None
    ) -> Result: ...


class ReadText(NamedTuple):
    """What a text becomes: an expression, the order of its hits, and the rule of the selection by which it has no `nn`.

    order_by None: by `nn`. channels, intents: as of a Request.
    """

    expression: Node
    order_by: OrderBy | None
    without_nn: str | None = None
    channels: tuple[str, ...] = ()
    intents: tuple[Intent, ...] = ()


class Retriever:
    """A collection, the models of its embedding keys, and its searchers.

    models: the first one's vertical names the terms, the expressions and the columns of searchers; without models,
    only expressions with their own vectors can be asked.
    """

    def __init__(
        self,
        collection: Collection,
        models: Sequence[AnyModel] = (),
        searchers: Searchers | None = None,
        ranking: RankingStages | None = None,
        classifier: IntentClassifier | None = None,
    ) -> None:
        """searchers: without them, a searcher is what a request says of one. ranking: orders the hits of texts anew.
        classifier: of what texts ask for without naming it, for the vertical's control.

        Raises CollectionError where a model, or what its vertical says of terms and stored columns, is not what the
        collection was published with, and ConfigError for two models of several interests, and for a classifier that
        the vertical has no control for.
        """
        models = as_published(models, collection)
        check_models(collection, models)
        if models:
            check_vertical(collection, models[0].vertical)
        self.collection = collection
        self.models = {model.key: model for model in models}
        self.vertical = models[0].vertical if models else None
        self.searchers = searchers or (Searchers(models[0].vertical, None) if models else None)
        self._context = {column.name: column for column in models[0].vertical.context_columns()} if models else {}
        self._interests = interests_of(models)
        self.ranking = ranking
        self.classifier = classifier
        if classifier is not None and (self.vertical is None or self.vertical.control is None):
            raise ConfigError("intents are learned for the control of a vertical, and there is none: leave them out")
        rows = pa.table({}) if self.searchers is None else self.searchers.rows()
        towers = {model.key: model.request_tower(rows) for model in models}
        self._towers = {key: tower for key, tower in towers.items() if tower is not None}
        self._pinned: str | None = None

    def beside(self, model: AnyModel) -> Retriever:
        """The same with one model more, under the key that its vectors have in the collection.

        The vertical, and what is searched where no key is given, stay. Raises as the constructor; ConfigError where the
        key has a model.
        """
        (named,) = as_published([model], self.collection)
        if named.key in self.models:
            other = self.models[named.key].fingerprint
            raise ConfigError(f"embedding {named.key!r} has a model here, {other}: give the new one another key")
        check_models(self.collection, [named])
        check_vertical(self.collection, named.vertical)
        with_it = copy.copy(self)
        with_it.models = {**self.models, named.key: named}
        with_it._interests = interests_of(list(with_it.models.values()))
        tower = named.request_tower(pa.table({}) if self.searchers is None else self.searchers.rows())
        with_it._towers = self._towers if tower is None else {**self._towers, named.key: tower}
        return with_it

    def without(self, key: str) -> Retriever:
        """The same without the model of a key."""
        left = copy.copy(self)
        left.models = {other: model for other, model in self.models.items() if other != key}
        left._interests = interests_of(list(left.models.values()))
        left._towers = {other: tower for other, tower in self._towers.items() if other != key}
        return left

    def pinned(self) -> Retriever:
        """The same, which goes on searching what is searched now where no key is given, whatever is called current."""
        if self._pinned is not None or not self.models:
            return self
        fixed = copy.copy(self)
        fixed._pinned = self.default_key
        return fixed

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
        read = None
        is_ranked = self.ranking is not None and text is not None and order_by is None
        if is_ranked and after is not None:
            raise AlicornError(
                "after: the first hits of a text are ranked by stages, whose pages have no cursor: ask for the next"
                " page by offset, or give an order_by, whose pages have cursors"
            )
        if expression is None:
            known = self._known(self.columns, text, searcher, context)
            read = self.read(text, mode, key, limit, order_by, chosen, only, known)
            order_by = read.order_by
        elif mode is not None or key is not None:
            raise AlicornError("mode and key say what a text becomes: leave them out beside an expression")
        asked = read.expression if expression is None and read is not None else expression
        assert asked is not None
        root = asked if isinstance(asked, Node) else prepare(asked).root
        encoded = self._encoded(text, searcher, context, root, is_ranked)
        given = check_vectors({**encoded, **(vectors or {})})
        own = encoded.keys() - (vectors or {}).keys()
        models = {
            key: model.fingerprint
            for key, model in self.models.items()
            if not own.isdisjoint(self._interests.get(key, (key,)))
        }
        of_ranking = self._asked(text or "", searcher, context, given) if is_ranked else None
        return Request(
            asked,
            root,
            given,
            limit,
            order_by,
            offset,
            after,
            None if read is None else read.without_nn,
            facets,
            only,
            asked=of_ranking,
            models=models,
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
        vertical = self.vertical
        if vertical is None:
            raise AlicornError(_NO_MODEL)
        if mode == "boolean":
            if key is not None:
                raise AlicornError("key names an embedding, and mode boolean has none: leave it out")
            expression = vertical.expression("boolean", text, known=known)
            return ReadText(expression, self._order("boolean", order_by))
        names = aliases_of(self.collection)
        key = self._default_key(names) if key is None else names.get(key, key)
        if key not in self.models:
            raise AlicornError(f"no model encodes {key!r}; there are models for: {', '.join(self.models)}")
        vectors = self._interests.get(key, ())
        if mode == "embedding":
            return ReadText(nearest(key, NEAREST, vectors=vectors), order_by)

        by_words = ByWords(self.collection, vertical, text, known, chosen, limit, only)
        expression, rule = vertical.request_expression(text, by_words, key, vectors, known)
        if rule is not None:
            return ReadText(expression, self._order("boolean", without_nn(order_by)), rule)
        intents = understood(vertical, restricted(self.collection.snapshot(), only), text, self.classifier)
        if vertical.control is not None:
            expression = controlled(expression, intents, vertical.control)
        channels = tuple(vertical.expressions.hybrid.channels)
        return ReadText(expression, self._order("hybrid", order_by), None, channels, intents)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the searcher and the context that the vertical's expressions ask for."""
        return () if self.vertical is None else self.vertical.asker_columns

    def by_name(self, vectors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Vectors of one request by the names that expressions call them by. vectors: key -> (interests, dim)."""
        named = {key: self._interests.get(key, (key,)) for key in vectors}
        return {name: row for key, names in named.items() for name, row in zip(names, vectors[key], strict=True)}

    def _order(self, which: Literal["boolean", "hybrid"], order_by: OrderBy | None) -> OrderBy | None:
        return self.vertical.order_of(which) if order_by is None and self.vertical is not None else order_by

    @property
    def default_key(self) -> str:
        """The embedding that a text looks in unless it says another. There is a model."""
        return self._default_key(aliases_of(self.collection))

    def _default_key(self, names: Mapping[str, str]) -> str:
        """Of the current model, else the vertical's, else that of the first model."""
        if self._pinned is not None:
            return self._pinned
        own = self.vertical.embedding if self.vertical is not None else ""
        known = [key for key in (names.get(CURRENT, own), own) if key in self.models]
        return known[0] if known else next(iter(self.models))

    def _encoded(
        self, text: str | None, searcher: Searcher, context: Mapping[str, Any] | None, root: Node, is_ranked: bool
    ) -> dict[str, Any]:
        """The vectors that the expression or the ranking looks for and a model encodes, by their names."""
        if text is None:
            for what, given in (("searcher", searcher), ("context", context)):
                if given is not None:
                    raise AlicornError(f"a {what} belongs to a text, which is encoded with it: give the text too")
            return {}
        if self.searchers is None:
            raise AlicornError(_NO_MODEL)
        around = given_columns(context or {}, self._context, "context")
        row, brought = -1, None
        if isinstance(searcher, Mapping):
            brought = self.searchers.request(text, searcher)
        else:
            row = self.searchers.row(searcher)
        wanted = {node.vector or node.key for node in walk(root) if isinstance(node, Nn)}
        if is_ranked and self.ranking is not None:
            wanted |= {name for key in self.ranking.keys for name in self._interests.get(key, (key,))}
        vectors: dict[str, Any] = {}
        for key, model in self.models.items():
            if wanted.isdisjoint(self._interests.get(key, (key,))):
                continue
            if brought is None and key in self._towers:
                vectors[key] = self._towers[key].encode(text, row, around)
            else:
                table = self.searchers.request(text, searcher) if brought is None else brought
                for name, column in around.items():
                    table = table.append_column(name, column)
                encoded = named_vectors(key, search_vectors(model, table))
                vectors |= {name: rows[0] for name, rows in encoded.items()}
        return vectors

    def _asked(
        self, text: str, searcher: Searcher, context: Mapping[str, Any] | None, vectors: Mapping[str, np.ndarray]
    ) -> Asked:
        """What the ranking wants to know of a text with its searcher."""
        assert self.ranking is not None
        names = {key: self._interests.get(key, (key,)) for key in self.ranking.keys}
        of_keys = {
            key: np.array([vectors[name] for name in of]) for key, of in names.items() if vectors.keys() >= set(of)
        }
        known = self._known(self.ranking.columns, text, searcher, context)
        return Asked(text, of_keys, known, time.time_ns() // 1000)

    def _known(
        self, columns: Sequence[str], text: str | None, searcher: Searcher, context: Mapping[str, Any] | None
    ) -> KnownColumns:
        """Of some columns of the searcher and the context, those that there are."""
        if not columns or self.searchers is None:
            return NOTHING
        table = self.searchers.request(text or "", searcher)
        for name, column in given_columns(context or {}, self._context, "context").items():
            table = table.append_column(name, column)
        return {name: python_values(table[name])[0] for name in columns if name in table.column_names}
