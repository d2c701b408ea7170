"""A model is served as it was trained: the same vectors without torch, by arrays or by an exported tower."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towers_toy import documents, requests, toy_model

from alicorn.errors import ConfigError, ModelError
from alicorn.towers import Ensemble, Model, load_served
from alicorn.towers.without_torch import ArrayModel, ExportedModel, ModelWithoutTorch

BY_ARRAYS: dict[str, dict[str, Any]] = {
    "concat": {},
    "linear": {"hidden": 0},
    "some features": {"features": {"request": ["text"], "document": ["name"]}},
}
BY_TORCH: dict[str, dict[str, Any]] = {
    "attention": {"fusion": {"kind": "attention"}},
    "a hash embedding": {"tables": {"city": {"kind": "dhe", "dim": 4, "hashes": 16, "width": 8, "layers": 2}}},
}


@pytest.fixture(scope="module", params=BY_ARRAYS)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, ModelWithoutTorch]:
    folder = tmp_path_factory.mktemp("model")
    model = toy_model(BY_ARRAYS[request.param]).save(folder)
    served = load_served(folder)
    assert isinstance(served, ArrayModel)
    return model, served


def test_it_is_the_model_of_the_folder(saved: tuple[Model, ModelWithoutTorch]) -> None:
    model, served = saved
    facts = ("key", "dim", "data", "fingerprint", "num_interests", "recipe", "vertical", "encodings")
    assert [getattr(served, name) for name in facts] == [getattr(model, name) for name in facts]
    assert served.request_features == model.request_features
    assert served.document_features == model.document_features
    assert served.with_key("other").key == "other"


@settings(max_examples=30)
@given(rows=st.lists(st.integers(0, 3), max_size=9))
def test_vectors_are_those_of_the_batch(saved: tuple[Model, ModelWithoutTorch], rows: list[int]) -> None:
    model, served = saved
    asked, found = requests().take(pa.array(rows, pa.int64())), documents()
    np.testing.assert_allclose(served.encode_requests(asked), model.encode_requests(asked), atol=1e-5)
    np.testing.assert_allclose(served.encode_interests(asked), model.encode_interests(asked), atol=1e-5)
    np.testing.assert_allclose(served.encode_documents(found), model.encode_documents(found), atol=1e-5)


def test_an_ensemble_is_served_and_copied(tmp_path: Path) -> None:
    Ensemble.of([toy_model(seed=1), toy_model(seed=2)], [1.0, 3.0]).save(tmp_path / "both")
    model, served = Model.load(tmp_path / "both"), load_served(tmp_path / "both")
    assert isinstance(served, Ensemble)
    assert served.fingerprint == model.fingerprint
    np.testing.assert_allclose(served.encode_requests(requests()), model.encode_requests(requests()), atol=1e-5)
    served.save(tmp_path / "copy")
    assert Model.load(tmp_path / "copy").fingerprint == model.fingerprint


@pytest.mark.parametrize("towers", BY_TORCH.values(), ids=BY_TORCH)
def test_another_tower_needs_torch_until_it_is_exported(
    towers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    toy_model(towers).save(folder)
    assert isinstance(load_served(folder), Model)
    monkeypatch.setattr("alicorn.extras.importlib.util.find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=r"not exported, needs torch: pip install .* or run `alicorn export"):
        load_served(folder)


def test_an_exported_tower_is_served(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    export = pytest.importorskip("alicorn.towers.export.onnx_export")
    folder = tmp_path / "model"
    model = toy_model(BY_TORCH["attention"]).save(folder)
    assert export.export_for_service(folder) == [folder / "query_tower"]
    served = load_served(folder)
    assert isinstance(served, ExportedModel)
    np.testing.assert_allclose(served.encode_requests(requests()), model.encode_requests(requests()), atol=1e-5)
    assert served.encode_interests(requests()).shape == (4, 1, 8)
    np.testing.assert_array_equal(served.encode_documents(documents()), model.encode_documents(documents()))
    served.save(tmp_path / "copy")
    assert isinstance(load_served(tmp_path / "copy"), ExportedModel)
    toy_model(BY_TORCH["attention"], seed=3).save(folder)
    with pytest.raises(ModelError, match="is of another model: run `alicorn export"):
        load_served(folder)


def test_it_is_read_without_torch(tmp_path: Path) -> None:
    toy_model().save(tmp_path)
    pq.write_table(documents(), tmp_path / "documents.parquet")
    program = (
        "import sys; sys.modules['torch'] = None; import pyarrow.parquet as pq; from alicorn.towers import load_served;"
        "documents = pq.read_table(sys.argv[1] + '/documents.parquet');"
        "print(load_served(sys.argv[1]).encode_documents(documents).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(4, 8)"


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    toy_model().save(tmp_path)
    recipe = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(recipe.replace("word_ngrams: 2", "word_ngrams: 1"))
    with pytest.raises(ModelError, match="changed since"):
        load_served(tmp_path)
