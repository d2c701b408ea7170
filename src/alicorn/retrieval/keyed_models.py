"""The request side of a collection's models: which key a text looks in, and the vectors of a text with its searcher."""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from alicorn.errors import AlicornError, ConfigError
from alicorn.publishing.aliases import CURRENT, aliases_of
from alicorn.publishing.provenance import as_published, check_models, check_vertical
from alicorn.query.any_collection import AnyCollection
from alicorn.retrieval.encoder import interests_of, named_vectors, search_vectors
from alicorn.retrieval.given import given_columns
from alicorn.retrieval.searchers import Searcher, Searchers
from alicorn.tables import python_values
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column
from alicorn.vertical.schema import NOTHING, KnownColumns

if TYPE_CHECKING:
    from alicorn.towers import AnyModel
    from alicorn.towers.request_tower import OneRequest

NO_MODEL = "a text is encoded by a model, and there is none: give an expression, or a model with --model"


@dataclass(frozen=True)
class KeyedModels:
    """models: by key. vertical: of the first; None without models. context: the columns of a request's context.

    towers: of the models whose request side is an array program. interests: key -> names of the vectors of a request,
    of a model of several interests. pinned: the key that is searched where none is given, whatever is called current.
    """

    collection: AnyCollection
    models: Mapping[str, AnyModel]
    searchers: Searchers | None
    vertical: Vertical | None
    context: Mapping[str, Column]
    towers: Mapping[str, OneRequest]
    interests: Mapping[str, tuple[str, ...]]
    pinned: str | None = None

    @classmethod
    def of(cls, collection: AnyCollection, models: Sequence[AnyModel], searchers: Searchers | None) -> KeyedModels:
        """Raises CollectionError where a model, or what its vertical says of terms and stored columns, is not what the
        collection was published with, and ConfigError for two models of several interests."""
        models = as_published(models, collection)
        check_models(collection, models)
        vertical = models[0].vertical if models else None
        if vertical is not None:
            check_vertical(collection, vertical)
            searchers = searchers or Searchers(vertical, None)
        context = {} if vertical is None else {column.name: column for column in vertical.context_columns()}
        none = cls(collection, {}, searchers, vertical, context, {}, interests_of(models))
        return replace(none, models={model.key: model for model in models}, towers=none._towers_of(models))

    def beside(self, model: AnyModel) -> KeyedModels:
        """With one model more, under the key that its vectors have in the collection. Raises as `of`; ConfigError where
        the key has a model."""
        (named,) = as_published([model], self.collection)
        if named.key in self.models:
            other = self.models[named.key].fingerprint
            raise ConfigError(f"embedding {named.key!r} has a model here, {other}: give the new one another key")
        check_models(self.collection, [named])
        check_vertical(self.collection, named.vertical)
        models = {**self.models, named.key: named}
        towers = {**self.towers, **self._towers_of([named])}
        return replace(self, models=models, towers=towers, interests=interests_of(list(models.values())))

    def without(self, key: str) -> KeyedModels:
        models = {other: model for other, model in self.models.items() if other != key}
        towers = {other: tower for other, tower in self.towers.items() if other != key}
        return replace(self, models=models, towers=towers, interests=interests_of(list(models.values())))

    def _towers_of(self, models: Sequence[AnyModel]) -> dict[str, OneRequest]:
        rows = pa.table({}) if self.searchers is None else self.searchers.rows()
        towers = {model.key: model.request_tower(rows) for model in models}
        return {key: tower for key, tower in towers.items() if tower is not None}

    @property
    def default_key(self) -> str:
        """The embedding that a text looks in unless it says another. There is a model."""
        return self._default_key(aliases_of(self.collection))

    def _default_key(self, names: Mapping[str, str]) -> str:
        """Of the current model, else the vertical's, else that of the first model."""
        if self.pinned is not None:
            return self.pinned
        own = self.vertical.embedding if self.vertical is not None else ""
        known = [key for key in (names.get(CURRENT, own), own) if key in self.models]
        return known[0] if known else next(iter(self.models))

    def key_of(self, key: str | None) -> str:
        """The key that a text looks in. key: it, or a name of it; None: the default. Raises AlicornError."""
        names = aliases_of(self.collection)
        found = self._default_key(names) if key is None else names.get(key, key)
        if found not in self.models:
            raise AlicornError(f"no model encodes {found!r}; there are models for: {', '.join(self.models)}")
        return found

    def names_of(self, key: str) -> tuple[str, ...]:
        """By which expressions call the vectors of a key."""
        return self.interests.get(key, (key,))

    def by_name(self, vectors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Vectors of one request by the names that expressions call them by. vectors: key -> (interests, dim)."""
        return {name: row for key, rows in vectors.items() for name, row in zip(self.names_of(key), rows, strict=True)}

    def vectors(
        self, text: str | None, searcher: Searcher, context: Mapping[str, Any] | None, wanted: AnyOf[str]
    ) -> dict[str, Any]:
        """Those of the wanted vectors that a model encodes, by their names. Raises AlicornError."""
        if text is None:
            for what, given in (("searcher", searcher), ("context", context)):
                if given is not None:
                    raise AlicornError(f"a {what} belongs to a text, which is encoded with it: give the text too")
            return {}
        if self.searchers is None:
            raise AlicornError(NO_MODEL)
        around = given_columns(context or {}, self.context, "context")
        row, brought = -1, None
        if isinstance(searcher, Mapping):
            brought = self.searchers.request(text, searcher)
        else:
            row = self.searchers.row(searcher)
        vectors: dict[str, Any] = {}
        for key, model in self.models.items():
            if not any(name in wanted for name in self.names_of(key)):
                continue
            if brought is None and key in self.towers:
                vectors[key] = self.towers[key].encode(text, row, around)
            else:
                table = self.searchers.request(text, searcher) if brought is None else brought
                for name, column in around.items():
                    table = table.append_column(name, column)
                encoded = named_vectors(key, search_vectors(model, table))
                vectors |= {name: rows[0] for name, rows in encoded.items()}
        return vectors

    def fingerprints(self, names: AnyOf[str]) -> dict[str, str]:
        """Key -> fingerprint of the models that encode any of the vectors."""
        return {
            key: model.fingerprint
            for key, model in self.models.items()
            if any(name in names for name in self.names_of(key))
        }

    def known(
        self, columns: Sequence[str], text: str | None, searcher: Searcher, context: Mapping[str, Any] | None
    ) -> KnownColumns:
        """Of some columns of the searcher and the context, those that there are."""
        if not columns or self.searchers is None:
            return NOTHING
        table = self.searchers.request(text or "", searcher)
        for name, column in given_columns(context or {}, self.context, "context").items():
            table = table.append_column(name, column)
        return {name: python_values(table[name])[0] for name in columns if name in table.column_names}
