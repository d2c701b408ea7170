"""A full disk: a clear error, nothing lost, and writing goes on when there is space again. Of all of index/."""

from __future__ import annotations

import contextlib
import errno
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import CollectionError
from alicorn.index import Store, verify
from alicorn.index.durability import failpoints, journal
from alicorn.index.writer import maintenance


def documents(prefix: str, count: int) -> pa.Table:
    vectors = np.random.default_rng(count).normal(size=(count, 16))
    return pa.table({"doc_id": [f"{prefix}{i}" for i in range(count)], "embedding:v": list(vectors)})


def ids(store: Store) -> set[str]:
    found = set()
    for view in store.snapshot().segments:
        all_ids = view.segment.doc_ids.to_pylist()
        found |= {doc_id for i, doc_id in enumerate(all_ids) if view.deleted is None or not view.deleted[i]}
    assert len(found) == len(store)
    return found


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The system lets no file grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill_until_it_fails(store: Store, known: set[str]) -> str:
    """Upserts batches, and keeps the record of what was acknowledged -> the first error."""
    for number in range(10_000):
        try:
            store.upsert(documents(f"f{len(known)}-{number}-", 50))
        except CollectionError as error:
            return str(error)
        known |= {f"f{len(known)}-{number}-{i}" for i in range(50)}
    raise AssertionError("the disk is never full")


def check(store: Store, known: set[str]) -> None:
    assert ids(store) == known
    store.close()
    verify(store.path)
    with Store.open(store.path) as again:
        assert ids(again) == known


def test_the_journal_and_segments_meet_a_limit(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "c", embeddings={"v": 16})
    known: set[str] = set()
    with file_size_limit(200_000):
        message = fill_until_it_fails(store, known)
        assert "check free space and permissions" in message
        assert len(known) > 100
        assert ids(store) == known
    store.flush()
    assert store.delete(["f0-0-1"]).deleted == 1
    known.remove("f0-0-1")
    with file_size_limit(20_000):
        for write in (store.merge, store.train):
            with pytest.raises(CollectionError, match="cannot be written: File too large; check free space"):
                write()
        assert ids(store) == known
    assert len(list((store.path / "segments").iterdir())) == 1
    store.upsert(documents("late", 500))
    store.merge()
    check(store, known | {f"late{i}" for i in range(500)})


def test_the_background_meets_a_limit(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 2_000)
    store = Store.create(tmp_path / "c", embeddings={"v": 16})
    known: set[str] = set()
    with file_size_limit(330_000):  # the journal takes more than FLUSH_DOCS, a segment does not
        message = fill_until_it_fails(store, known)
        assert "cannot be written" in message
        assert ids(store) == known
    while True:
        with contextlib.suppress(CollectionError):  # the failure of the background is told once
            store.upsert(documents("late", 500))
            break
    store.flush()
    check(store, known | {f"late{i}" for i in range(500)})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, monkeypatch) -> None:
    monkeypatch.setattr(journal, "CHECKPOINT_BYTES", 100_000)  # as small in proportion as on a real disk
    store = Store.create(small_disk / "c", embeddings={"v": 16})
    known: set[str] = set()
    (small_disk / "ballast").write_bytes(bytes(400_000))
    fill_until_it_fails(store, known)
    with pytest.raises(CollectionError, match=r"full|No space left on device"):
        store.train(num_clusters=2)
    assert ids(store) == known
    (small_disk / "ballast").unlink()
    store.delete(sorted(known)[:-100])
    known = set(sorted(known)[-100:])
    store.merge()
    store.upsert(documents("late", 50))
    known |= {f"late{i}" for i in range(50)}
    fill_until_it_fails(store, known)
    check(store, known)


def test_any_call_that_makes_bytes_durable_may_fail(tmp_path: Path, monkeypatch) -> None:
    """At each failpoint before such a call: the operation fails and changes nothing, or what was asked for is done."""
    monkeypatch.setattr(journal, "CHECKPOINT_BYTES", 0)
    store = Store.create(tmp_path / "c", embeddings={"v": 16})
    known: set[str] = set()
    names: list[str] = []

    def work(prefix: str) -> Iterator[None]:
        store.upsert(documents(prefix, 20))
        known.update(f"{prefix}{i}" for i in range(20))
        yield
        for write in (store.flush, lambda: store.train(num_clusters=2), lambda: store.set_metadata({"p": prefix})):
            write()
            yield
        assert store.delete([f"{prefix}0"]).deleted == 1
        known.remove(f"{prefix}0")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "armed", names.append)
        list(work("a"))
    calls = sorted({name for name in names if name.startswith("before")})
    assert len(calls) == 12
    failures = []
    for number, call in enumerate(calls):

        def full(name: str, call: str = call) -> None:
            if name == call:
                raise OSError(errno.ENOSPC, "No space left on device")

        steps = work(f"n{number}-")
        while True:
            with monkeypatch.context() as patch:
                patch.setattr(failpoints, "armed", full)
                try:
                    next(steps)
                except StopIteration:
                    break
                except CollectionError as error:
                    failures.append((call, str(error)))
                    steps = iter(())
            assert ids(store) == known
        store.upsert(documents(f"m{number}-", 3))
        known |= {f"m{number}-{i}" for i in range(3)}
        store.flush()
        verify(store.path)
    assert all("No space left on device; check free space and permissions" in message for _, message in failures)
    failed = {call for call, _ in failures}
    assert {"before commit operation", "before commit swap", "before fsync segment"} <= failed
    assert "before fsync seal" not in failed  # the log waits to be copied
    check(store, known)
