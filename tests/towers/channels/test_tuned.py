"""A pretrained text encoder as a channel of the towers: frozen or tuned, alone or among many, saved and loaded."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from channel_names import request
from tiny_encoder import WIDTH, without_bfloat16, write_tiny_encoder
from torch import nn
from towers_toy import VERTICAL, documents, requests, toy_model

from alicorn.config import parse_config
from alicorn.errors import ConfigError, ModelError
from alicorn.features import EncoderSettings, Features, TextEncoder
from alicorn.towers import Model, Towers
from alicorn.towers.channels.tensors import TokenTensors, batch_tensors
from alicorn.towers.channels.tuned import TunedLayers
from alicorn.towers.layout.layout import layout

TEXTS = ["ada lovelace", None, "turing", "", "grace brewster murray hopper"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("tuned") / "tiny")


@pytest.fixture(autouse=True)
def exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    without_bfloat16(monkeypatch)


def encoded_model(folder: Path, tuned_layers: int) -> Model:
    reads = {"model": str(folder), "features": ["request.text", "document.name"], "tuned_layers": tuned_layers}
    return toy_model({"encoder": reads})


@pytest.mark.parametrize("tuned", [1, 2])
def test_untouched_layers_give_the_sentence_vectors_of_the_frozen_encoder(folder: Path, tuned: int) -> None:
    """float16 between the two parts is the only difference."""
    texts = pa.array(TEXTS, pa.large_string())
    settings = {"model": str(folder), "features": ["request.text"]}
    wanted = TextEncoder(EncoderSettings.model_validate(settings)).transform(texts)
    encoder = TextEncoder(EncoderSettings.model_validate({**settings, "tuned_layers": tuned}))
    tokens = encoder.transform(texts)
    offsets = tokens.offsets
    hidden = torch.zeros(len(texts), int(np.diff(offsets).max()), WIDTH)
    for row in range(len(texts)):
        part = torch.from_numpy(tokens.vectors[offsets[row] : offsets[row + 1]].astype(np.float32))
        hidden[row, : len(part)] = part
    with torch.no_grad():
        found = TunedLayers(encoder.tuned_layers())(TokenTensors(hidden, torch.from_numpy(np.diff(offsets))))
    np.testing.assert_allclose(found.numpy(), wanted, atol=2e-3)


def test_many_texts_in_parts_are_those_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = encoded_model(folder, 1)
    table = pa.concat_tables([requests()] * 3)
    together = model.encode_requests(table)
    monkeypatch.setattr("alicorn.towers.channels.tuned._TEXTS", 5)
    np.testing.assert_allclose(model.encode_requests(table), together, atol=1e-6)


def test_bfloat16_changes_no_direction_of_vectors_or_gradients(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.array(["ada lovelace", "alan", "grace hopper"], pa.large_string())
    settings = {"model": str(folder), "features": ["request.text"], "tuned_layers": 2}
    encoder = TextEncoder(EncoderSettings.model_validate(settings))
    tokens = batch_tensors(Features({request("t@encoder"): encoder.transform(texts)}, 3))[request("t@encoder")]
    found = []
    for capabilities in ({}, {"avx512_bf16": True}):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda here=capabilities: here, raising=False)
        layers = TunedLayers(encoder.tuned_layers())
        vectors = layers(tokens)
        (vectors * torch.linspace(-1, 1, WIDTH)).sum().backward()
        gradients = [weight.grad.flatten() for weight in layers.parameters() if weight.grad is not None]
        found.append((vectors.detach().flatten() / 3**0.5, nn.functional.normalize(torch.cat(gradients), dim=0)))
    for exact, rounded in zip(*found, strict=True):
        assert (exact != rounded).any()
        assert float(exact @ rounded) > 0.99


@pytest.mark.parametrize("tuned", [0, 1])
def test_a_request_alone_and_among_many_has_the_same_vector_after_loading(
    folder: Path, tmp_path: Path, tuned: int
) -> None:
    saved = encoded_model(folder, tuned).save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    together = saved.encode_requests(requests())
    assert np.abs(together - toy_model().encode_requests(requests())).max() > 0.01
    for row in range(len(requests())):
        np.testing.assert_allclose(loaded.encode_requests(requests().slice(row, 1))[0], together[row], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(loaded.encode_documents(documents()), axis=1), 1.0, rtol=1e-5)


def test_gradients_reach_the_tuned_layers_and_no_other_part_of_the_transformer(folder: Path) -> None:
    model = encoded_model(folder, 1)
    names = [name for name, _ in model.module.named_parameters() if name.startswith("tuned.")]
    assert names
    assert all(name.startswith("tuned.layers.0.") for name in names)
    batch = batch_tensors(model.requests.transform(requests()))
    (model.module.encode_requests(batch)[:, 0].sum()).backward()
    gradients = {name: value.grad for name, value in model.module.named_parameters() if name in names}
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values() if gradient is not None)
    assert max(float(gradient.abs().max()) for gradient in gradients.values() if gradient is not None) > 0
    assert encoded_model(folder, 0).module.tuned is None


def test_a_text_that_no_ngram_reads_may_be_read_by_the_encoder(folder: Path) -> None:
    reads = {"model": str(folder), "features": ["document.name"]}
    towers = {"features": {"document": ["place"]}, "encoder": reads}
    model = toy_model(towers)
    one, other = (
        model.encode_documents(pa.table({"place": ["rome"], "name": [name]}))
        for name in ("ada lovelace", "alan turing")
    )
    assert np.abs(one - other).max() > 1e-3


def test_before_training_likeness_to_the_encoder_is_likeness(folder: Path) -> None:
    """The same text on both sides has the same vector: the two projections of the encoder's space start equal."""
    reads = {"model": str(folder), "features": ["request.text", "document.name"]}
    model = toy_model({"dim": 64, "features": {"request": ["text"], "document": ["name"]}, "encoder": reads})
    names = ["ada lovelace", "alan turing", "grace hopper"]
    cosines = model.encode_requests(pa.table({"query": names})) @ model.encode_documents(pa.table({"name": names})).T
    np.testing.assert_allclose(np.diag(cosines), 1.0, atol=0.05)


def test_other_files_of_the_encoder_are_noticed(tmp_path: Path) -> None:
    folder = write_tiny_encoder(tmp_path / "tiny")
    encoded_model(folder, 1).save(tmp_path / "model")
    write_tiny_encoder(folder, seed=5)
    with pytest.raises(ModelError, match="other files of the text encoder"):
        Model.load(tmp_path / "model")
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="is no folder with"):
        Model.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (["request.txt"], "no request feature 'txt'; did you mean 'text'"),
        (["query.text"], r"towers.encoder.features: 'query.text' must be request.<name> or document.<name>"),
        (["document.age"], "'document.age' is numeric: the encoder reads text"),
    ],
)
def test_the_encoder_reads_text_features_only(features: list[str], words: str) -> None:
    towers = {"encoder": {"model": "any", "features": features}}
    with pytest.raises(ConfigError, match=words):
        layout(parse_config(towers, Towers, where="recipe"), VERTICAL)
