"""Folders to object storage and back: collections, shards and models, version by version.

What is there already is not sent or fetched again, so a transfer that was killed goes on where it was. A version is
seen when all of its objects are there, since the manifest comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from alicorn.distributed.protocol.manifest import (
    FileRecord,
    FolderManifest,
    ShardsManifest,
    checksum_of,
    folder_of,
    manifest_text,
    parse_manifest,
    read_manifest,
    read_version,
    records_of,
    remove_old_versions,
    version_of,
    write_manifest,
)
from alicorn.distributed.storage.objects import ObjectStore
from alicorn.errors import CollectionError, ConfigError, CorruptionError
from alicorn.folders import is_sharded
from alicorn.index.durability.sqlite_file import MANIFEST as OF_COLLECTION
from alicorn.query import Collection

OnBytes = Callable[[int, int], None]


class Transferred(NamedTuple):
    """The version, the folder of its files here, and how many bytes of how many were sent or fetched."""

    version: str
    folder: Path
    moved_bytes: int
    all_bytes: int


def push(folder: Path, url: str, on_progress: OnBytes = lambda done, total: None) -> Transferred:
    """Publish a folder at a URL: a sharded collection, a collection as it is now, or a folder of files, as of a model.

    on_progress(done, total): bytes. Raises CollectionError, CorruptionError, ConfigError.
    """
    store = ObjectStore(url)
    with _files_of(folder) as (root, manifest):
        moved = done = 0
        total = sum(file.size for file in manifest.files)
        for file in manifest.files:
            if not store.has(file):
                store.send(root / file.path, file)
                moved += file.size
            done += file.size
            on_progress(done, total)
    store.make_current(manifest_text(manifest))
    return Transferred(manifest.version, folder, moved, total)


def pull(
    url: str, folder: Path, shards: Sequence[int] | None = None, on_progress: OnBytes = lambda done, total: None
) -> Transferred:
    """Fetch the current version at a URL into a folder, and make it current there; every file is checked.

    shards: of a sharded collection those that this machine answers for; None: all. Files of the version that are in the
    folder are read and kept where they are right. Raises CollectionError, CorruptionError, ConfigError.
    """
    store = ObjectStore(url)
    text = store.current()
    if text is None:
        raise CollectionError(f"nothing was published at {url}: `alicorn push FOLDER URL` does")
    manifest = parse_manifest(text, url)
    files = manifest.files if shards is None else _of_shards(manifest, shards)
    place, total = folder_of(manifest, folder), sum(file.size for file in files)
    moved = done = 0
    for file in files:
        if not _is_right(place / file.path, file):
            store.fetch(file, place / file.path)
            moved += file.size
        done += file.size
        on_progress(done, total)
    write_manifest(folder, manifest)
    remove_old_versions(folder, manifest)
    return Transferred(manifest.version, place, moved, total)


def verify_version(folder: Path) -> Transferred:
    """Read the files of the current version that are here, and compare them with their checksums.

    Shards that are not here are left out. Raises CorruptionError, which names everything damaged.
    """
    manifest = read_version(folder)
    place = folder_of(manifest, folder)
    here = {path.name for path in place.iterdir()} if place.is_dir() else set()
    files = [file for file in manifest.files if Path(file.path).parts[0] in here]
    damaged = [file.path for file in files if not _is_right(place / file.path, file)]
    if damaged or not files:
        raise CorruptionError(f"{place}: missing or changed: {', '.join(damaged) or 'all files'}. Pull it again")
    return Transferred(manifest.version, place, 0, sum(file.size for file in files))


@contextmanager
def _files_of(folder: Path) -> Iterator[tuple[Path, ShardsManifest | FolderManifest]]:
    """Where the files are that do not change meanwhile, and their manifest."""
    if is_sharded(folder):
        manifest = read_manifest(folder)
        yield folder_of(manifest, folder), manifest
    elif (folder / OF_COLLECTION).is_file():
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.absolute().parent) as beside:
            copy = Path(beside) / "copy"
            with Collection.open(folder, read_only=True) as collection:
                collection.backup(copy)
            yield copy, _of_folder(copy)
    elif folder.is_dir() and any(folder.iterdir()):
        yield folder, _of_folder(folder)
    else:
        raise ConfigError(f"{folder} is no folder with files: give a collection, a sharded one, or a model")


def _of_folder(folder: Path) -> FolderManifest:
    files = records_of(folder)
    return FolderManifest(version_of(files), files)


def _of_shards(manifest: ShardsManifest | FolderManifest, shards: Sequence[int]) -> list[FileRecord]:
    if isinstance(manifest, FolderManifest):
        raise ConfigError("what is published there has no shards: leave --shard out")
    for number in shards:
        if not 0 <= number < len(manifest.shards):
            raise ConfigError(f"there are {len(manifest.shards)} shards, numbered from 0, and no {number}")
    wanted = {manifest.shards[number].folder for number in shards}
    return [file for file in manifest.files if Path(file.path).parts[0] in wanted]


def _is_right(path: Path, file: FileRecord) -> bool:
    return path.is_file() and path.stat().st_size == file.size and checksum_of(path)[1] == file.checksum
