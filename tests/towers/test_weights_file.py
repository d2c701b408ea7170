"""Weights are read as they were written, memory-mapped, and by the package safetensors alike."""

import errno
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from alicorn.errors import ModelError
from alicorn.towers.weights_file import read_arrays, write_arrays

KINDS = st.sampled_from(["f4", "f8", "f2", "i8", "i4", "u1", "?"])
ARRAYS = KINDS.flatmap(lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)))


@given(weights=st.dictionaries(st.text(max_size=5).filter(lambda name: name != "__metadata__"), ARRAYS, max_size=5))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, np.ndarray]) -> None:
    path = tmp_path_factory.getbasetemp() / "w.safetensors"
    write_arrays(weights, path)
    found = read_arrays(path)
    assert list(found) == list(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].flags.aligned
        assert not found[name].flags.writeable


def test_the_package_of_the_format_reads_it(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    weights = {"count": np.array(3), "rows": np.arange(6, dtype=np.float32).reshape(2, 3)}
    write_arrays(weights, tmp_path / "w.safetensors")
    found = safetensors.load_file(tmp_path / "w.safetensors")
    assert found["count"] == 3
    np.testing.assert_array_equal(found["rows"], weights["rows"])


@pytest.mark.parametrize("damaged", [b"", b"\x00" * 7, b"\xff" * 64, b"\x02" + b"\x00" * 7 + b"[]", b"PK\x03\x04" * 9])
def test_another_file_is_a_model_error(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "w").write_bytes(damaged)
    with pytest.raises(ModelError, match="no file of weights"):
        read_arrays(tmp_path / "w")


@pytest.mark.parametrize("room", [0, 10_000, 390_000])
def test_a_full_disk_is_an_os_error_and_leaves_the_file(tmp_path: Path, room: int) -> None:
    write_arrays({"weight": np.zeros(1)}, tmp_path / "w")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_arrays({"weight": np.zeros(100_000, dtype=np.float32)}, tmp_path / "w")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert len(read_arrays(tmp_path / "w")["weight"]) == 1
