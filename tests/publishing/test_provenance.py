"""What a collection remembers of its models."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from alicorn.errors import CollectionError
from alicorn.publishing.provenance import check_models
from alicorn.query import Collection


def test_a_model_that_did_not_make_the_vectors_is_refused(tmp_path: Path) -> None:
    models = {"models": {"x": "m7"}}
    with Collection.create(tmp_path / "c", {"x": 2}, metadata=models) as collection:
        check_models(collection, [SimpleNamespace(key="x", fingerprint="m7")])
        with pytest.raises(CollectionError, match="was published with model m7, this is model m8"):
            check_models(collection, [SimpleNamespace(key="x", fingerprint="m8")])
        with pytest.raises(CollectionError, match="has no embedding 'y'"):
            check_models(collection, [SimpleNamespace(key="y", fingerprint="m7")])
