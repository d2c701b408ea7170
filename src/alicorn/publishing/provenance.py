"""Which models made the vectors of a collection? Written when documents are published, checked before it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from alicorn import __version__
from alicorn.errors import CollectionError
from alicorn.query.explain.missing import ANALYSIS

if TYPE_CHECKING:  # a plain table is published without a vertical, and so without pydantic
    from alicorn.vertical import Vertical


class Fingerprinted(Protocol):
    """A model, by the embedding key that it publishes under and what it is."""

    @property
    def key(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...


class Keyed(Fingerprinted, Protocol):
    """One that may have another key."""

    def with_key(self, key: str) -> Self: ...


M = TypeVar("M", bound=Keyed)


class Described(Protocol):
    """A collection that says which models its embeddings are of: `metadata["models"]`, key -> fingerprint."""

    @property
    def metadata(self) -> Mapping[str, Any]: ...


class Embedded(Described, Protocol):
    """And which embeddings it has: key -> dimension."""

    @property
    def embeddings(self) -> Mapping[str, int]: ...


def metadata_of(models: Sequence[Fingerprinted], vertical: Vertical | None = None) -> dict[str, object]:
    """What a collection remembers of the models that made its vectors, and of the vertical that made its terms and
    stored columns.

    `check_models` and `check_vertical` compare it.
    """
    made: dict[str, object] = {"alicorn": __version__, "models": {model.key: model.fingerprint for model in models}}
    return made if vertical is None else {**made, **metadata_of_vertical(vertical)}


def metadata_of_vertical(vertical: Vertical) -> dict[str, object]:
    """What decides terms and stored columns, by fingerprints; and how words become terms, which answers tell."""
    from alicorn.vertical.parts import of_documents

    analyses = {prefix: analysis.settings for prefix, analysis in vertical.analysis.items() if analysis.settings}
    return {"vertical": of_documents(vertical), ANALYSIS: analyses}


def check_vertical(collection: Described, vertical: Vertical) -> None:
    """Raise CollectionError where the collection's terms or stored columns are of another vertical.

    A collection that does not say which vertical it is of fits every one.
    """
    from alicorn.vertical.parts import differing, of_documents

    published = collection.metadata.get("vertical")
    if published is not None and (others := differing(published, of_documents(vertical))):
        raise CollectionError(
            f"the collection was published with another {' and '.join(others)} than vertical '{vertical.name}' has:"
            " `alicorn update DOCS --into COLLECTION --vertical FILE` brings its documents to this vertical, with the"
            " vectors that they have, without training again; or take the vertical that it was published with"
            " (--vertical)"
        )


def as_published(models: Sequence[M], collection: Described) -> list[M]:
    """Each model under the key that its vectors have in the collection: its own, or another that they were given."""
    made = collection.metadata.get("models", {})
    found = []
    for model in models:
        keys = [key for key in sorted(made) if made[key] == model.fingerprint]
        found.append(model if not keys or model.key in keys else model.with_key(keys[0]))
    return found


def check_models(collection: Embedded, models: Sequence[Fingerprinted]) -> None:
    """Raise CollectionError where a model is not the one that made the collection's vectors of its key."""
    for model in models:
        if model.key not in collection.embeddings:
            known = ", ".join(sorted(collection.embeddings)) or "none"
            raise CollectionError(
                f"the collection has no embedding {model.key!r} (it has: {known}): publish with this model first, or"
                " add its vectors by `alicorn publish DOCS --into COLLECTION --model MODEL --as NAME`"
            )
        check_published(model, collection)


def check_published(model: Fingerprinted, collection: Described) -> None:
    """The collection's embeddings are this model's, or a CollectionError that says what to do."""
    published = collection.metadata.get("models", {}).get(model.key)
    if published is None:
        raise CollectionError(
            f"the collection does not say which model made its embedding {model.key!r}; this is {model.fingerprint}:"
            " publish the documents with `alicorn publish DOCS --into COLLECTION --model MODEL`"
        )
    if published != model.fingerprint:
        raise CollectionError(
            f"embedding {model.key!r} was published with model {published}, this is model {model.fingerprint}: publish"
            f" the documents with this model into a new collection, or evaluate model {published}"
        )
