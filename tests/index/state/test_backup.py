"""A backup is a collection of one moment, made while writing goes on. Of index/state/backup.py."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index import Store, verify
from alicorn.index.durability import failpoints
from alicorn.index.state import backup


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Segments, quantizers, a tombstone, a journal."""
    with Store.create(tmp_path / "c", embeddings={"v": 4}, metadata={"model": "m1"}) as store:
        store.upsert(batch(0))
        store.train(num_clusters=2)
        store.upsert(pa.table({"doc_id": ["more"], "number": [0]}))
        store.flush()
        store.delete(["more"])
        yield store


def batch(number: int, count: int = 20) -> pa.Table:
    vectors = np.random.default_rng(number).normal(size=(count, 4))
    return pa.table(
        {"doc_id": [f"d{i}" for i in range(count)], "number": [number] * count, "embedding:v": list(vectors)}
    )


def numbers(path: Path) -> set[int]:
    with Store.open(path) as store:
        assert len(store) == 20
        return {store.get(f"d{i}")["number"] for i in range(20)}


def no_links(*_: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


@pytest.mark.parametrize("links", [True, False])
def test_a_backup_is_a_collection_that_verifies(store: Store, tmp_path: Path, monkeypatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    store.backup(tmp_path / "b")
    assert verify(tmp_path / "b").num_files == 6
    files = list((tmp_path / "b" / "segments").iterdir())
    assert len(files) == 2
    assert all(file.stat().st_nlink == 1 + links for file in files)
    store.upsert(batch(1))
    store.merge()
    assert numbers(tmp_path / "b") == {0}
    with Store.open(tmp_path / "b") as copy:
        assert copy.metadata == {"model": "m1"}
        copy.upsert(batch(2))
        copy.merge()
        copy.verify()
    assert numbers(tmp_path / "b") == {2}
    store.close()
    assert numbers(tmp_path / "c") == {1}
    assert not (tmp_path / "b.partial").exists()


def test_backups_while_writing_are_each_of_one_moment(store: Store, tmp_path: Path) -> None:
    done = threading.Event()

    def write() -> None:
        for number in range(1, 10_000):
            if done.is_set():
                return
            store.upsert(batch(number))
            if number % 3 == 0:
                store.flush()
            if number % 10 == 0:
                store.merge()

    writer = threading.Thread(target=write)
    writer.start()
    with Store.open(store.path, read_only=True) as reader:
        for i in range(12):
            (reader if i % 2 else store).backup(tmp_path / f"b{i}")
    done.set()
    writer.join()
    seen = []
    for i in range(12):
        verify(tmp_path / f"b{i}")
        [number] = numbers(tmp_path / f"b{i}")
        seen.append(number)
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_an_existing_target_is_refused_and_left_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(CollectionError, match="does not exist yet"):
        store.backup(tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []
    (tmp_path / "e.partial").mkdir()
    with pytest.raises(CollectionError, match="interrupted backup: remove it"):
        store.backup(tmp_path / "e")


def test_a_backup_that_fails_leaves_nothing(store: Store, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "link", no_links)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backup, "sync_file", full)
        with pytest.raises(CollectionError, match="No space left"):
            store.backup(tmp_path / "b")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c"]
    store.backup(tmp_path / "b")
    assert numbers(tmp_path / "b") == {0}


def test_a_killed_backup_is_no_collection(store: Store, tmp_path: Path, monkeypatch) -> None:
    """At every failpoint: the target is missing, or complete."""
    monkeypatch.setattr(os, "link", no_links)
    reached: list[str] = []

    def at(name: str) -> None:
        moment = tmp_path / f"moment{len(reached)}"
        reached.append(name)
        if (tmp_path / "b").exists():
            shutil.copytree(tmp_path / "b", moment)

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "armed", at)
        store.backup(tmp_path / "b")
    renamed = reached.index("after rename backup")
    assert renamed > 20
    for i in range(len(reached)):
        assert (tmp_path / f"moment{i}").exists() == (i >= renamed)
        if i >= renamed:
            assert numbers(tmp_path / f"moment{i}") == {0}


def test_a_missing_segment_is_told(store: Store, tmp_path: Path) -> None:
    next((store.path / "segments").iterdir()).unlink()
    with pytest.raises(CorruptionError, match=r"segments.*is missing"):
        store.backup(tmp_path / "b")
    assert not (tmp_path / "b.partial").exists()
