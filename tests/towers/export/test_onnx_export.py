"""The exported request tower says what the model says, for every recipe, to 1e-5."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import semantic_toy
import towers_toy
from tiny_encoder import write_tiny_encoder
from towers_toy import toy_model

from alicorn.errors import ConfigError, ModelError
from alicorn.towers import Ensemble, Model
from alicorn.towers.export.onnx_export import export_query_tower
from alicorn.training import Recipe
from alicorn.vertical import Vertical

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from alicorn.towers.export.query_tower import QueryTower

EVERY_KIND = Vertical.model_validate(
    {
        "name": "toy",
        "embedding": "toy",
        "document": {
            "features": {"item": {"kind": "id", "column": "doc_id"}, "name": {"kind": "text", "column": "name"}},
            "terms": [{"prefix": "text", "column": "name", "kind": "words"}],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "budget": {"kind": "numeric", "column": "budget"},
                "age": {"kind": "numeric", "column": "age"},
                "images": {"kind": "vectors", "column": "images", "dim": 3},
                "history": {"kind": "sequence", "parts": {"item": "seen"}, "last": 6},
            }
        },
        "split": {"valid": 0.1},
    }
)
TRANSFORMER = {"kind": "transformer", "layers": 2, "heads": 2, "dim": 8}
RECIPES: dict[str, dict[str, Any]] = {
    "concat": {},
    "attention, a transformer": {"fusion": {"kind": "attention"}, "channels": {"request.text": TRANSFORMER}},
    "ids by hash embeddings": {"tables": {"city": {"kind": "dhe", "dim": 4, "hashes": 16, "width": 8, "layers": 2}}},
    "ids by several rows": {"tables": {"city": {"kind": "hashed", "dim": 4, "buckets": 9}}},
}


def agree(model: Model, requests: pa.Table, folder: Path) -> None:
    offline = model.encode_interests(requests) if model.module.interests > 1 else model.encode_requests(requests)
    tower = QueryTower.open(export_query_tower(model, folder))
    assert (tower.key, tower.dim, tower.fingerprint) == (model.key, model.dim, model.fingerprint)
    np.testing.assert_allclose(tower.encode_requests(requests), offline, atol=1e-5)
    assert tower.encode_requests(requests.slice(0, 0)).shape == (0, *offline.shape[1:])


@pytest.mark.parametrize(
    "towers",
    [
        pytest.param(towers, id=name, marks=[] if "transformer" in name else pytest.mark.slow)
        for name, towers in RECIPES.items()
    ],
)
def test_online_and_offline_vectors_agree(towers: dict[str, Any], tmp_path: Path) -> None:
    agree(toy_model(towers).save(tmp_path / "model"), towers_toy.requests(), tmp_path / "tower")


@pytest.mark.slow
def test_an_exported_tower_needs_no_torch(tmp_path: Path) -> None:
    folder = export_query_tower(toy_model(), tmp_path / "tower")
    program = (
        "import sys, pyarrow as pa; from alicorn.towers.export.query_tower import QueryTower;"
        f"tower = QueryTower.open({str(folder)!r});"
        "row = {'query': ['ada'], 'city': ['Rome'], 'social': pa.array([None], pa.list_(pa.float32()))};"
        "print(tower.encode_requests(pa.table(row)).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 8) False"


def test_what_cannot_be_exported_or_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ConfigError, match="exists and is not empty"):
        export_query_tower(toy_model(), tmp_path / "full")
    with pytest.raises(ConfigError, match="member by member"):
        export_query_tower(Ensemble.of([toy_model(), toy_model(seed=1)], [1, 1]), tmp_path / "both")
    with pytest.raises(ModelError, match="no exported tower"):
        QueryTower.open(tmp_path / "full")


def test_an_export_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "query_tower.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(
        ModelError, match=r"query_tower\.json has format 1, and this alicorn reads format 2: export the model again"
    ):
        QueryTower.open(tmp_path)


@pytest.mark.slow
def test_the_towers_of_mgdspr_agree_too(tmp_path: Path) -> None:
    agree(semantic_toy.shop_model(), semantic_toy.shoppers(), tmp_path / "tower")


@pytest.mark.slow
@pytest.mark.parametrize("interests", [None, {"feature": "history", "count": 3}], ids=["one vector", "interests"])
def test_every_kind_of_channel_and_several_interests_agree_too(interests: Any, tmp_path: Path) -> None:
    towers = {
        "dim": 8,
        "fusion": {"kind": "attention"},
        "tables": {"text": {"buckets": 300, "dim": 8}, "item": {"buckets": 100, "dim": 8}},
        "channels": {
            "request.text": {**TRANSFORMER, "tokens": "trigrams"},
            "request.budget": {"kind": "autodis", "count": 5, "dim": 4},
            "request.age": {"kind": "bins", "count": 5, "dim": 4},
        },
        "interests": interests,
    }
    plain = Recipe.model_validate({"towers": towers}).plain()
    model = Model.new(EVERY_KIND, plain, "data", {}, 0).save(tmp_path / "model")
    requests = pa.table(
        {
            "query": ["red shoes", "", None, "lamp"],
            "budget": pa.array([3.0, None, -1.0, 0.0], pa.float64()),
            "age": pa.array([None, 40.0, 2.0, 0.0], pa.float64()),
            "images": pa.array([[[1, 0, 0], [0, 1, 0]], None, [], [[0, 0, 1.0]]], pa.list_(pa.list_(pa.float32()))),
            "seen": pa.array([["a", "b", "a"], ["d"], None, [f"{i}" for i in range(9)]], pa.list_(pa.string())),
        }
    )
    agree(model, requests, tmp_path / "tower")


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [0, 1])
def test_a_pretrained_encoder_agrees_too(tuned: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alicorn.towers.channels.tuned.multiplies_bfloat16", lambda: False)  # as the exported tower
    folder = write_tiny_encoder(tmp_path / "encoder")
    encoder = {"model": str(folder), "features": ["request.text", "document.name"], "tuned_layers": tuned}
    agree(toy_model({"encoder": encoder}).save(tmp_path / "model"), towers_toy.requests(), tmp_path / "tower")
