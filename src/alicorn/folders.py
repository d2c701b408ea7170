"""A folder that a verb writes is whole or not there: it is made beside its place, and renamed when complete."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alicorn.errors import ConfigError


def check_place(out: Path, mark: str, *, overwrite: bool = False) -> None:
    """Raise ConfigError where `out` may not be written: a file, or a folder that is not empty.

    mark: the file by which a folder of this kind is known. overwrite: a folder that has it may be replaced.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file: give a folder")
    if not out.exists() or not any(out.iterdir()):
        return
    if not overwrite:
        raise ConfigError(f"{out} exists and is not empty: choose another folder, or give --overwrite")
    if not (out / mark).exists():
        raise ConfigError(f"{out} has no {mark}, so it holds something else: it is not overwritten")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `out` at the end of the block; a folder that was there is removed last.

    Whatever is raised in the block leaves `out` as it was.
    """
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        put_in_place(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def put_in_place(made: Path, out: Path) -> None:
    """Rename the finished folder `made` to `out`; both are below one folder. What was there is removed last."""
    if not out.exists():
        made.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old)
    try:
        made.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old)
