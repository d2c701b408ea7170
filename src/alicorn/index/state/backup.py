"""The backup of a collection: a copy as of one moment, while writes go on.

Segments and quantizers never change: they are hard-linked if the target is on the same file system,
and copied otherwise. SQLite copies the manifest within one read transaction, which also names the files of that
moment. The copy gets its name at the end: an interrupted copy is called <target>.partial.

A hard link is a second name of the same file: it protects from deletion and overwriting, not from a failing disk.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.durability.archive import RESTORE
from alicorn.index.durability.durable import rename, sync_file, sync_folder
from alicorn.index.durability.journal import Journal, State
from alicorn.index.durability.sqlite_file import CREATING, publish_database, reported
from alicorn.index.segment.files.quantizer_file import quantizer_path
from alicorn.index.segment.files.segment_file import segment_path


def back_up(collection: Path, target: Path) -> None:
    """Durable when it returns. Raises CollectionError when the target exists or cannot be written."""
    partial = target.with_name(f"{target.name}.partial")
    if target.exists():
        raise CollectionError(f"{target} exists: a backup is written to a path that does not exist yet")
    if partial.exists():
        raise CollectionError(f"{partial} exists, left by an interrupted backup: remove it and try again")
    with closing(Journal(collection, read_only=True)) as journal, reported(target, "written"), ExitStack() as opened:
        partial.mkdir(parents=True)
        try:
            state, files = _manifest_and_files(journal, collection, partial, opened)
            for name, file in files.items():
                _link_or_copy(collection / name, file, partial / name)
            for folder in {name.parent for name in files}:
                sync_folder(partial / folder, "backup")
            publish_database(partial, state.collection, state.commits)
            rename(partial, target, "backup")
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _manifest_and_files(
    journal: Journal, collection: Path, partial: Path, opened: ExitStack
) -> tuple[State, dict[Path, BinaryIO]]:
    """Copy the manifest -> its state, and the files it names, open, so that they stay readable after a removal."""
    while True:
        try:
            with journal.reading():
                state = journal.state
                names = [segment_path(Path(), name) for name in state.segments]
                names += [quantizer_path(Path(), state.quantizers[0])] if state.quantizers else []
                files: dict[Path, BinaryIO] = {
                    name: opened.enter_context((collection / name).open("rb")) for name in names
                }
                with closing(sqlite3.connect(partial / CREATING)) as copy:
                    journal.copy_to(copy)
                return state, files
        except FileNotFoundError as error:
            if journal.read_state().generation == state.generation:  # otherwise the writer has replaced files meanwhile
                raise CorruptionError(f"{error.filename} is missing. {RESTORE}") from error


def _link_or_copy(source: Path, opened: BinaryIO, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, one without links, or the file is removed already
        with target.open("xb") as copy:
            shutil.copyfileobj(opened, copy, 1 << 20)
            sync_file(copy, "backup")
