"""A folder or file that a verb writes is whole or not there, and what it replaces stays until it is whole.

Each kind of folder is known by a mark, a file that it alone has: no other folder is ever replaced.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alicorn.errors import ConfigError

PAIRS_FOLDER, MODEL_FOLDER, RANKER_FOLDER = ("manifest.json",), ("model.json", "checkpoint", "search"), ("ranker.json",)
COLLECTION_FOLDER, TOWER_FOLDER, UBI_FOLDER = ("manifest.sqlite",), ("query_tower.json",), ("ubi_queries.ndjson",)
JOB_FOLDER = ("_job.json",)
SHARDS_MANIFEST = "version.json"


def is_sharded(folder: Path) -> bool:
    """Whether a collection is in shards (distributed/)."""
    return (folder / SHARDS_MANIFEST).is_file()


def check_place(out: Path, marks: tuple[str, ...], *, overwrite: bool = False) -> None:
    """Raise ConfigError where `out` may not be written: a file, or a folder that is not empty.

    overwrite: a folder that has one of the `marks` of its kind may be replaced.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file: give a folder")
    if not out.exists() or not any(out.iterdir()):
        return
    if not overwrite:
        raise ConfigError(f"{out} exists and is not empty: choose another folder, or give --overwrite")
    if not any((out / mark).exists() for mark in marks):
        raise ConfigError(f"{out} has no {' or '.join(marks)}: it holds something else, and is not overwritten")


def check_file(out: Path, *, overwrite: bool = False) -> None:
    """Raise ConfigError where the file `out` may not be written: a folder, or a file that is there.

    overwrite: a file may be replaced.
    """
    if out.is_dir():
        raise ConfigError(f"{out} is a folder: give a file")
    if out.exists() and not overwrite:
        raise ConfigError(f"{out} exists: choose another file, or give --overwrite")


@contextmanager
def whole_file(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Where to write a file that takes the place of `out` at the end of the block.

    Whatever is raised in the block leaves `out` as it was, and nothing beside it. Raises ConfigError as check_file.
    """
    check_file(out, overwrite=overwrite)
    place = out.with_name(f".{out.stem}.new{out.suffix}")
    try:
        yield place
        place.replace(out)
    finally:
        place.unlink(missing_ok=True)


@contextmanager
def replacing(
    out: Path, marks: tuple[str, ...], *, overwrite: bool, resume: bool = False, swap: bool = True
) -> Iterator[Path]:
    """Where to write a folder that is to be `out`: `out` itself unless `overwrite`, else `.out.new` beside it, which
    takes the place of `out` at the end of the block. Whatever is raised in the block leaves `out` as it was.

    resume: go on in the `.out.new` that an earlier block left. swap: False in all processes of a run but the first.
    Raises ConfigError as check_place.
    """
    if not overwrite:
        yield out
        return
    out = out.absolute()
    check_place(out, marks, overwrite=True)
    place = out.with_name(f".{out.name}.new")
    if not resume and swap:
        shutil.rmtree(place, ignore_errors=True)
    yield place
    if swap:
        put_in_place(place, out)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `out` at the end of the block; a folder that was there is removed last.

    Whatever is raised in the block leaves `out` as it was, and nothing beside it.
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
    """Rename the finished folder `made` to `out`; both are in one folder. What was there is removed last."""
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
