"""A process that writes to a collection until it is killed; started by crash_harness.py.

Reads lines of JSON, see Order; for each it forks a child that runs operation after operation, and prints the child's
process id, then how it ended. The child notes `begin n` before and `end n` after each operation.
"""

from __future__ import annotations

import collections
import json
import os
import signal
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from alicorn.index import Store
from alicorn.index.durability import failpoints, journal
from alicorn.index.writer import maintenance, training

DIM = 4
KINDS = {  # and how often
    "upsert": 0.26,
    "update": 0.1,
    "bulk": 0.1,
    "apply": 0.1,
    "delete": 0.2,
    "flush": 0.06,
    "merge": 0.04,
    "train": 0.04,
    "metadata": 0.04,
    "key": 0.04,
    "positions": 0.02,
}
OPERATIONS = 60  # a child that is not killed before ends after so many


@dataclass(frozen=True)
class Order:
    """first: the number of the first operation; failpoint: where the child kills itself, at the count-th time;
    stored: how a new collection keeps its vectors."""

    path: str
    log: str
    first: int
    failpoint: str | None = None
    count: int = 1
    stored: str = "float32"


def operation(number: int) -> tuple[str, list[str], list[str]]:
    """What operation `number` does, and which documents it adds or updates, and deletes: the same in the writer and the
    harness."""
    rng = np.random.default_rng(number)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    size = int(rng.integers(1, 12)) if kind in ("upsert", "update", "bulk", "apply", "delete") else 0
    doc_ids = [f"d{i}" for i in rng.choice(60, size, replace=False)]
    added = {"delete": 0, "apply": (size + 1) // 2}.get(kind, size)
    return kind, sorted(doc_ids[:added]), sorted(doc_ids[added:])


def table(number: int, doc_ids: list[str]) -> pa.Table:
    vectors = np.random.default_rng(number).normal(size=(len(doc_ids), DIM))
    return pa.table(
        {
            "doc_id": doc_ids,
            "terms": [[f"op:{number}", "word:a"]] * len(doc_ids),
            "term_positions": [[number, 0]] * len(doc_ids),
            "embedding:v": list(vectors),
            "number": [number] * len(doc_ids),
            "upserted": [number] * len(doc_ids),
        }
    )


def created(path: str, stored: str) -> Store:
    return Store.create(path, {"v": {"dim": DIM, "stored": stored}}, positions=["op"])


def make_everything_frequent() -> None:
    """Flushes, merges, training and checkpoints after a few documents, in the background too."""
    maintenance.FLUSH_DOCS = 25
    maintenance.FLUSH_OPERATIONS = 15
    maintenance.RECODED_DOCS = 3
    journal.CHECKPOINT_BYTES = 10_000
    training.should_train = lambda count, last: count >= 30 and not last


def write(order: Order) -> None:
    notes = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    make_everything_frequent()
    reached: collections.Counter[str] = collections.Counter()

    def at(name: str) -> None:
        reached[name] += 1
        if order.failpoint is None:
            os.write(notes, f"reach {name}\n".encode())
        elif name == order.failpoint and reached[name] == order.count:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.armed = at
    store = created(order.path, order.stored) if order.first == 0 else Store.open(order.path)
    for number in range(order.first, order.first + OPERATIONS):
        kind, added, deleted = operation(number)
        os.write(notes, f"begin {number}\n".encode())
        maintenance.FLUSH_DOCS = 1 if kind == "bulk" or (kind == "apply" and number % 2) else 25
        if kind in ("upsert", "bulk"):
            store.upsert(table(number, added))
        elif kind == "update":
            store.update(table(number, added).drop_columns(["embedding:v", "upserted"]))
        elif kind == "apply":
            store.apply(table(number, added), deleted)
        elif kind == "delete":
            store.delete(deleted)
        elif kind == "train":
            store.train(num_clusters=3)
        elif kind == "key":
            store.drop(keys=["w"]) if "w" in store.embeddings else store.add_key("w", 3)
        elif kind == "positions":
            store.drop(positions=["word"]) if "word" in store.positions else store.add_positions(["word"])
        elif kind == "metadata":
            store.set_metadata({"number": number})
        else:
            getattr(store, kind)()
        os.write(notes, f"end {number}\n".encode())
    store.close()
    os._exit(0)


if __name__ == "__main__":
    for line in sys.stdin:
        order = Order(**json.loads(line))
        child = os.fork()
        if child == 0:
            try:
                write(order)
            finally:
                os._exit(1)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
