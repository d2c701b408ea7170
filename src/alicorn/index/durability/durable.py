"""fsync and rename: the calls that make contents and names durable, each between two failpoints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from alicorn.index.durability.failpoints import reach


def sync_file(file: BinaryIO, what: str) -> None:
    """Make the contents durable. what: names the failpoints, as in "before fsync segment"."""
    file.flush()
    reach(f"before fsync {what}")
    os.fsync(file.fileno())
    reach(f"after fsync {what}")


def sync_folder(path: Path, what: str) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        reach(f"before fsync folder of {what}")
        os.fsync(descriptor)
        reach(f"after fsync folder of {what}")
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path, what: str) -> None:
    """Replace `target` at once, durably."""
    reach(f"before rename {what}")
    os.replace(source, target)
    reach(f"after rename {what}")
    sync_folder(target.parent, what)
