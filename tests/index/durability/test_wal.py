"""The write-ahead log is read as SQLite reads it, and what it lost is told. Of index/durability/wal.py and seal.py."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import xxhash

from alicorn.index.durability.seal import page_digests, renewed
from alicorn.index.durability.wal import EMPTY, read_wal

PAGE = 8192
FRAME = 24 + PAGE


@pytest.fixture
def path(tmp_path: Path):
    """A database with five transactions in its log, of which the first is copied and the log begun again after it."""
    database = sqlite3.connect(tmp_path / "d", isolation_level=None)
    database.execute(f"PRAGMA page_size = {PAGE}")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, body BLOB)")
    database.execute("INSERT INTO t VALUES (0, randomblob(100000))")
    database.execute("PRAGMA wal_checkpoint(PASSIVE)")
    for i in range(1, 5):
        database.execute("INSERT INTO t VALUES (?, randomblob(9000))", (i,))
    yield tmp_path / "d"
    database.close()


def logical_pages(path: Path) -> np.ndarray:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    digests = page_digests(database.serialize())
    database.close()
    return digests


def test_the_log_over_the_database_is_what_sqlite_sees(path: Path) -> None:
    log = read_wal(path.with_name("d-wal"), PAGE)
    assert not log.is_damaged
    assert 8 <= log.num_frames < (path.with_name("d-wal").stat().st_size - 32) // FRAME  # older frames follow
    found = renewed(page_digests(path.read_bytes()), log)
    np.testing.assert_array_equal(found[1:], logical_pages(path)[1:])
    whole = path.read_bytes()  # serialize() marks the first page as not in WAL mode
    assert found[0] in (xxhash.xxh3_64_intdigest(whole[:PAGE]), log.pages.get(1))


def test_without_a_log_there_is_nothing(tmp_path: Path) -> None:
    assert read_wal(tmp_path / "none", PAGE) == EMPTY
    for content in (b"", b"x" * 31, bytes(32), bytes(32 + FRAME)):
        (tmp_path / "some").write_bytes(content)
        assert read_wal(tmp_path / "some", PAGE) == EMPTY


def commits(log_bytes: bytes) -> list[int]:
    """The frames that end a transaction."""
    frames = range((len(log_bytes) - 32) // FRAME)
    return [i for i in frames if any(log_bytes[32 + i * FRAME + 4 : 32 + i * FRAME + 8])]


def test_a_torn_last_transaction_is_no_damage_and_any_before_it_is(path: Path) -> None:
    wal = path.with_name("d-wal")
    whole = wal.read_bytes()
    sound = read_wal(wal, PAGE)
    ends = [end for end in commits(whole) if end < sound.num_frames]
    assert ends[-1] == sound.num_frames - 1
    for frame in range(sound.num_frames):
        for at in (0, 3, 8, 12, 16, 23, 24, 5000, FRAME - 1):
            damaged = bytearray(whole)
            damaged[32 + frame * FRAME + at] ^= 4
            wal.write_bytes(damaged)
            found = read_wal(wal, PAGE)
            assert found.num_frames == max([end + 1 for end in ends if end < frame], default=0)
            assert found.is_damaged == (frame <= ends[-2]), (frame, at)
    wal.write_bytes(whole)


def test_a_damaged_header_is_noticed(path: Path) -> None:
    wal = path.with_name("d-wal")
    whole = wal.read_bytes()
    for at in range(32):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        wal.write_bytes(damaged)
        assert read_wal(wal, PAGE).is_damaged
    wal.write_bytes(whole)


def test_a_log_that_ends_anywhere_counts_its_whole_transactions(path: Path) -> None:
    wal = path.with_name("d-wal")
    whole = wal.read_bytes()
    ends = commits(whole)
    for length in range(0, 32 + read_wal(wal, PAGE).num_frames * FRAME, 3001):
        wal.write_bytes(whole[:length])
        found = read_wal(wal, PAGE)
        assert not found.is_damaged
        assert found.num_frames == max([end + 1 for end in ends if 32 + (end + 1) * FRAME <= length], default=0)
    wal.write_bytes(whole)
