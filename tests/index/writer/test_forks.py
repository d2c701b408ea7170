"""A collection in a forked child: it is searched or refused, and nothing that its parent holds is touched."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from forked import in_child

from alicorn.errors import CollectionError
from alicorn.index import Store, verify
from alicorn.index.writer import maintenance, rewriting


def batch(*doc_ids: str) -> pa.Table:
    return pa.table({"doc_id": doc_ids, "embedding:v": [[1.0, 2.0]] * len(doc_ids)})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Documents in a segment and in the journal."""
    with Store.create(tmp_path / "c", embeddings={"v": 2}) as store:
        store.upsert(batch("a", "b"))
        store.flush()
        store.upsert(batch("c"))
        yield store


def is_locked(path: Path) -> bool:
    try:
        Store.open(path).close()
    except CollectionError as error:
        return "open for writing elsewhere" in str(error)
    return False


def test_a_child_reads_what_was_there_at_the_fork(store: Store) -> None:
    assert in_child(lambda: (len(store), store.get("c"), store.embeddings, store.metadata)) == str(
        (3, store.get("c"), {"v": 2}, {})
    )


def test_a_child_is_refused_with_the_reason_and_harms_nothing(store: Store) -> None:
    refused = (
        lambda: store.upsert(batch("x")),
        lambda: store.delete(["a"]),
        store.flush,
        store.merge,
        store.train,
        lambda: store.set_metadata({}),
        store.refresh,
        store.verify,
        lambda: store.backup(store.path.with_name("b")),
    )
    for work in refused:
        said = in_child(work)
        assert said.startswith("CollectionError: "), said
        assert f"was opened by process {os.getpid()}" in said
        assert "open it in a spawned one" in said
    assert "open for writing elsewhere" in in_child(lambda: Store.open(store.path))
    for work in (lambda: Store.open(store.path, read_only=True), lambda: verify(store.path)):
        assert "SQLite does not survive a fork" in in_child(work)
    store.upsert(batch("d"))
    store.verify()


@pytest.mark.parametrize("how", ["close", "with", "drop", "exit"])
def test_the_end_of_a_child_leaves_the_parent_its_lock_and_its_log(store: Store, how: str) -> None:
    def end() -> str:
        if how == "close":
            store.close()
        elif how == "with":
            with store:
                pass
        elif how == "drop":
            vars(store).clear()
            gc.collect()
        else:
            sys.exit(0)
        return "done"

    log = store.path / "manifest.sqlite-wal"
    before = log.read_bytes()
    in_child(end)
    assert log.read_bytes() == before
    assert is_locked(store.path)
    store.upsert(batch("d"))
    store.flush()
    store.close()
    verify(store.path)
    with Store.open(store.path) as again:
        assert len(again) == 4


def test_a_child_does_not_keep_the_lock_of_a_parent_that_has_closed(store: Store) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(writing)
            os.read(reading, 1)  # until the parent closes its end
        finally:
            os._exit(0)
    store.close()
    assert not is_locked(store.path)
    os.close(writing), os.close(reading)
    os.waitpid(child, 0)


def test_a_fork_while_others_write_never_hangs_the_child(store: Store) -> None:
    """The lock of the store and the worker's may be held at the fork: the child touches neither."""
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            store.upsert(batch(f"w{number % 7}"))
            number += 1
            if number % 10 == 0:
                store.flush()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()

    def use() -> str:
        assert len(store) >= 3
        with pytest.raises(CollectionError, match="forked"):
            store.upsert(batch("x"))
        store.close()
        return "well"

    for _ in range(20):
        assert in_child(use, 20) == "well"
    done.set()
    for writer in writers:
        writer.join()
    store.verify()


def test_a_child_may_have_collections_of_its_own(store: Store, tmp_path: Path) -> None:
    def use() -> int:
        with Store.create(tmp_path / "own", embeddings={"v": 2}) as own:
            own.upsert(batch("a", "b", "c", "d"))
            own.train(num_clusters=2)
        with Store.open(tmp_path / "own") as own:
            return len(own)

    assert in_child(use) == "4"
    with Store.open(tmp_path / "own") as own:
        assert len(own) == 4


def test_a_collection_is_neither_pickled_nor_copied(store: Store) -> None:
    for send in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(CollectionError, match="cannot be sent to another process: open it there"):
            send(store)


def test_a_dropped_collection_can_be_opened_again(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "c", embeddings={"v": 2})
    store.upsert(batch("a"))
    store.itself = store  # as a notebook's history does
    del store
    gc.collect()
    with Store.open(tmp_path / "c") as again:
        assert len(again) == 1
    assert not (tmp_path / "c" / "manifest.sqlite-wal").exists()  # it was closed, not left


def test_a_collection_that_is_dropped_while_it_is_flushed_can_be_opened_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 3)
    reached, go_on = threading.Event(), threading.Event()
    real = rewriting.write_segment

    def slowly(*arguments: object) -> str:
        reached.set()
        go_on.wait(20)
        return real(*arguments)

    monkeypatch.setattr(rewriting, "write_segment", slowly)
    store = Store.create(tmp_path / "c", embeddings={"v": 2})
    store.upsert(batch("a", "b"))
    store.upsert(batch("c", "d"))
    assert reached.wait(20)
    threading.Timer(0.2, go_on.set).start()
    del store  # waits for the worker
    with Store.open(tmp_path / "c") as again:
        assert len(again) == 4


def test_a_collection_that_its_worker_collects_is_closed_by_a_thread_of_its_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 3)
    dropped, collected = threading.Event(), threading.Event()
    real = rewriting.write_segment

    def collecting(*arguments: object) -> str:
        dropped.wait(20)
        gc.collect()
        collected.set()
        return real(*arguments)

    monkeypatch.setattr(rewriting, "write_segment", collecting)
    gc.disable()
    try:
        store = Store.create(tmp_path / "c", embeddings={"v": 2})
        store.itself = store
        store.upsert(batch("a", "b"))
        store.upsert(batch("c", "d"))
        del store
        dropped.set()
        assert collected.wait(20)
    finally:
        gc.enable()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(20)
    with Store.open(tmp_path / "c") as again:
        assert len(again) == 4


def test_a_relative_path_means_the_folder_of_its_opening(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Store.create("c", embeddings={"v": 2}) as store:
        store.upsert(batch("a", "b"))
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.flush(), store.train(num_clusters=2), store.merge(), store.verify()
        store.set_metadata({"a": 1})
        store.backup(tmp_path / "b")
        monkeypatch.chdir(tmp_path)
        with Store.open("c", read_only=True) as reader:
            monkeypatch.chdir(tmp_path / "elsewhere")
            store.upsert(batch("c"))
            store.merge()
            assert reader.refresh()
            assert len(reader) == 3
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_script_that_ends_without_closing_leaves_a_closed_collection(tmp_path: Path) -> None:
    script = f"""
import pyarrow as pa
from alicorn.index import Store
store = Store.create({str(tmp_path / "c")!r})
store.upsert(pa.table({{"doc_id": ["a"]}}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "c" / "manifest.sqlite-wal").exists()
