"""A folder of files written once: every byte is covered by a checksum. Used by segment_file.py and quantizer_file.py.

    <folder>/
      header.json      UTF-8 JSON, one object:
                         magic           string, what the folder holds, e.g. "alicorn segment"
                         format_version  integer, FORMAT_VERSION
                         content         object, defined by whoever writes the folder
                         files           object: name -> {"size": bytes, "xxh3": 16 hex digits of the bytes' xxh3-64}
      <name>.npy       NumPy's .npy format 1.0, little-endian, C order; the array starts at a multiple of 64 bytes
      <name>.arrow     Arrow IPC file, one record batch, not compressed

The header's own xxh3-64 is kept by the manifest (journal.py). There is no rename: a folder exists from the moment that
the manifest names it, and until then it is an orphan, whatever is in it. So the order is: write each file, fsync it,
write header.json, fsync it, fsync the folder and its parent, and only then commit the manifest.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import xxhash

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.mapping import map_file

FORMAT_VERSION = 1
HEADER = "header.json"
RESTORE = "Restore the collection from a backup, or build it again"
_NPY_HEADER = 1024  # bytes that surely hold the header of an array of few dimensions


class _CheckedFile:
    """A file for writing that knows its checksum. What pyarrow and NumPy need of a file, and no more."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb")
        self._digest = xxhash.xxh3_64()
        self.size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self.size += self._file.write(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        self._file.flush()

    def finish(self) -> dict[str, Any]:
        """Make it durable -> its entry in the header."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        self.closed = True
        return {"size": self.size, "xxh3": self._digest.hexdigest()}


class FolderWriter:
    """Writes one folder; nothing refers to it before `finish` has returned and the manifest names it."""

    def __init__(self, path: Path, magic: str) -> None:
        path.mkdir(parents=True)
        self._path = path
        self._magic = magic
        self._files: dict[str, dict[str, Any]] = {}

    def array(self, name: str, array: np.ndarray) -> None:
        file = _CheckedFile(self._path / f"{name}.npy")
        contiguous = np.ascontiguousarray(array)
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(contiguous))
        if contiguous.size:
            file.write(contiguous.reshape(-1).view(np.uint8).data)
        self._files[f"{name}.npy"] = file.finish()

    def table(self, name: str, table: pa.Table) -> None:
        file = _CheckedFile(self._path / f"{name}.arrow")
        with pa.ipc.new_file(pa.PythonFile(file, mode="w"), table.schema) as writer:
            for batch in table.to_batches():
                writer.write_batch(batch)
        self._files[f"{name}.arrow"] = file.finish()

    def finish(self, content: dict[str, Any]) -> str:
        """Write the header and make everything durable -> the header's checksum, for the manifest."""
        header = {
            "magic": self._magic,
            "format_version": FORMAT_VERSION,
            "content": content,
            "files": self._files,
        }
        file = _CheckedFile(self._path / HEADER)
        file.write(json.dumps(header, indent=1, ensure_ascii=False).encode())
        checksum = file.finish()["xxh3"]
        sync_folder(self._path)
        sync_folder(self._path.parent)
        return checksum


class FolderReader:
    """An existing folder: every file is compared with its size and checksum when it is opened, then stays mapped."""

    def __init__(self, path: Path, magic: str, header_checksum: str) -> None:
        self._path = path
        header = _mapped(path / HEADER, None, header_checksum)
        try:
            self.header: dict[str, Any] = json.loads(header.tobytes())
        except ValueError as error:
            raise CorruptionError(f"{path / HEADER} is not JSON: {error}. {RESTORE}") from error
        if self.header.get("magic") != magic:
            raise CorruptionError(f"{path / HEADER} is no {magic} but {self.header.get('magic')!r}. {RESTORE}")
        check_format(path / HEADER, self.header["format_version"])

    @property
    def content(self) -> dict[str, Any]:
        return self.header["content"]

    def array(self, name: str) -> np.ndarray:
        """The array, mapped (mapping.py)."""
        memory = self._file(f"{name}.npy")
        start = io.BytesIO(memory[:_NPY_HEADER].tobytes())
        np.lib.format.read_magic(start)
        shape, _, dtype = np.lib.format.read_array_header_1_0(start)
        if 0 in shape:
            return np.empty(shape, dtype)
        return memory[start.tell() :].view(dtype).reshape(shape)

    def table(self, name: str) -> pa.Table:
        return pa.ipc.open_file(pa.py_buffer(self._file(f"{name}.arrow"))).read_all()

    def names(self) -> list[str]:
        return list(self.header["files"])

    def check(self, name: str) -> int:
        """Compare one file with its checksum -> its size in bytes."""
        return len(self._file(name))

    def _file(self, name: str) -> np.ndarray:
        entry = self.header["files"].get(name)
        if entry is None:
            raise CorruptionError(f"{self._path}: the header names no file {name}. {RESTORE}")
        return _mapped(self._path / name, entry["size"], entry["xxh3"])


def check_format(path: Path, version: int) -> None:
    """Refuse what a newer alicorn wrote."""
    if version > FORMAT_VERSION:
        raise CollectionError(
            f"{path} has format {version}, and this alicorn reads formats up to {FORMAT_VERSION}: "
            "upgrade alicorn, or publish the collection again with this one"
        )


def _mapped(path: Path, size: int | None, checksum: str) -> np.ndarray:
    """The bytes of a file as uint8, after they were found to be what was written."""
    try:
        with path.open("rb") as file:
            mapped = map_file(file)
    except FileNotFoundError as error:
        raise CorruptionError(f"{path} is missing. {RESTORE}") from error
    except OSError as error:
        raise CollectionError(f"{path} cannot be read: {error.strerror or error}") from error
    if size is not None and len(mapped) != size:
        raise CorruptionError(f"{path} has {len(mapped)} bytes, {size} were written. {RESTORE}")
    if xxhash.xxh3_64_hexdigest(mapped.data) != checksum:
        raise CorruptionError(f"{path} has changed since it was written: its checksum does not match. {RESTORE}")
    return mapped


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
