"""An archive: a file of arrays and tables, written once, with checksums over every byte.

It is a ZIP archive without compression: any unzip extracts its members, np.load its arrays. It is one file and not a
folder, because every file costs an fsync: a small flush needs 2 (the file, and the names of its folder) instead of 50.

    <member>        a local header, padded so that the contents start at a multiple of 64 bytes, and the contents:
      <name>.npy      NumPy's .npy format 1.0, little-endian, C order
      <name>.arrow    Arrow IPC file, one record batch, not compressed
    ...
    header.json     the last member, UTF-8 JSON, one object:
                      magic           string, the kind of archive, e.g. "alicorn segment"
                      format_version  integer, FORMAT_VERSION
                      content         object, defined by the kind of archive
                      members         object: name -> [start of the local header, start of the contents, end, checksum];
                                      the checksum is the xxh3-64, 16 hex digits, of the bytes from the first to the end
    central directory of ZIP; its comment, the last 24 bytes of the file, is three uint64, little-endian:
                    start of header.json's local header, start of its contents, end of its contents

The tail, from header.json's local header to the end of the file, has one xxh3-64, which the manifest keeps. There is
no rename: an archive exists from the moment that the manifest names it; until then it is an orphan. So the order is:
write, fsync the file, fsync its folder, and only then commit the manifest.
"""

from __future__ import annotations

import io
import itertools
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from alicorn.errors import CollectionError, CorruptionError, cause
from alicorn.index.durability.durable import sync_file, sync_folder
from alicorn.index.durability.mapping import map_file, release

FORMAT_VERSION = 2
HEADER = "header.json"
RESTORE = "Restore the collection from a backup, or build it again"
_ALIGNMENT = 64
_LOCAL_HEADER = 30  # bytes of ZIP's local header without name and extra fields
_ZIP64_EXTRA = 20  # bytes of the extra field that zipfile adds
_PADDING = struct.Struct("<HH")  # an extra field of ZIP: id and size, followed by zeros
_PADDING_ID = 0xD935  # that of Android's zipalign
_PLACE = struct.Struct("<QQQ")  # the comment
_HASHED = 1 << 24  # bytes that are read between two releases of memory
_NPY_HEADER = 1024  # bytes: more than the header of an array of few dimensions


class ArchiveWriter:
    """Writes one archive. Nothing may refer to it before `finish` has returned and the manifest names it."""

    def __init__(self, path: Path, magic: str) -> None:
        self._path = path
        self._magic = magic
        if not path.parent.is_dir():
            path.parent.mkdir()
            sync_folder(path.parent.parent, "collection")
        self._file = path.open("xb+")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)
        self._members: dict[str, list[Any]] = {}

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.fp = None  # after a failure, do not complete the archive
        self._file.close()

    def array(self, name: str, array: np.ndarray) -> None:
        contiguous = np.ascontiguousarray(array)
        with _Member(self, f"{name}.npy") as member:
            np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(contiguous))
            if contiguous.size:
                member.write(contiguous.reshape(-1).view(np.uint8).data)

    def rows(self, name: str, shape: tuple[int, ...], blocks: Iterator[np.ndarray]) -> np.ndarray:
        """Write an array block by block -> the array, mapped.

        blocks: at least one, all of one type; together they have the shape.
        """
        first = next(blocks)
        with _Member(self, f"{name}.npy") as member:
            start = self._file.tell()
            descr = np.lib.format.dtype_to_descr(first.dtype)
            np.lib.format.write_array_header_1_0(member, {"descr": descr, "fortran_order": False, "shape": shape})
            header = self._file.tell() - start
            for block in itertools.chain([first], blocks):
                member.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
        self._file.flush()
        start, contents, end = self._members[f"{name}.npy"]
        return map_file(self._file)[contents + header : end].view(first.dtype).reshape(shape)

    def table(self, name: str, table: pa.Table) -> None:
        with (
            _Member(self, f"{name}.arrow") as member,
            pa.PythonFile(member, mode="w") as sink,
            pa.ipc.new_file(sink, table.schema) as writer,
        ):
            for batch in table.to_batches():
                writer.write_batch(batch)

    def finish(self, content: dict[str, Any]) -> str:
        """Write the header and make everything durable -> the tail's checksum, for the manifest."""
        self._file.flush()
        written = map_file(self._file)
        for place in self._members.values():
            place.append(_checksum(written[place[0] : place[2]]))
        header = {
            "magic": self._magic,
            "format_version": FORMAT_VERSION,
            "content": content,
            "members": self._members,
        }
        with _Member(self, HEADER) as member:
            member.write(json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False).encode())
        place = self._members[HEADER]
        self._zip.comment = _PLACE.pack(*place)
        self._zip.close()
        what = self._magic.removeprefix("alicorn ")
        sync_file(self._file, what)
        sync_folder(self._path.parent, what)
        return xxhash.xxh3_64_hexdigest(map_file(self._file)[place[0] :].data)


class _Member:
    """A writable file for pyarrow and NumPy; its closing records the place of the member in the header."""

    def __init__(self, archive: ArchiveWriter, name: str) -> None:
        self._archive = archive
        self._start = archive._file.tell()
        info = zipfile.ZipInfo(name)
        length = self._start + _LOCAL_HEADER + len(name.encode()) + _ZIP64_EXTRA + _PADDING.size
        info.extra = _PADDING.pack(_PADDING_ID, -length % _ALIGNMENT) + bytes(-length % _ALIGNMENT)
        self._name = name
        self._contents = length + (-length % _ALIGNMENT)
        self._file = archive._zip.open(info, "w", force_zip64=True)
        assert archive._file.tell() == self._contents
        self.closed = False

    def write(self, data: Any) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        """Do nothing: no byte has to be visible before the end."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._file.close()
            self._archive._members[self._name] = [self._start, self._contents, self._archive._file.tell()]

    def __enter__(self) -> _Member:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(Exception):  # pyarrow tries to complete its header
                self._file.close()


class ArchiveReader:
    """An existing archive, mapped; a member is verified by its checksum when it is read."""

    def __init__(self, path: Path, magic: str, checksum: str) -> None:
        """checksum: of the tail. Raises CorruptionError, and CollectionError for a newer format."""
        self.path = path
        self._bytes = _mapped(path)
        self.size = len(self._bytes)
        start, contents, end = _PLACE.unpack(self._bytes[-_PLACE.size :].tobytes().rjust(_PLACE.size, b"\0"))
        tail = self._bytes[min(start, self.size) :]
        if xxhash.xxh3_64_hexdigest(tail.data) != checksum:
            raise self._damage("its header, or its length")
        self._header: dict[str, Any] = json.loads(self._bytes[contents:end].tobytes())
        if self._header["magic"] != magic:
            raise CorruptionError(f"{path} is no {magic} but {self._header['magic']!r}. {RESTORE}")
        check_format(path, self._header["format_version"], FORMAT_VERSION)

    @property
    def format_version(self) -> int:
        return int(self._header["format_version"])

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = self._header["content"]
        return content

    def names(self) -> list[str]:
        return list(self._header["members"])

    def array(self, name: str) -> np.ndarray:
        """The array, mapped (mapping.py)."""
        memory = self.member(f"{name}.npy")
        start = io.BytesIO(memory[:_NPY_HEADER].tobytes())
        np.lib.format.read_magic(start)
        shape, _, dtype = np.lib.format.read_array_header_1_0(start)
        if 0 in shape:
            return np.empty(shape, dtype)
        return memory[start.tell() :].view(dtype).reshape(shape)

    def table(self, name: str) -> pa.Table:
        return pa.ipc.open_file(pa.py_buffer(self.member(f"{name}.arrow"))).read_all()

    def member(self, name: str) -> np.ndarray:
        """The contents of a member, uint8, verified by their checksum."""
        place = self._header["members"].get(name)
        if place is None:
            raise CorruptionError(f"{self.path}: its header names no {name}. {RESTORE}")
        start, contents, end, checksum = place
        if _checksum(self._bytes[start:end]) != checksum:
            raise self._damage(name)
        return self._bytes[contents:end]

    def _damage(self, what: str) -> CorruptionError:
        return CorruptionError(f"{self.path} has changed since it was written: {what} does not match. {RESTORE}")


def _checksum(memory: np.ndarray) -> str:
    """The checksum of mapped bytes; their pages are released from memory."""
    digest = xxhash.xxh3_64()
    for start in range(0, len(memory), _HASHED):
        part = memory[start : start + _HASHED]
        digest.update(part.data)
        release(part)
    return digest.hexdigest()


def check_format(path: Path, version: int, newest: int) -> None:
    """Refuse a format of a newer alicorn. newest: the newest format that this one reads."""
    if version > newest:
        raise CollectionError(
            f"{path} has format {version}, and this alicorn reads formats up to {newest}: "
            "upgrade alicorn, or publish the collection again with this one"
        )


def _mapped(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            return map_file(file)
    except FileNotFoundError as error:
        raise CorruptionError(f"{path} is missing. {RESTORE}") from error
    except OSError as error:
        raise CollectionError(f"{path} cannot be read: {cause(error)}") from error
