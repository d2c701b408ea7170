"""Tensors as a file of PyTorch."""

from pathlib import Path
from typing import Any

import torch


def write_tensors(state: dict[str, Any], path: Path) -> None:
    """Raises OSError where the system cannot write the file, for which torch has a RuntimeError of its own."""
    try:
        with path.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
