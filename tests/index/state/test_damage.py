"""Damage of any file of a collection is noticed by opening and by `verify`, whether it was closed or left by a crash.

By default some bytes of each file are tried; every 17th in the slow tests.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index import Store, verify
from alicorn.index.durability.seal import PAGE_SIZE
from alicorn.index.durability.wal import read_wal

WAL = "manifest.sqlite-wal"
WITHOUT_DATA = ("writer.lock", "manifest.sqlite-shm")  # the latter SQLite makes anew when it opens the manifest
FRAME = 24 + PAGE_SIZE


def documents(prefix: str, count: int) -> pa.Table:
    vectors = np.random.default_rng(ord(prefix[0]) + len(prefix)).normal(size=(count, 2))
    ids = [f"{prefix}{i}" for i in range(count)]
    return pa.table({"doc_id": ids, "terms": [["t:a", "t:b"]] * count, "embedding:v": list(vectors)})


def write(path: Path, prefix: str) -> None:
    """Two segments, of which one has a tombstone; quantizers; a journal. Left as a crash would, in <path>-crashed."""
    with Store.create(path, embeddings={"v": 2}, metadata={"of": prefix}, positions=["t"]) as store:
        store.upsert(documents(prefix, 3))
        store.train(num_clusters=2)
        store.upsert(documents(f"{prefix}x", 2))
        store.flush()
        store.delete([f"{prefix}1"])
        store._journal.checkpoint()
        store.upsert(documents(f"{prefix}y", 2))
        store.upsert(documents(f"{prefix}z", 1))
        shutil.copytree(path, f"{path}-crashed")


@pytest.fixture(params=["", "-crashed"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    write(tmp_path / "c", "d")
    return tmp_path / f"c{request.param}"


def files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name not in WITHOUT_DATA)


def contents(path: Path) -> list[str]:
    with Store.open(path, read_only=True) as store:
        assert len(store) == 7
        rows = []
        for view in store.snapshot().segments:
            live = [n for n in range(view.segment.num_docs) if view.deleted is None or not view.deleted[n]]
            vectors, lists = view.segment.embeddings["v"], view.segment.positioned_terms()
            positions = np.split(lists.positions, lists.starts[1:-1])
            rows += [f"{view.segment.document(n)} {positions[n]} {vectors.vectors[vectors.rows_of[n]]}" for n in live]
        return [str(store.metadata), *sorted(rows)]


def is_noticed(path: Path, expected: list[str]) -> bool:
    """Both must notice it, or neither: then the collection must be as it was."""
    noticed = raises(verify, path)
    assert raises(contents, path) == noticed
    assert noticed or contents(path) == expected
    return noticed


def raises(check: Callable[[Path], object], path: Path) -> bool:
    try:
        check(path)
    except CollectionError:
        return True
    return False


def in_use(path: Path) -> Callable[[Path, int], bool]:
    """Whether a byte of a file matters: of the write-ahead log those that are committed, of the manifest the pages that
    the log does not replace, of other files all."""
    log = read_wal(path / WAL, PAGE_SIZE)

    def matters(file: Path, offset: int) -> bool:
        if file.name == WAL:
            return offset < 32 + log.num_frames * FRAME
        return file.name != "manifest.sqlite" or 1 + offset // PAGE_SIZE not in log.pages

    return matters


def flip_and_check(path: Path, chosen: Callable[[int], bool]) -> int:
    """Of the bytes that matter those that are chosen, and a few of the others -> how many were noticed."""
    expected = contents(path)
    matters = in_use(path)
    noticed = 0
    for file in files(path):
        whole = bytearray(file.read_bytes())
        for offset in range(len(whole)):
            if not (chosen(offset) if matters(file, offset) else offset % 3989 == 0):
                continue
            bit = 1 << (offset * 5 + offset // 8) % 8
            whole[offset] ^= bit
            file.write_bytes(whole)
            if matters(file, offset):
                assert raises(verify, path), f"{file.name}, byte {offset}"
                assert offset % 16 or raises(contents, path), f"{file.name}, byte {offset}"
                noticed += 1
            else:
                assert is_noticed(path, expected) or contents(path) == expected, f"{file.name}, byte {offset}"
            whole[offset] ^= bit
        file.write_bytes(whole)
    assert contents(path) == expected
    return noticed


def test_a_flipped_byte_is_noticed(path: Path) -> None:
    assert flip_and_check(path, lambda offset: offset in (0, 7, 16, 31) or offset % 409 == 0) > 150


@pytest.mark.slow
def test_flipped_bytes_all_over_the_files_are_noticed(path: Path) -> None:
    assert flip_and_check(path, lambda offset: offset % 17 == 3) > 4_000  # all 70,000 take a quarter of an hour


def test_a_truncated_or_longer_file_is_noticed(path: Path) -> None:
    expected = contents(path)
    matters = in_use(path)
    for file in files(path):
        whole = file.read_bytes()
        for length in {0, 1, len(whole) // 3, len(whole) * 2 // 3, len(whole) - PAGE_SIZE, len(whole) - 1}:
            if 0 <= length < len(whole):
                file.write_bytes(whole[:length])
                assert is_noticed(path, expected) or not matters(file, length), f"{file.name}, {length} bytes"
        if file.name != WAL:  # there SQLite may well leave more than is committed
            file.write_bytes(whole + whole[:PAGE_SIZE])
            assert is_noticed(path, expected), f"{file.name} longer"
        file.write_bytes(whole)
    assert contents(path) == expected


def test_a_missing_file_is_noticed(path: Path) -> None:
    expected = contents(path)
    for file in files(path):
        if file.stat().st_size:
            away = path.parent / "away"
            file.rename(away)
            assert is_noticed(path, expected), file.name
            away.rename(file)
    assert contents(path) == expected


def test_two_files_of_a_collection_that_are_exchanged_are_noticed(path: Path) -> None:
    expected = contents(path)
    for one, other in itertools.combinations(files(path), 2):
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second), other.write_bytes(first)
        assert is_noticed(path, expected), f"{one.name}, {other.name}"
        one.write_bytes(first), other.write_bytes(second)
    assert contents(path) == expected


def test_a_file_of_another_collection_is_noticed(path: Path) -> None:
    """The other was written by the same operations: its files have the same names and sizes."""
    write(path.parent / "o", "e")
    other = path.parent / path.name.replace("c", "o", 1)
    expected = contents(path)
    for file in files(path):
        if file.stat().st_size:
            whole = file.read_bytes()
            file.write_bytes((other / file.relative_to(path)).read_bytes())
            assert is_noticed(path, expected), file.name
            file.write_bytes(whole)
    for name in ("segments", "quantizers"):
        shutil.copytree(path / name, path.parent / "away")
        shutil.copytree(other / name, path / name, dirs_exist_ok=True)
        assert is_noticed(path, expected), name
        shutil.copytree(path.parent / "away", path / name, dirs_exist_ok=True)
        shutil.rmtree(path.parent / "away")
    assert contents(path) == expected


def test_an_older_copy_of_a_file_is_noticed(tmp_path: Path) -> None:
    with Store.create(tmp_path / "c", embeddings={"v": 2}) as store:
        store.upsert(documents("d", 3))
        shutil.copytree(tmp_path / "c", tmp_path / "old")
        store.upsert(documents("e", 3))
        shutil.copytree(tmp_path / "c", tmp_path / "now")
    shutil.copy(tmp_path / "old" / WAL, tmp_path / "now" / WAL)
    with pytest.raises(CorruptionError, match=r"lacks the last 1 of 2 commits that were acknowledged"):
        Store.open(tmp_path / "now")


def test_after_a_power_cut_a_torn_last_transaction_is_forgotten_and_no_damage(tmp_path: Path) -> None:
    """The mark is not fsynced: a power cut may leave it older than the log, and tear what was not acknowledged."""
    with Store.create(tmp_path / "c", embeddings={"v": 2}) as store:
        store.upsert(documents("d", 3))
        mark = (tmp_path / "c" / "manifest.mark").read_bytes()
        before = (tmp_path / "c" / WAL).stat().st_size
        store.upsert(documents("e", 3))
        shutil.copytree(tmp_path / "c", tmp_path / "cut")
    whole = (tmp_path / "cut" / WAL).read_bytes()
    (tmp_path / "cut" / "manifest.mark").write_bytes(mark)
    for left in range(before, len(whole), 1000):
        for torn in (whole[:left], whole[:left] + bytes(len(whole) - left)):  # not written, or allocated and empty
            (tmp_path / "cut" / WAL).write_bytes(torn)
            with Store.open(tmp_path / "cut", read_only=True) as store:
                assert len(store) == 3
            verify(tmp_path / "cut")
    damaged = bytearray(whole)
    damaged[before - 100] ^= 1  # in the transaction that was fsynced before
    (tmp_path / "cut" / WAL).write_bytes(damaged)
    with pytest.raises(CorruptionError, match="operations that were acknowledged do not match"):
        Store.open(tmp_path / "cut")
