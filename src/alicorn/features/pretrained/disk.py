"""Vectors of texts on disk, shared by all processes of a user: what one has encoded, no other encodes again.

    $XDG_CACHE_HOME/alicorn/vectors-1.sqlite, or in ~/.cache/alicorn, on macOS in ~/Library/Caches/alicorn

A row is a text of one encoder: a digest of both, the day of its last use, and its vectors behind their checksum. A call
is one transaction, so processes may read and write at once. Beyond 4 GiB the vectors used longest ago are dropped. The
file may be deleted at any time. Where it is damaged, locked for long or cannot be written, texts are encoded again.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
import xxhash

from alicorn.compiled.kept import user_caches

MOST_BYTES = 4 << 30
_PATIENCE = 10.0  # seconds that another process may keep the file locked
_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, day INTEGER NOT NULL, data BLOB NOT NULL)"
_INDEX = "CREATE INDEX IF NOT EXISTS vectors_by_day ON vectors (day)"
_AT_ONCE = 500  # keys of one statement
_CHECKSUM = 16  # bytes

T = TypeVar("T")
_Row = tuple[bytes, int, bytes]  # key, day, data


class DiskCache:
    """Of one encoder. fingerprint: of all that decides a vector. A text has (rows, width) numbers of `dtype`."""

    def __init__(self, fingerprint: str, width: int, dtype: type[np.float16] | type[np.float32]) -> None:
        self._fingerprint, self._width, self._dtype = fingerprint, width, np.dtype(dtype)

    def found(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors of those texts that are kept, read-only arrays."""
        keys = {self._key(text): text for text in texts}
        rows: list[_Row] = _tried(lambda file: list(_rows(file, list(keys))), otherwise=[])
        today = _today()
        if old := [key for key, day, _ in rows if day < today]:
            _tried(lambda file: file.executemany(f"UPDATE vectors SET day = {today} WHERE key = ?", zip(old)), None)
        whole = ((keys[key], self._vectors(data)) for key, _, data in rows)
        return {text: vectors for text, vectors in whole if vectors is not None}

    def add(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep these, and drop what was used longest ago beyond MOST_BYTES."""
        rows = [(self._key(text), _today(), _checked(found.tobytes())) for text, found in vectors.items() if len(found)]

        def write(file: sqlite3.Connection) -> None:
            file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            _drop_oldest(file)

        _tried(write, None)

    def _key(self, text: str) -> bytes:
        digest = xxhash.xxh3_128(self._fingerprint.encode())
        digest.update(text.encode())
        return digest.digest()

    def _vectors(self, data: bytes) -> np.ndarray | None:
        """None where a byte is not as it was written."""
        stored = data[_CHECKSUM:]
        if data != _checked(stored) or len(stored) % (self._width * self._dtype.itemsize):
            return None
        return np.frombuffer(stored, dtype=self._dtype).reshape(-1, self._width)


def path() -> Path | None:
    """The file; None for a user without a home."""
    caches = user_caches()
    return None if caches is None else caches / "alicorn" / "vectors-1.sqlite"


def _tried(work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
    """What `work` returns in a transaction of the file, or `otherwise` where there is no such file. A damaged one is
    deleted."""
    place = path()
    if place is None:
        return otherwise
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(place, timeout=_PATIENCE)) as file, file:
            file.execute("PRAGMA synchronous = OFF")  # what a loss of power damages is encoded again
            file.execute(_TABLE)
            file.execute(_INDEX)
            return work(file)
    except (OSError, sqlite3.OperationalError):  # no such place, locked, read-only, a full disk
        return otherwise
    except sqlite3.DatabaseError:
        for part in (place, place.with_name(f"{place.name}-journal")):
            part.unlink(missing_ok=True)
        return otherwise


def _rows(file: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[_Row]:
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        holes = ", ".join("?" * len(some))
        yield from file.execute(f"SELECT key, day, data FROM vectors WHERE key IN ({holes})", some)


def _drop_oldest(file: sqlite3.Connection) -> None:
    """A tenth of all rows at a time."""
    oldest = "SELECT rowid FROM vectors ORDER BY day, rowid LIMIT 1 + (SELECT count(*) / 10 FROM vectors)"
    while _size_bytes(file) > MOST_BYTES and file.execute(f"DELETE FROM vectors WHERE rowid IN ({oldest})").rowcount:
        pass


def _size_bytes(file: sqlite3.Connection) -> int:
    """Of what is kept: pages that were emptied are written again before the file grows."""
    (pages, free, size) = (
        file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return (int(pages) - int(free)) * int(size)


def _checked(data: bytes) -> bytes:
    return xxhash.xxh3_128_digest(data) + data


def _today() -> int:
    return int(time.time() // 86_400)
