"""What goes into an archive comes out, other tools read it, and damage is noticed. Of index/durability/archive.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.durability import archive
from alicorn.index.durability.archive import ArchiveReader, ArchiveWriter

MAGIC = "alicorn test"
ARRAYS = {
    "bytes": np.arange(5, dtype=np.uint8),
    "matrix": np.arange(12, dtype=np.float32).reshape(3, 4),
    "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "empty": np.empty((0, 4), dtype=np.float32),
    "narrow": np.empty((3, 0), dtype=np.uint8),
}
TABLE = pa.table({"név": ["a", None, "ç"], "list": [[1], [], None]})


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, str]:
    with ArchiveWriter(tmp_path / "a.zip", MAGIC) as writer:
        for name, array in ARRAYS.items():
            writer.array(name, array)
        writer.table("table", TABLE)
        return tmp_path / "a.zip", writer.finish({"of": "mine"})


def read(path: Path, checksum: str) -> None:
    reader = ArchiveReader(path, MAGIC, checksum)
    for name in reader.names():
        reader.member(name)


def test_what_goes_in_comes_out(written) -> None:
    reader = ArchiveReader(written[0], MAGIC, written[1])
    assert reader.content == {"of": "mine"}
    assert reader.size == written[0].stat().st_size
    for name, array in ARRAYS.items():
        found = reader.array(name)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.flags.writeable  # compiled kernels take no read-only arrays
        assert found.flags.c_contiguous
        assert not found.size or found.ctypes.data % 64 == 0
    assert reader.table("table").equals(TABLE)


def test_other_tools_read_it(written) -> None:
    subprocess.run([sys.executable, "-m", "zipfile", "-t", str(written[0])], check=True, capture_output=True)
    with np.load(written[0]) as arrays:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(arrays[name], array)


def test_any_flipped_byte_is_noticed(written) -> None:
    path, checksum = written
    whole = path.read_bytes()
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        with pytest.raises(CorruptionError, match=r"a\.zip has changed"):
            read(path, checksum)
    path.write_bytes(whole)
    read(path, checksum)


def test_a_truncated_or_longer_file_is_noticed(written) -> None:
    path, checksum = written
    whole = path.read_bytes()
    for other in [whole[:length] for length in range(0, len(whole), 37)] + [whole[:-1], whole + b"x", whole + whole]:
        path.write_bytes(other)
        with pytest.raises(CorruptionError, match=r"a\.zip has changed"):
            read(path, checksum)


def test_a_missing_file_another_archive_and_an_unknown_member_are_noticed(written) -> None:
    path, checksum = written
    with pytest.raises(CorruptionError, match="no alicorn other but 'alicorn test'"):
        ArchiveReader(path, "alicorn other", checksum)
    with pytest.raises(CorruptionError, match=r"names no gone\.npy"):
        ArchiveReader(path, MAGIC, checksum).array("gone")
    path.unlink()
    with pytest.raises(CorruptionError, match="missing"):
        ArchiveReader(path, MAGIC, checksum)


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archive, "FORMAT_VERSION", archive.FORMAT_VERSION + 1)
        with ArchiveWriter(tmp_path / "b.zip", MAGIC) as writer:
            checksum = writer.finish({})
    with pytest.raises(CollectionError, match=r"format 3.*up to 2.*upgrade alicorn") as caught:
        ArchiveReader(tmp_path / "b.zip", MAGIC, checksum)
    assert not isinstance(caught.value, CorruptionError)


@pytest.mark.parametrize("at", [0, 1, 7])
def test_a_write_that_fails_says_so_and_nothing_else(tmp_path: Path, monkeypatch, at: int) -> None:
    """No second error while the file is closed, now or when it is collected."""
    calls = []
    real = archive._Member.write

    def full(self: object, data: object) -> int:
        calls.append(data)
        if len(calls) > at:
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(archive._Member, "write", full)

    def write() -> None:
        with ArchiveWriter(tmp_path / "c.zip", MAGIC) as writer:
            writer.array("bytes", ARRAYS["bytes"])
            writer.table("table", TABLE)
            writer.finish({})

    with pytest.raises(OSError, match="No space left"):
        write()
