"""A model folder: the same vectors after loading, and a clear error for every way it can be wrong."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import xxhash
import yaml
from towers_toy import documents, requests, toy_model

from alicorn.errors import ModelError, TableError
from alicorn.text import RULES
from alicorn.towers import Model
from alicorn.towers.settings.tables import BucketTable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy_model().save(tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_is_the_saved_one(tmp_path: Path) -> None:
    model = toy_model(embedding="other")
    saved = model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert loaded.fingerprint == saved.fingerprint != "untrained"
    assert (loaded.key, loaded.dim, loaded.data) == ("other", 8, "data")
    assert loaded.vertical == model.vertical
    assert loaded.recipe == model.recipe
    np.testing.assert_allclose(loaded.encode_documents(documents()), model.encode_documents(documents()), atol=1e-6)
    np.testing.assert_allclose(loaded.encode_requests(requests()), model.encode_requests(requests()), atol=1e-6)


def test_a_model_is_the_same_where_defaults_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy_model(towers={"tables": {}}).save(tmp_path / "m")
    before = model.encode_documents(documents())
    monkeypatch.setattr("alicorn.towers.layout.layout._TEXT_BUCKETS", 1 << 10)
    monkeypatch.setattr("alicorn.towers.layout.layout._ID_TABLE", BucketTable(buckets=77, dim=4))
    np.testing.assert_array_equal(Model.load(tmp_path / "m").encode_documents(documents()), before)
    recipe = yaml.safe_load((tmp_path / "m" / "recipe.yaml").read_text())
    recipe["towers"]["tables"] = {}  # as they were saved once
    (tmp_path / "m" / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(ModelError, match=r"left the size of city, clusters, place, text to its defaults.*train again"):
        Model.load(tmp_path / "m")


def test_fingerprints_are_equal_for_equal_models_only(tmp_path: Path) -> None:
    first, same, other = (toy_model(seed=seed).save(tmp_path / str(i)) for i, seed in enumerate([1, 1, 2]))
    assert first.fingerprint == same.fingerprint != other.fingerprint


def test_a_request_alone_and_among_many_has_the_same_vector(folder: Path) -> None:
    model = Model.load(folder)
    many = pa.concat_tables([requests()] * 1500)  # more than are encoded at once
    together = model.encode_requests(many)
    assert together.shape == (6000, 8)
    for row in (0, 1, 2, 3, 4097):
        np.testing.assert_allclose(model.encode_requests(many.slice(row, 1))[0], together[row], atol=1e-6)
    assert model.encode_requests(requests().slice(0, 0)).shape == (0, 8)


def test_a_request_without_a_context_column_is_an_error_and_a_null_is_not(folder: Path) -> None:
    model = Model.load(folder)
    for rows in (1, 0):
        with pytest.raises(TableError, match="column 'city'"):
            model.encode_requests(requests().drop_columns(["city"]).slice(0, rows))
    nothing = pa.table({"query": pa.nulls(1), "city": pa.nulls(1), "social": pa.nulls(1)})
    typed = nothing.cast(pa.schema([("query", pa.string()), ("city", pa.string()), ("social", pa.list_(pa.float32()))]))
    assert np.isfinite(model.encode_requests(typed)).all()


@pytest.mark.parametrize("name", ["model.json", "vertical.yaml", "recipe.yaml", "weights.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        Model.load(folder)


def test_a_missing_folder_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="alicorn train"):
        Model.load(tmp_path / "none")


@pytest.mark.parametrize("rules", [None, 1])
def test_a_model_that_read_texts_by_other_rules_is_refused(folder: Path, rules: int | None) -> None:
    header = json.loads((folder / "model.json").read_text())
    header = {**header, "text_rules": rules} if rules else {k: v for k, v in header.items() if k != "text_rules"}
    (folder / "model.json").write_text(json.dumps(header))
    with pytest.raises(ModelError, match=rf"read by rules 1; .* by rules {RULES} .*train again"):
        Model.load(folder)


@pytest.mark.parametrize(("found", "remedy"), [(4, "upgrade alicorn"), (2, "train again with this alicorn")])
def test_another_format_names_both_versions(folder: Path, found: int, remedy: str) -> None:
    header = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**header, "format": found, "alicorn": "9.9"}))
    message = rf"model\.json has format {found}, of alicorn 9\.9, .* reads format 3: {remedy}"
    with pytest.raises(ModelError, match=message):
        Model.load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 3}', "{"])
def test_a_damaged_header_is_a_model_error(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.json"):
        Model.load(folder)


def test_changed_weights_are_noticed(folder: Path) -> None:
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    (folder / "weights.safetensors").write_bytes(weights[:-10])
    with pytest.raises(ModelError, match="truncated or was changed"):
        Model.load(folder)
    weights[len(weights) // 2] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="truncated or was changed"):
        Model.load(folder)


def test_a_changed_recipe_or_vertical_is_noticed(folder: Path) -> None:
    recipe, vertical = (folder / "recipe.yaml").read_text(), (folder / "vertical.yaml").read_text()
    (folder / "recipe.yaml").write_text(recipe.replace("word_ngrams: 2", "word_ngrams: 1"))
    with pytest.raises(ModelError, match="changed"):
        Model.load(folder)
    (folder / "recipe.yaml").write_text(recipe.replace("buckets: 500", "buckets: 400"))
    with pytest.raises(ModelError, match="does not fit"):
        Model.load(folder)
    (folder / "recipe.yaml").write_text(recipe)
    (folder / "vertical.yaml").write_text(vertical.replace("column: place", "column: town"))
    with pytest.raises(ModelError, match="changed"):
        Model.load(folder)


def test_weights_are_read_without_running_code(folder: Path) -> None:
    """A pickle that would run code is refused, with its checksum right."""

    class Evil:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (exec, ("raise SystemExit('code was run')",))

    torch.save(Evil(), folder / "weights.safetensors")
    header = json.loads((folder / "model.json").read_text())
    header["weights_xxh3"] = xxhash.xxh3_128_hexdigest((folder / "weights.safetensors").read_bytes())
    (folder / "model.json").write_text(json.dumps(header))
    with pytest.raises(ModelError, match="no file of weights"):
        Model.load(folder)
