"""A seal over the manifest of a closed collection: the checksum of the whole file. Used by journal.py.

    manifest.xxh3    16 hex digits: xxh3-64 of manifest.sqlite; UTF-8, ends with a line feed

The rows of the manifest have checksums of their own; the seal also covers what is between them. A writer breaks it
before its first change and renews it when it closes. After a crash there is none, and the rows stand for themselves.
"""

from __future__ import annotations

import os
from pathlib import Path

import xxhash

from alicorn.errors import CorruptionError
from alicorn.index.checked_folder import RESTORE, sync_folder

SEAL = "manifest.xxh3"
_BLOCK = 1 << 20


def seal(manifest: Path) -> None:
    """Call when nothing more is written and the -wal file is empty."""
    with manifest.with_name(SEAL).open("w") as file:
        file.write(_digest(manifest) + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(manifest.parent)


def check_seal(manifest: Path) -> None:
    """Raises CorruptionError when the seal does not fit. A writer that breaks the seal meanwhile is no damage."""
    found = _read(manifest)
    if found is None or found == (_digest(manifest) + "\n").encode() or _read(manifest) != found:
        return
    raise CorruptionError(f"{manifest} has changed since it was closed: {SEAL} beside it does not match. {RESTORE}")


def break_seal(manifest: Path) -> None:
    path = manifest.with_name(SEAL)
    if path.exists():
        path.unlink()
        sync_folder(manifest.parent)


def _read(manifest: Path) -> bytes | None:
    try:
        return manifest.with_name(SEAL).read_bytes()
    except FileNotFoundError:
        return None


def _digest(manifest: Path) -> str:
    digest = xxhash.xxh3_64()
    with manifest.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
