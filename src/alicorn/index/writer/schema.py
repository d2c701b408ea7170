"""A change of what all documents have: keys, columns, terms and positions that go, and positions that come.

Every segment is rewritten by it (rewriting.py), documents that arrive meanwhile are changed alike, and the journal is
empty of them when the manifest is changed, so that nothing of what went can come to life under a name used again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from alicorn.errors import ConfigError
from alicorn.index.segment.building.documents import Documents
from alicorn.index.state.version import Version


@dataclass(frozen=True)
class SchemaChange:
    """keys, columns: embedding keys and stored columns that go; terms: prefixes, without the colon, whose terms go;
    unpositioned, positioned: prefixes whose positions go, and come."""

    keys: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    unpositioned: tuple[str, ...] = ()
    positioned: tuple[str, ...] = ()

    def check(self, version: Version) -> None:
        """Raise ConfigError for what the collection does not have, or has already."""
        _check_known("keys", self.keys, version.embeddings, "embedding")
        _check_known("columns", self.columns, version.columns.names, "stored column")
        _check_known("positions", self.unpositioned, version.positions, "prefix with positions")
        for prefix in self.terms:
            spans = [view.segment.terms.prefix(f"{prefix}:") for view in version.views]
            if all(low == high for low, high in spans):
                raise ConfigError(f"terms: no document has a term {prefix}:..., so there is nothing to drop")
        for prefix in self.positioned:
            if prefix in version.positions:
                raise ConfigError(f"positions: the collection keeps those of {prefix!r} already")

    def documents(self, documents: Documents) -> Documents:
        """Documents after the change."""
        gone = [name for name in self.columns if name in documents.fields.column_names]
        terms = documents.terms
        for prefix in self.terms:
            terms = terms.without(prefix)
        terms = terms.with_positions(self._positions(terms.positioned))
        vectors = {key: part for key, part in documents.vectors.items() if key not in self.keys}
        return replace(documents, fields=documents.fields.drop_columns(gone), terms=terms, vectors=vectors)

    def version(self, version: Version) -> Version:
        """The version of changed documents, which has the keys that are left."""
        columns = version.columns
        for name in self.columns:
            columns = columns.remove(columns.get_field_index(name))
        return replace(version, columns=columns, positions=self._positions(version.positions))

    def _positions(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """The prefixes whose positions are kept afterwards."""
        return (*(prefix for prefix in before if prefix not in self.unpositioned), *self.positioned)


def _check_known(argument: str, wanted: Collection[str], known: Collection[str], what: str) -> None:
    for name in wanted:
        if name not in known:
            allowed = ", ".join(known) or f"none: there is no {what}"
            raise ConfigError(f"{argument} must be one of {allowed}, got {name!r}")
