"""A writer that closes returns the pages of a flushed backlog, and a crash at any moment of it loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn import Collection
from alicorn.index.durability import failpoints, journal

COUNT = 400


def written(path: Path) -> Collection:
    """A collection with a flushed backlog, and a document that is in the journal alone."""
    vectors = np.random.default_rng(0).normal(size=(COUNT, 64)).astype(np.float32)
    collection = Collection.create(path, {"x": 64})
    for start in range(0, COUNT, 100):
        ids = [f"d{number}" for number in range(start, start + 100)]
        collection.upsert(pa.table({"doc_id": ids, "embedding:x": list(vectors[start : start + 100])}))
    collection.flush()
    collection.upsert(pa.table({"doc_id": ["last"]}))
    return collection


def check(path: Path) -> int:
    """-> the bytes of the manifest."""
    with Collection.open(path) as collection:
        collection.verify()
        assert len(collection) == COUNT + 1
        collection.delete(["last"])
        collection.upsert(pa.table({"doc_id": ["last"]}))
    with Collection.open(path, read_only=True) as collection:
        collection.verify()
        assert len(collection) == COUNT + 1
    return (path / "manifest.sqlite").stat().st_size


@pytest.mark.parametrize("has_reader", [False, True])
def test_the_manifest_is_small_after_closing_and_whole_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_reader: bool
) -> None:
    collection = written(tmp_path / "c")
    reader = Collection.open(tmp_path / "c", read_only=True) if has_reader else None
    moments: list[str] = []

    def copied(name: str) -> None:
        moments.append(name)
        shutil.copytree(tmp_path / "c", tmp_path / f"moment {len(moments)}")

    monkeypatch.setattr(journal, "FREE_BYTES", 0)
    monkeypatch.setattr(failpoints, "armed", copied)
    collection.close()
    monkeypatch.setattr(failpoints, "armed", None)
    assert {"before vacuum", "after vacuum", "before checkpoint", "after checkpoint"} <= set(moments)
    if reader is not None:
        assert len(reader) == COUNT + 1
        reader.verify()
        reader.close()
    for number in range(len(moments)):
        check(tmp_path / f"moment {number + 1}")
    assert check(tmp_path / "c") < 100_000


def test_a_small_backlog_stays(tmp_path: Path) -> None:
    written(tmp_path / "c").close()
    assert (tmp_path / "c" / "manifest.sqlite").stat().st_size > 100_000
