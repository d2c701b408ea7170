"""Segments are written in the background: nobody waits, nothing is lost, failures are told."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import CollectionError
from alicorn.index import Store
from alicorn.index.writer import maintenance, rewriting

DIM = 4


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "c", embeddings={"v": DIM}) as store:
        yield store


def add(store: Store, ids: list[str], number: int) -> dict[str, int]:
    vectors = np.random.default_rng(number).normal(size=(len(ids), DIM))
    store.upsert(pa.table({"doc_id": ids, "number": [number] * len(ids), "embedding:v": list(vectors)}))
    return dict.fromkeys(ids, number)


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(count)]


def contents(store: Store) -> dict[str, int]:
    found: dict[str, int] = {}
    for view in store.snapshot().segments:
        assert view.segment.embeddings["v"].quantizer is store.snapshot().quantizers["v"]
        for row, (doc_id, number) in enumerate(
            zip(view.segment.doc_ids.to_pylist(), view.segment.columns["number"].values.tolist(), strict=True)
        ):
            if view.deleted is None or not view.deleted[row]:
                assert doc_id not in found
                found[doc_id] = number
    assert len(store) == len(found)
    return found


def until_idle(store: Store) -> None:
    deadline = time.monotonic() + 20
    while store._maintenance._worker.busy:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def on_disk(store: Store) -> int:
    return sum(view.num_live for view in store.snapshot().segments if view.segment.name)


class Gate:
    """A step of a rewriting that waits until the test opens it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: object, name: str) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        real = getattr(target, name)

        def step(*arguments: object) -> object:
            self.reached.set()
            assert self.opened.wait(20)
            return real(*arguments)

        monkeypatch.setattr(target, name, step)


def test_a_full_mutable_layer_is_flushed_while_writing_goes_on(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 50)
    gate = Gate(monkeypatch, rewriting, "write_segment")
    model = {}
    for batch in range(6):
        model |= add(store, names(f"b{batch}-", 10), batch)
    assert gate.reached.wait(20)
    model |= add(store, ["b0-1", "new"], 100)  # one of them is being written
    store.delete(["b1-1", "b1-2", "new2"])
    del model["b1-1"], model["b1-2"]
    assert on_disk(store) == 0
    assert contents(store) == model
    gate.opened.set()
    until_idle(store)
    assert on_disk(store) > 40
    assert contents(store) == model
    store.close()
    with Store.open(store.path) as again:
        assert contents(again) == model


def test_a_merge_and_a_reader_see_what_was_deleted_meanwhile(store: Store, monkeypatch) -> None:
    model = {}
    for batch in range(4):
        model |= add(store, names(f"b{batch}-", 10), batch)
        store.flush()
    gate = Gate(monkeypatch, rewriting, "open_segment")
    merging = threading.Thread(target=store.merge)
    merging.start()
    assert gate.reached.wait(20)
    store.delete(names("b2-", 10))
    model = {doc_id: at for doc_id, at in model.items() if not doc_id.startswith("b2-")}
    model |= add(store, names("b0-", 5), 9)
    assert contents(store) == model
    with Store.open(store.path, read_only=True) as reader:
        assert contents(reader) == model
        gate.opened.set()
        merging.join()
        [merged, memory] = store.snapshot().segments
        assert (merged.num_live, memory.num_live) == (25, 5)
        assert contents(store) == model
        assert reader.refresh()
        assert contents(reader) == model
    assert [file.stem for file in (store.path / "segments").iterdir()] == [merged.segment.name]


def test_documents_that_arrive_during_training_get_its_codes(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "RECODED_DOCS", 5)
    model = add(store, names("d", 40), 1)
    gate = Gate(monkeypatch, rewriting.training_rules, "train")
    training = threading.Thread(target=store.train, args=(3,))
    training.start()
    assert gate.reached.wait(20)
    model |= add(store, names("d", 10), 2)
    model |= add(store, names("e", 10), 3)
    store.delete(["d20", "e1"])
    del model["d20"], model["e1"]
    gate.opened.set()
    training.join()
    assert store.snapshot().quantizers["v"].num_clusters == 3
    assert contents(store) == model
    assert on_disk(store) == len(model)
    model |= add(store, names("f", 3), 4)
    gate.opened.clear(), gate.reached.clear()
    training = threading.Thread(target=store.train, args=(2,))
    training.start()
    assert gate.reached.wait(20)
    model |= add(store, names("g", 4), 5)  # so few are coded in memory
    gate.opened.set()
    training.join()
    assert contents(store) == model
    assert on_disk(store) == len(model) - 4
    store.close()
    with Store.open(store.path) as again:
        assert contents(again) == model


def test_a_writer_waits_when_too_much_is_in_memory(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 20)
    gate = Gate(monkeypatch, rewriting, "write_segment")
    written = []

    def write() -> None:
        for batch in range(20):
            add(store, names(f"b{batch}-", 10), batch)
            written.append(batch)

    writer = threading.Thread(target=write)
    writer.start()
    assert gate.reached.wait(20)
    while len(written) < 8:
        time.sleep(0.005)
    time.sleep(0.1)
    assert len(written) == 8  # MAX_BACKLOG * 20 documents
    assert len(store) == 80  # readers do not wait
    gate.opened.set()
    writer.join()
    assert len(store) == 200


def test_the_next_write_tells_what_failed_and_the_one_after_goes_on(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 20)
    model = add(store, names("a", 15), 1)
    with monkeypatch.context() as patch:

        def full(*_: object) -> str:
            raise OSError(28, "No space left on device")

        patch.setattr(rewriting, "write_segment", full)
        model |= add(store, names("b", 15), 2)
        until_idle(store)
        with pytest.raises(CollectionError, match=r"background failed.*nothing acknowledged is lost.*No space left"):
            add(store, names("c", 1), 3)
        assert contents(store) == model
        store.delete(["a1"])  # carried out, and the worker tries again
        del model["a1"]
        until_idle(store)
        with pytest.raises(CollectionError, match="No space left"):
            store.delete(["a2"])
        with pytest.raises(CollectionError, match="No space left"):
            store.flush()
    assert list(store.path.glob("segments/*")) == []
    model |= add(store, names("c", 5), 3)
    until_idle(store)
    assert on_disk(store) >= 29
    assert contents(store) == model


def test_closing_abandons_what_the_worker_does(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 20)
    gate = Gate(monkeypatch, rewriting, "write_segment")
    model = add(store, names("a", 15), 1) | add(store, names("b", 15), 2)
    assert gate.reached.wait(20)
    closing = threading.Thread(target=store.close)
    closing.start()
    while not store._maintenance._worker.abandoned.is_set():
        time.sleep(0.001)
    gate.opened.set()
    closing.join()
    assert list(store.path.glob("segments/*")) == []
    with Store.open(store.path) as again:
        assert on_disk(again) == 0
        assert contents(again) == model


def test_closing_in_another_thread_ends_a_flush_with_a_clear_error(store: Store, monkeypatch) -> None:
    gate = Gate(monkeypatch, rewriting, "write_segment")
    add(store, names("a", 15), 1)
    failures = []

    def flush() -> None:
        try:
            store.flush()
        except CollectionError as error:
            failures.append(str(error))

    flushing = threading.Thread(target=flush)
    flushing.start()
    assert gate.reached.wait(20)
    closing = threading.Thread(target=store.close)
    closing.start()
    while not store._maintenance._worker.abandoned.is_set():
        time.sleep(0.001)
    gate.opened.set()
    flushing.join(), closing.join()
    assert len(failures) == 1
    assert "closed during this call" in failures[0]


def test_training_comes_by_itself_after_a_bulk_load(store: Store, monkeypatch) -> None:
    monkeypatch.setattr("alicorn.index.writer.training.should_train", lambda count, last: count >= max(40, 4 * last))
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 30)
    model = add(store, names("a", 50), 1)
    until_idle(store)
    assert store.snapshot().quantizers["v"].version > 0
    assert contents(store) == model


def test_segments_of_bulk_loads_are_merged_by_themselves(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 5)
    model = {}
    for batch in range(30):
        model |= add(store, names(f"b{batch}-", 6), batch)
    until_idle(store)
    assert len(store.snapshot().segments) <= 12
    assert contents(store) == model


def test_an_idle_collection_has_no_thread(store: Store) -> None:
    before = threading.active_count()
    add(store, names("a", 10), 1)
    store.flush()
    assert threading.active_count() == before


def test_a_script_that_forgets_to_close_ends_at_once_and_loses_nothing(tmp_path: Path) -> None:
    script = f"""
import time
import numpy as np, pyarrow as pa
from alicorn.index import Store
from alicorn.index.writer import maintenance, rewriting
real = rewriting.write_segment
maintenance.FLUSH_DOCS = 20
rewriting.write_segment = lambda *a: (time.sleep(0.3), real(*a))[1]
store = Store.create({str(tmp_path / "c")!r}, embeddings={{"v": 4}})
for batch in range(6):
    store.upsert(pa.table({{"doc_id": [f"{{batch}}-{{i}}" for i in range(10)], "number": [batch] * 10}}))
assert store._maintenance._worker.busy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    with Store.open(tmp_path / "c") as store:
        assert len(store) == 60
