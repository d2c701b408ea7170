"""What a collection remembers of its models."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from served_people import VERTICAL

from alicorn.errors import CollectionError
from alicorn.publishing.provenance import check_models, check_vertical, metadata_of
from alicorn.query import Collection


def test_a_collection_of_other_terms_or_columns_is_refused_and_says_which(tmp_path: Path) -> None:
    document = VERTICAL.document.model_copy(update={"stored": ("name", "price"), "static_rank": "price"})
    other = VERTICAL.model_copy(update={"document": document})
    with Collection.create(tmp_path / "c", {}, metadata=metadata_of([], VERTICAL)) as collection:
        check_vertical(collection, VERTICAL.model_copy(update={"name": "renamed"}))
        message = r"another document\.static_rank and document\.stored than vertical 'people'.* without training again"
        with pytest.raises(CollectionError, match=message):
            check_vertical(collection, other)
    with Collection.create(tmp_path / "d", {}) as unsaid:
        check_vertical(unsaid, other)


def test_a_model_that_did_not_make_the_vectors_is_refused(tmp_path: Path) -> None:
    models = {"models": {"x": "m7"}}
    with Collection.create(tmp_path / "c", {"x": 2}, metadata=models) as collection:
        check_models(collection, [SimpleNamespace(key="x", fingerprint="m7")])
        with pytest.raises(CollectionError, match="was published with model m7, this is model m8"):
            check_models(collection, [SimpleNamespace(key="x", fingerprint="m8")])
        with pytest.raises(CollectionError, match="has no embedding 'y'"):
            check_models(collection, [SimpleNamespace(key="y", fingerprint="m7")])
