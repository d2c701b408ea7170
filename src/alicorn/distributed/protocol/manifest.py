"""The manifest of a sharded collection: which files are its current version, and what all shards share.

    <folder>/version.json                    the one object that is replaced when a version is published
             versions/<version>/shard-<n>/    a collection of the documents whose ids are routed to shard n

A version is named by the checksums of its files, so equal names are equal contents.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import xxhash

from alicorn.errors import CollectionError, CorruptionError
from alicorn.folders import SHARDS_MANIFEST
from alicorn.index.durability.durable import rename, sync_file

KEPT = 3
"""Versions that stay in a folder."""
_CHUNK = 1 << 20


class FileRecord(msgspec.Struct, frozen=True):
    """A file by its path in the folder of the version. checksum: xxh3 of 128 bits, in hex."""

    path: str
    size: int
    checksum: str


class ShardRecord(msgspec.Struct, frozen=True):
    """The folder of a shard in that of the version."""

    folder: str
    num_docs: int


class FolderManifest(msgspec.Struct, frozen=True, tag="folder", tag_field="kind"):
    """The files of a version of a collection in one piece, or of a model."""

    version: str
    files: list[FileRecord]
    format: int = 1


class ShardsManifest(msgspec.Struct, frozen=True, tag="shards", tag_field="kind"):
    """embeddings: key -> dimension; columns: an Arrow schema, serialized; metadata: as of a collection. written_until:
    a time by ISO 8601 with its zone: the documents have what was written to the shards before; None: not said."""

    version: str
    num_docs: int
    shards: list[ShardRecord]
    files: list[FileRecord]
    embeddings: dict[str, int]
    positions: list[str]
    columns: bytes
    metadata: dict[str, Any]
    format: int = 1
    written_until: str | None = None

    @property
    def schema(self) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(self.columns))


def folder_of(manifest: ShardsManifest | FolderManifest, root: Path) -> Path:
    """Where the files of a version are."""
    return root / "versions" / manifest.version


def read_manifest(folder: Path) -> ShardsManifest:
    """Raises CollectionError where there is none or it is newer, CorruptionError for one that cannot be read."""
    path = folder / SHARDS_MANIFEST
    if not path.is_file():
        raise CollectionError(f"{folder} holds no sharded collection (no {SHARDS_MANIFEST}): publish one with --shards")
    manifest = read_version(folder)
    if isinstance(manifest, FolderManifest):
        raise CollectionError(f"{folder} has no shards: what was pulled there is {folder_of(manifest, folder)}")
    return manifest


def read_version(folder: Path) -> ShardsManifest | FolderManifest:
    """The same of whatever was pulled into a folder."""
    path = folder / SHARDS_MANIFEST
    return parse_manifest(path.read_bytes(), str(path))


def parse_manifest(text: bytes, where: str) -> ShardsManifest | FolderManifest:
    """Raises CorruptionError for what is no manifest, CollectionError for a newer one."""
    try:
        manifest = msgspec.json.decode(text, type=ShardsManifest | FolderManifest)
    except msgspec.DecodeError as error:
        raise CorruptionError(f"{where} is no manifest of a sharded collection: {error}") from error
    if manifest.format != 1:
        raise CollectionError(f"{where} has format {manifest.format}, and this alicorn reads format 1: upgrade it")
    if manifest.version != version_of(manifest.files):
        raise CorruptionError(f"{where}: version {manifest.version} is not that of the files it lists")
    if any(Path(file.path).is_absolute() or ".." in Path(file.path).parts for file in manifest.files):
        raise CorruptionError(f"{where} names files outside its folder")
    return manifest


def write_manifest(folder: Path, manifest: ShardsManifest | FolderManifest) -> None:
    """Make a version current: durable, and seen whole or not at all."""
    unfinished = folder / f".{SHARDS_MANIFEST}.{os.getpid()}"
    with unfinished.open("wb") as file:
        file.write(manifest_text(manifest))
        sync_file(file, "manifest")
    rename(unfinished, folder / SHARDS_MANIFEST, "manifest")


def remove_old_versions(folder: Path, manifest: ShardsManifest | FolderManifest) -> None:
    """Keep what is current and the versions that were current before it, `KEPT` together.

    A process that has an older one open goes on reading it: its files lose their names, not their contents.
    """
    current = folder_of(manifest, folder)
    os.utime(current)  # when it became current
    versions = [path for path in current.parent.iterdir() if not path.name.startswith(".") and path != current]
    versions.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in versions[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def manifest_text(manifest: ShardsManifest | FolderManifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest))


def version_of(files: list[FileRecord]) -> str:
    """The name of a version: a checksum over those of its files."""
    digest = xxhash.xxh3_128()
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.checksum}\n".encode())
    return digest.hexdigest()[:16]


def records_of(folder: Path) -> list[FileRecord]:
    """All files below a folder, by path, without those that SQLite makes for readers."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return [FileRecord(path.relative_to(folder).as_posix(), *checksum_of(path)) for path in paths]


def checksum_of(path: Path) -> tuple[int, str]:
    """The size and the checksum of a file."""
    digest, size = xxhash.xxh3_128(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
