"""The seal: checksums of the pages of the manifest, by which a change of any byte is detected, also after a crash.

    manifest.xxh3    uint64, little-endian: bytes of a page, xxh3-64 of each page of manifest.sqlite, and last the
                     xxh3-64 of all bytes before

SQLite writes to manifest.sqlite only when it copies pages from the write-ahead log, or cuts off pages that a commit
returned, and journal.py decides when. Before SQLite does so, the seal is renewed for the new contents. Until the log is
overwritten, a page in the log may have its old or its new contents, and pages beyond those that the log says the
database has may still be there. So at any moment, also after a crash, every page that the log does not replace matches
the seal.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xxhash

from alicorn.errors import CorruptionError
from alicorn.index.durability.archive import RESTORE
from alicorn.index.durability.durable import rename, sync_file
from alicorn.index.durability.open_manifest import OpenManifest
from alicorn.index.durability.wal import WriteAheadLog, read_wal

SEAL = "manifest.xxh3"
PAGE_SIZE = 8192  # bytes; most rows are larger than a page


def check_seal(manifest: OpenManifest) -> tuple[np.ndarray, WriteAheadLog]:
    """Compare all pages with the seal -> the sealed digests, (pages,) uint64, and the log. Raises CorruptionError.

    A writer may be at work. It renews the seal before it overwrites the log: if the seal is the same before and after,
    the log had every page that was copied before the manifest was read.
    """
    while True:
        before = _read(manifest.path)
        whole = manifest.read()
        log = read_wal(manifest.wal, PAGE_SIZE)
        if _read(manifest.path) == before:
            break
    sealed = _decoded(manifest.path, before)
    digests, expected = page_digests(whole), sealed
    if log.num_pages:  # the database has so many, though some may not be copied yet, and those beyond not cut off
        expected = _resized(sealed, log.num_pages)
        if len(digests) <= log.most_pages:
            digests = _resized(digests, log.num_pages)
    count = max(len(expected), len(digests))
    differs = np.ones(count, dtype=bool)
    shared = min(len(expected), len(digests))
    differs[:shared] = expected[:shared] != digests[:shared]
    pages = [int(page) + 1 for page in np.flatnonzero(differs) if int(page) + 1 not in log.pages]
    if pages or (len(whole) % PAGE_SIZE and not log.pages):
        raise CorruptionError(
            f"{manifest.path} has changed since it was written: {len(pages)} of its {count} pages do not match {SEAL} "
            f"beside it, the first is page {pages[0] if pages else count}. {RESTORE}"
        )
    if log.is_damaged:
        raise CorruptionError(
            f"{manifest.wal} has changed since it was written: operations that were acknowledged do not match their "
            f"checksums. {RESTORE}"
        )
    return sealed, log


def renewed(sealed: np.ndarray, log: WriteAheadLog) -> np.ndarray:
    """The digests of the pages after a copy of the log into the database."""
    if not log.num_pages:
        return sealed
    digests = _resized(sealed, log.num_pages)
    for page, digest in log.pages.items():
        if page <= log.num_pages:  # a later commit may have cut off pages
            digests[page - 1] = digest
    return digests


def write_seal(manifest: Path, digests: np.ndarray) -> None:
    """Write a seal, durably."""
    body = np.array([PAGE_SIZE, *digests.tolist()], dtype="<u8").tobytes()
    fresh = manifest.with_name(SEAL + ".new")
    with fresh.open("wb") as file:
        file.write(body + xxhash.xxh3_64_intdigest(body).to_bytes(8, "little"))
        sync_file(file, "seal")
    rename(fresh, manifest.with_name(SEAL), "seal")


def page_digests(whole: bytes) -> np.ndarray:
    """The xxh3-64 of each page -> (pages,) uint64."""
    view = memoryview(whole)
    starts = range(0, len(whole), PAGE_SIZE)
    return np.array([xxhash.xxh3_64_intdigest(view[at : at + PAGE_SIZE]) for at in starts], dtype=np.uint64)


def _resized(digests: np.ndarray, num_pages: int) -> np.ndarray:
    """The digests of num_pages pages; new pages are zeros, since SQLite does not log pages it never used."""
    resized = np.full(num_pages, xxhash.xxh3_64_intdigest(bytes(PAGE_SIZE)), dtype=np.uint64)
    kept = min(len(digests), num_pages)
    resized[:kept] = digests[:kept]
    return resized


def _read(manifest: Path) -> bytes:
    path = manifest.with_name(SEAL)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CorruptionError(f"{path} is missing. {RESTORE}") from error


def _decoded(manifest: Path, raw: bytes) -> np.ndarray:
    numbers = np.frombuffer(raw[: len(raw) // 8 * 8], dtype="<u8")
    if len(raw) % 8 or len(raw) < 16 or xxhash.xxh3_64_intdigest(raw[:-8]) != numbers[-1] or numbers[0] != PAGE_SIZE:
        raise CorruptionError(
            f"{manifest.with_name(SEAL)} has changed since it was written: its checksum does not match. {RESTORE}"
        )
    return numbers[1:-1].astype(np.uint64)
