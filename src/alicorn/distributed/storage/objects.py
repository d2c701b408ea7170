"""A place in object storage, by its URL: file://, s3:// or gs:// (pyarrow.fs).

<url>/version.json       the current version: its files with checksums; the one object that is replaced
      objects/<checksum>  contents, each once, whatever versions have them
"""

from __future__ import annotations

import io
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import xxhash
from pyarrow import fs

from alicorn.distributed.protocol.manifest import FileRecord, checksum_of
from alicorn.errors import CollectionError, ConfigError, CorruptionError, cause
from alicorn.folders import SHARDS_MANIFEST
from alicorn.index.durability.durable import rename, sync_file

_CHUNK = 1 << 20


class ObjectStore:
    """Objects below a URL. Every method raises CollectionError where the storage cannot be reached or refuses."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError for a URL that is none. Credentials are those that pyarrow.fs finds: of the environment,
        of a profile, or of the machine; `s3://bucket/path?endpoint_override=HOST:PORT&scheme=http` is another server.
        """
        self.url = url
        try:
            self._files, self._base = fs.FileSystem.from_uri(url)
        except (pa.ArrowException, ValueError) as error:
            raise ConfigError(
                f"{url!r} is no place for objects ({cause(error)}): give file:///..., s3://... or gs://..."
            ) from error

    def current(self) -> bytes | None:
        """The manifest; None where nothing was published."""
        with self._reported():
            path = f"{self._base}/{SHARDS_MANIFEST}"
            if self._files.get_file_info(path).type == fs.FileType.NotFound:
                return None
            with self._files.open_input_stream(path) as stream:
                return bytes(stream.read())

    def make_current(self, manifest: bytes) -> None:
        """Replace the manifest, at once."""
        with self._reported():
            self._put(f"{self._base}/{SHARDS_MANIFEST}", io.BytesIO(manifest))

    def has(self, file: FileRecord) -> bool:
        """Whether the contents are there: objects appear whole or not at all."""
        with self._reported():
            info = self._files.get_file_info(self._object(file))
            return bool(info.type == fs.FileType.File and info.size == file.size)

    def send(self, path: Path, file: FileRecord) -> None:
        """Raises CorruptionError where the file is not what its record says; then there is no object."""
        if checksum_of(path) != (file.size, file.checksum):
            raise CorruptionError(f"{path} has changed since it was published: publish again")
        with self._reported(), path.open("rb") as source:
            self._put(self._object(file), source)

    def fetch(self, file: FileRecord, path: Path) -> None:
        """Write the contents to a path: durable, whole or not at all. Raises CorruptionError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            with (
                self._reported(),
                self._files.open_input_stream(self._object(file)) as stream,
                unfinished.open("wb") as target,
            ):
                _copy(stream, target, file, f"{self.url}/objects/{file.checksum}")
                sync_file(target, "object")
            rename(unfinished, path, "object")
        finally:
            unfinished.unlink(missing_ok=True)

    def _object(self, file: FileRecord) -> str:
        return f"{self._base}/objects/{file.checksum}"

    def _put(self, path: str, source: BinaryIO) -> None:
        """A bucket shows an object when its stream is closed; a file system a file when it has its name."""
        if not isinstance(self._files, fs.LocalFileSystem):
            with self._files.open_output_stream(path) as stream:
                shutil.copyfileobj(source, stream, _CHUNK)
            return
        unfinished = Path(f"{path}.{uuid.uuid4().hex[:8]}")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
                sync_file(target, "object")
            rename(unfinished, Path(path), "object")
        finally:
            unfinished.unlink(missing_ok=True)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CollectionError(f"{self.url}: {cause(error)}") from error


def _copy(source: pa.NativeFile, target: BinaryIO, file: FileRecord, where: str) -> None:
    """Raises CorruptionError where the contents are not those of the record."""
    digest, size = xxhash.xxh3_128(), 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    if (size, digest.hexdigest()) != (file.size, file.checksum):
        raise CorruptionError(f"{where} is not what was published as {file.path}: push it again")
