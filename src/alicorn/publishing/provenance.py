"""Which models made the vectors of a collection? Written when documents are published, checked before it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from alicorn import __version__
from alicorn.errors import CollectionError


class Fingerprinted(Protocol):
    """A model, by the embedding key that it publishes under and what it is."""

    @property
    def key(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...


class Described(Protocol):
    """A collection that says which models its embeddings are of: `metadata["models"]`, key -> fingerprint."""

    @property
    def metadata(self) -> Mapping[str, Any]: ...


class Embedded(Described, Protocol):
    """And which embeddings it has: key -> dimension."""

    @property
    def embeddings(self) -> Mapping[str, int]: ...


class Analysed(Protocol):
    """A vertical, by what decides the terms of its documents."""

    def analysis_fingerprint(self) -> str | None: ...


def metadata_of(models: Sequence[Fingerprinted], vertical: Analysed | None = None) -> dict[str, object]:
    """What a collection remembers of the models that made its vectors, and of the vertical that made its terms.

    `check_models` and `check_analysis` compare it.
    """
    made: dict[str, object] = {"alicorn": __version__, "models": {model.key: model.fingerprint for model in models}}
    analysis = None if vertical is None else vertical.analysis_fingerprint()
    return made if analysis is None else {**made, "analysis": analysis}


def check_analysis(collection: Described, vertical: Analysed) -> None:
    """Raise CollectionError where the collection's terms are of another analysis of the words."""
    published, asked = collection.metadata.get("analysis"), vertical.analysis_fingerprint()
    if published != asked:
        raise CollectionError(
            f"the collection was published with the analysis {published or 'of words as they are'}, this vertical's is"
            f" {asked or 'of words as they are'}: publish the documents into a new collection, or take the vertical"
            " that it was published with (--vertical)"
        )


def check_models(collection: Embedded, models: Sequence[Fingerprinted]) -> None:
    """Raise CollectionError where a model is not the one that made the collection's vectors of its key."""
    for model in models:
        if model.key not in collection.embeddings:
            known = ", ".join(sorted(collection.embeddings)) or "none"
            raise CollectionError(
                f"the collection has no embedding {model.key!r} (it has: {known}): publish with this model first, or"
                " add its vectors by `alicorn update DOCS --into COLLECTION --model MODEL`"
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
