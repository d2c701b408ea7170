"""Readers never see half a batch, in this process or through the files, whatever the writer does."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa

from alicorn.index import Snapshot, Store

NUM_DOCS = 20
ROUNDS = 60


def batch(number: int) -> pa.Table:
    ids = [f"d{i}" for i in range(NUM_DOCS)]
    return pa.table({"doc_id": ids, "number": [number] * NUM_DOCS, "embedding:v": [[1.0, float(number)]] * NUM_DOCS})


def number_of(snapshot: Snapshot) -> int:
    """The batch that the snapshot shows: all of it, and nothing else."""
    numbers = []
    for view in snapshot.segments:
        column = view.segment.columns["number"].values
        numbers += (column if view.deleted is None else column[~view.deleted]).tolist()
    assert len(numbers) == snapshot.num_docs == NUM_DOCS
    [number] = set(numbers)
    return number


def test_readers_see_whole_batches_while_a_writer_works(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "c", embeddings={"v": 2})
    store.upsert(batch(0))
    reader = Store.open(tmp_path / "c", read_only=True)
    done = threading.Event()
    seen: dict[str, list[int]] = {"memory": [], "files": []}
    failures: list[BaseException] = []

    def watch(name: str) -> None:
        try:
            while not done.wait(0.001):  # without a pause, two readers keep the interpreter's lock from the writer
                if name == "files":
                    reader.refresh()
                seen[name].append(number_of((reader if name == "files" else store).snapshot()))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=watch, args=(name,)) for name in seen]
    for thread in threads:
        thread.start()
    for number in range(1, ROUNDS):
        store.upsert(batch(number))
        if number % 5 == 0:
            store.flush()
        if number % 13 == 0:
            store.merge()
        if number % 29 == 0:
            store.train(num_clusters=2)
    done.set()
    for thread in threads:
        thread.join()
    reader.refresh()
    assert not failures
    assert number_of(reader.snapshot()) == number_of(store.snapshot()) == ROUNDS - 1
    for numbers in seen.values():
        assert numbers == sorted(numbers)
        assert len(set(numbers)) > 1
    store.close()
    reader.close()
