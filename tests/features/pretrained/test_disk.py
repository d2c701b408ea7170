"""Vectors on disk come back as they were written, by any process, or not at all: never wrong, never an error."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from alicorn.features.pretrained import disk
from alicorn.features.pretrained.disk import DiskCache

WIDTH = 8
TEXTS = [f"text {number}" for number in range(1200)]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "caches" / "vectors.sqlite"
    monkeypatch.setattr(disk, "path", lambda: place)
    return place


def cache(name: str = "encoder") -> DiskCache:
    return DiskCache(name, WIDTH, np.float16)


def vectors(texts: list[str]) -> dict[str, np.ndarray]:
    """One to three rows each."""
    return {
        text: np.random.default_rng(hash(text) & 0xFFFF).normal(size=(1 + len(text) % 3, WIDTH)).astype(np.float16)
        for text in texts
    }


def assert_equal(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for text in wanted:
        np.testing.assert_array_equal(found[text], wanted[text])


def test_what_was_added_is_found_and_another_encoder_has_none_of_it() -> None:
    wanted = vectors(TEXTS)
    cache().add(wanted)
    assert_equal(cache().found([*TEXTS, "unknown"]), wanted)
    assert cache("another").found(TEXTS) == {}


def test_a_changed_byte_is_found_out_and_the_rest_is_kept(file: Path) -> None:
    wanted = vectors(TEXTS[:9])
    cache().add(wanted)
    with sqlite3.connect(file) as opened:
        ((key, data),) = opened.execute("SELECT key, data FROM vectors LIMIT 1").fetchall()
        opened.execute("UPDATE vectors SET data = ? WHERE key = ?", (data[:-1] + bytes([data[-1] ^ 1]), key))
    opened.close()
    found = cache().found(TEXTS[:9])
    assert len(found) == 8
    assert_equal(found, {text: wanted[text] for text in found})


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_file_is_begun_anew(file: Path, damage: str) -> None:
    cache().add(vectors(TEXTS))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"no database" * 1000)
    found = cache().found(TEXTS)
    assert_equal(found, {text: vectors(TEXTS)[text] for text in found})
    for _ in range(2):  # the first writer may be who notices
        cache().add(vectors(TEXTS))
    assert_equal(cache().found(TEXTS), vectors(TEXTS))


def test_where_no_file_can_be_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    for place in (None, tmp_path / "taken" / "vectors.sqlite"):
        monkeypatch.setattr(disk, "path", lambda place=place: place)
        cache().add(vectors(TEXTS[:3]))
        assert cache().found(TEXTS[:3]) == {}


def test_a_file_that_is_locked_is_waited_for_and_then_done_without(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_PATIENCE", 0.05)
    cache().add(vectors(TEXTS[:1]))
    locking = sqlite3.connect(file)
    locking.execute("BEGIN EXCLUSIVE")
    cache().add(vectors(TEXTS[:3]))
    assert cache().found(TEXTS[:3]) == {}
    locking.rollback()
    locking.close()
    assert list(cache().found(TEXTS[:3])) == TEXTS[:1]


def test_beyond_the_bound_those_used_longest_ago_go(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOST_BYTES", 150_000)
    for day in range(1, 5):
        monkeypatch.setattr(disk, "_today", lambda day=day: day)
        cache().add(vectors(TEXTS[300 * (day - 1) : 300 * day]))
        assert len(cache().found(TEXTS[:10])) == 10  # in use every day
    kept = [text in cache().found([text]) for text in TEXTS]
    assert all(kept[-300:])
    assert not all(kept)
    assert file.stat().st_size < 200_000


def _add(number: int) -> None:
    for start in range(0, 400, 40):
        part = TEXTS[100 * number + start : 100 * number + start + 40]
        cache().add({text: np.full((2, WIDTH), len(text), np.float16) for text in part})
        assert len(cache().found(part)) == 40


def test_several_write_and_read_at_once() -> None:
    """Each call has a connection of its own, so threads lock each other out as processes do."""
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(_add, range(2)))
    assert len(cache().found(TEXTS[:500])) == 500
