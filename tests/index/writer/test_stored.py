"""How the vectors of a key are kept: rounded once, when they arrive, and never again."""

import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import CollectionError, ConfigError
from alicorn.index import Store
from alicorn.quantization import CODES, FLOAT16, STORED, Int8

DIM = 20


def vectors_of(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


def table(vectors: np.ndarray, first: int = 0) -> pa.Table:
    ids = [f"d{first + row:05d}" for row in range(len(vectors))]
    flat = pa.array(vectors.ravel(), pa.float32())
    return pa.table({"doc_id": ids, "embedding:x": pa.FixedSizeListArray.from_arrays(flat, DIM)})


def create(path: Path, stored: str) -> Store:
    return Store.create(path, {"x": {"dim": DIM, "stored": stored}})


def kept(store: Store) -> dict[str, np.ndarray]:
    """doc_id -> its stored vector."""
    found = {}
    for view in store.snapshot().segments:
        block = view.segment.embeddings["x"]
        ids = view.segment.doc_ids.take(pa.array(block.docs)).to_pylist()
        found |= dict(zip(ids, block.stored(np.arange(len(ids))), strict=True))
    return found


def rounded(vectors: np.ndarray, stored: str) -> np.ndarray:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    vectors = (vectors / lengths).astype(np.float32)
    if stored == CODES:
        return Int8(DIM).decode(Int8(DIM).encode(vectors))
    return vectors.astype(np.float16).astype(np.float32) if stored == FLOAT16 else vectors


@pytest.mark.parametrize("stored", STORED)
def test_what_is_stored_is_the_same_from_the_upsert_on(stored: str, tmp_path: Path) -> None:
    vectors = vectors_of(700)
    expected = {f"d{row:05d}": vector for row, vector in enumerate(rounded(vectors, stored))}

    def check(store: Store) -> None:
        found = kept(store)
        assert found.keys() == expected.keys()
        for doc_id, vector in expected.items():
            np.testing.assert_array_equal(found[doc_id], vector)

    store = create(tmp_path / "c", stored)
    store.upsert(table(vectors[:500]))
    check_in_memory = kept(store)
    np.testing.assert_array_equal(check_in_memory["d00007"], expected["d00007"])
    store.train(num_clusters=9)
    store.upsert(table(vectors[500:], first=500))
    check(store)
    store.close()
    with Store.open(tmp_path / "c") as store:  # from the journal
        check(store)
        for num_clusters in (4, 30, 6):
            store.train(num_clusters=num_clusters)
            store.merge()
            check(store)
        store.verify()
        assert store.stored == {"x": stored}
        assert store.embeddings == {"x": DIM}
    with Store.open(tmp_path / "c", read_only=True) as reader:
        check(reader)
        reader.backup(tmp_path / "copy")
    with Store.open(tmp_path / "copy") as copy:
        check(copy)


def test_codes_take_a_third_of_the_vectors(tmp_path: Path) -> None:
    vectors = np.random.default_rng(3).normal(size=(2_000, 128)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 128)
    documents = pa.table({"doc_id": [f"d{row}" for row in range(2_000)], "embedding:x": column})
    sizes = {}
    for stored in STORED:
        with Store.create(tmp_path / stored, {"x": {"dim": 128, "stored": stored}}) as store:
            store.upsert(documents)
            store.train(num_clusters=8)
            sizes[stored] = sum(file.stat().st_size for file in (tmp_path / stored / "segments").iterdir()) / 2_000
    assert sizes["float32"] - sizes["float16"] == pytest.approx(256, abs=2)
    assert sizes["float32"] - sizes["codes"] == pytest.approx(512, abs=2)
    assert sizes["codes"] < 200


def test_a_key_without_codes_of_its_own_choice_refuses_a_codec(tmp_path: Path) -> None:
    with create(tmp_path / "c", CODES) as store:
        store.upsert(table(vectors_of(50)))
        with pytest.raises(ConfigError, match="embedding 'x': nothing but codes of 8 bits is stored"):
            store.train(codec="sq8", num_clusters=2)
        store.train(num_clusters=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dim": 4, "stored": "int4"}, "stored must be one of float32, float16, codes, got 'int4'"),
        ({"stored": "codes"}, "expected 'dim', and 'stored' unless it is float32; got 'stored'"),
        ({"dim": 4, "kept": "codes"}, "got 'dim', 'kept'"),
        ({"dim": 9_000, "stored": "codes"}, "codes have at most 8192 dimensions, got 9000: use float16"),
        ({"dim": "4"}, "the dimension must be an integer"),
    ],
)
def test_a_declaration_that_cannot_be(given: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        Store.create(tmp_path / "c", {"x": given})
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(("stored", "version"), [("float32", 1), ("float16", 2), ("codes", 2)])
def test_an_alicorn_that_knows_float32_only_refuses_the_others(
    stored: str, version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "c", stored).close()
    with sqlite3.connect(tmp_path / "c" / "manifest.sqlite") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (version,)
    database.close()
    monkeypatch.setattr("alicorn.index.durability.sqlite_file.MANIFEST_VERSION", 1)
    if version == 1:
        Store.open(tmp_path / "c").close()
    else:
        with pytest.raises(CollectionError, match="has format 2, and this alicorn reads formats up to 1"):
            Store.open(tmp_path / "c")
