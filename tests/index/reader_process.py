"""What other processes do with a collection that a test writes; started by test_other_processes.py.

reader_process.py read PATH LAST    three readers follow the writer until they see batch LAST; prints what they saw
reader_process.py write PATH        opens it for writing; prints the error
    reader_process.py nobody PATH       as a user without rights, where only root may write; prints all results
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from alicorn.errors import AlicornError
from alicorn.index import Snapshot, Store, verify

READERS = 3
NOBODY = 65534


def batch_of(snapshot: Snapshot) -> int:
    """The batch that the snapshot shows: all of it, and nothing else."""
    numbers: list[int] = []
    for view in snapshot.segments:
        column = view.segment.columns["number"].values
        numbers += (column if view.deleted is None else column[~view.deleted]).tolist()
    assert len(numbers) == len(set(numbers)) * snapshot.num_docs
    return numbers[0]


def follow(path: str, last: int) -> None:
    seen = []
    with Store.open(path, read_only=True) as store:
        while not seen or seen[-1] < last:
            store.refresh()
            seen.append(batch_of(store.snapshot()))
    assert seen == sorted(seen)
    print("saw", len(set(seen)), flush=True)


def read(path: str, last: str) -> None:
    children = []
    for _ in range(READERS):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                follow(path, int(last))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


def nobody(folder: str) -> None:
    """folder: holds the collections "closed" and "crashed"."""
    with tempfile.TemporaryDirectory() as own:  # load what this takes now: nobody may be unable to read the interpreter
        shutil.copytree(Path(folder, "closed"), Path(own, "c"))
        with Store.open(Path(own, "c"), read_only=True) as store:
            len(store)
        verify(Path(own, "c"))
    if os.getuid() == 0:
        os.setuid(NOBODY)
    path = Path(folder)

    def attempt(what: str, action: Callable[[], object]) -> None:
        try:
            print(f"{what}: {action()}")
        except AlicornError as error:
            print(f"{what}: {type(error).__name__}: {error}")

    def length() -> int:
        with Store.open(path / "closed", read_only=True) as store:
            return len(store)

    def backup() -> None:
        with Store.open(path / "closed", read_only=True) as store:
            store.backup(path / "backup")

    attempt("read", length)
    attempt("verify", lambda: verify(path / "closed").num_files)
    attempt("write", lambda: Store.open(path / "closed"))
    attempt("crashed", lambda: Store.open(path / "crashed", read_only=True))
    attempt("create", lambda: Store.create(path / "new"))
    attempt("backup", backup)


def write(path: str) -> None:
    try:
        Store.open(path)
    except AlicornError as error:
        print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    logging.getLogger("alicorn").setLevel(logging.ERROR)  # that it compiles may be said here, and is no error
    {"read": read, "write": write, "nobody": nobody}[sys.argv[1]](*sys.argv[2:])
