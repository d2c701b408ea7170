"""Tensors that the disk has no room for are an OSError, as everything else that is written."""

import errno
import resource

import pytest
import torch

from alicorn.training.run.checkpoint import write_tensors


def test_what_is_written_is_read_again(tmp_path):
    write_tensors({"weight": torch.arange(5)}, tmp_path / "weights.pt")
    assert torch.load(tmp_path / "weights.pt", weights_only=True)["weight"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("room", [0, 10_000, 390_000])
def test_a_full_disk_is_an_os_error(tmp_path, room):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_tensors({"weight": torch.zeros(100_000)}, tmp_path / "weights.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
