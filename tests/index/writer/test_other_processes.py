"""One writer and many readers, in processes of their own; folders that may not be written. Of index/writer/store.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from index_tables import abandon
from reader_process import READERS

from alicorn.errors import CollectionError
from alicorn.index import Store
from alicorn.index.writer import maintenance

NUM_DOCS = 20


def batch(number: int) -> pa.Table:
    ids = [f"d{i}" for i in range(NUM_DOCS)]
    return pa.table({"doc_id": ids, "number": [number] * NUM_DOCS, "embedding:v": [[1.0, float(number)]] * NUM_DOCS})


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).parents[1] / "reader_process.py"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_other_processes_read_whole_batches_and_none_comes_in_to_write(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 90)
    last = 60
    with Store.create(tmp_path / "c", embeddings={"v": 2}) as store:
        store.upsert(batch(0))
        with start("read", store.path, last) as readers, start("write", store.path) as second:
            for number in range(1, last + 1):
                store.upsert(batch(number))
                if number % 20 == 0:
                    store.merge()
                if number % 30 == 0:
                    store.train(num_clusters=2)
            refused, _ = second.communicate(timeout=60)
            seen, errors = readers.communicate(timeout=60)
        assert (readers.returncode, errors) == (0, "")
        assert len(seen.splitlines()) == READERS
        assert f"open for writing elsewhere (process {os.getpid()})" in refused
        assert "close it there, or open it here with read_only=True" in refused
        store.verify()


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_a_reader_of_one_writer_sees_what_the_next_one_writes(tmp_path: Path, how: str) -> None:
    store = Store.create(tmp_path / "c", embeddings={"v": 2})
    store.upsert(batch(0))
    with Store.open(tmp_path / "c", read_only=True) as reader:
        if how == "closed":
            store.close()
        else:
            abandon(store)
        for number in range(1, 4):
            with Store.open(tmp_path / "c") as again:
                again.upsert(batch(number))
                if number == 2:
                    again.flush()
            assert reader.refresh()
            assert reader.get("d1")["number"] == number
            reader.verify()


def test_a_folder_that_may_not_be_written_is_read_and_told_about(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    with Store.create(folder / "closed", embeddings={"v": 2}) as store:
        store.upsert(batch(0))
        store.flush()
        store.upsert(batch(1))
        shutil.copytree(folder / "closed", folder / "crashed", ignore=shutil.ignore_patterns("*-shm"))
    tmp_path.chmod(0o755)
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        with start("nobody", folder) as process:
            out, errors = process.communicate(timeout=60)
    finally:
        for place in (folder, *folder.rglob("*")):
            place.chmod(0o755 if place.is_dir() else 0o644)
    assert errors == ""
    results = dict(line.split(": ", 1) for line in out.splitlines())
    assert results["read"] == "20"
    assert results["verify"] == "4"
    assert results["write"] == (
        f"CollectionError: {folder}/closed cannot be opened for writing: Permission denied; open it with read_only=True"
    )
    assert "a collection cannot be created here: Permission denied" in results["create"]
    assert (
        f"{folder}/backup cannot be written: Permission denied; check free space and permissions" in results["backup"]
    )
    assert "CollectionError" in results["crashed"]
    assert "was not closed" in results["crashed"]


def test_a_folder_that_may_not_be_written_any_more_loses_nothing(tmp_path: Path, monkeypatch) -> None:
    """Also as root, whom permissions do not hold back: the system's calls fail."""
    with Store.create(tmp_path / "c", embeddings={"v": 2}) as store:
        store.upsert(batch(0))
        with monkeypatch.context() as patch:

            def read_only(*_: object, **__: object) -> None:
                raise OSError(30, "Read-only file system")

            patch.setattr(Path, "open", read_only)
            for write in (store.flush, store.merge):
                with pytest.raises(CollectionError, match=r"cannot be written: Read-only file system"):
                    write()
        assert store.get("d1")["number"] == 0
        store.upsert(batch(1))
        store.flush()
        assert store.get("d1")["number"] == 1
