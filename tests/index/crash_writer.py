"""A process that writes to a collection until it is killed; started by test_crash.py.

Reads lines `<collection> <log> <first operation>`; for each it forks a child that runs operation after operation, and
prints the child's process id, then `ended`. The child notes `begin n` before and `end n` after each operation.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import pyarrow as pa

from alicorn.index import Store, maintenance

DIM = 4


def operation(number: int) -> tuple[str, list[str]]:
    """What operation `number` does, and to which documents: the same in the writer and in the test."""
    rng = np.random.default_rng(number)
    kind = str(rng.choice(["upsert", "bulk", "delete", "flush", "merge", "train"], p=[0.5, 0.1, 0.2, 0.1, 0.05, 0.05]))
    size = int(rng.integers(1, 12)) if kind in ("upsert", "bulk", "delete") else 0
    return kind, [f"d{i}" for i in sorted(rng.choice(60, size, replace=False))]


def table(number: int, doc_ids: list[str]) -> pa.Table:
    vectors = np.random.default_rng(number).normal(size=(len(doc_ids), DIM))
    return pa.table(
        {
            "doc_id": doc_ids,
            "terms": [[f"op:{number}"]] * len(doc_ids),
            "embedding:v": list(vectors),
            "number": [number] * len(doc_ids),
        }
    )


def write(path: str, log: str, first: int) -> None:
    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    store = Store.open(path)
    maintenance.FLUSH_OPERATIONS = 15
    for number in range(first, first + 100_000):
        kind, doc_ids = operation(number)
        os.write(notes, f"begin {number}\n".encode())
        maintenance.FLUSH_DOCS = 1 if kind == "bulk" else 1_000
        if kind in ("upsert", "bulk"):
            store.upsert(table(number, doc_ids))
        elif kind == "delete":
            store.delete(doc_ids)
        elif kind == "train":
            store.train(num_clusters=3)
        else:
            getattr(store, kind)()
        os.write(notes, f"end {number}\n".encode())


if __name__ == "__main__":
    for line in sys.stdin:
        path, log, first = line.split()
        child = os.fork()
        if child == 0:
            write(path, log, int(first))
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
