"""Kills writers and compares what they leave with what they acknowledged.

A cycle lets crash_writer.py run operations on a collection that earlier cycles have left, until it is killed: by itself
at a named failpoint, or from here at a random moment. Then the collection is opened, verified and compared with the
notes of the writer, which are the outside record: every operation noted as ended must be there, the one that was begun
may be there as a whole, and nothing else.
"""

from __future__ import annotations

import collections
import functools
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from crash_writer import DIM, Order, created, operation, table

from alicorn.errors import CollectionError
from alicorn.index import Store
from alicorn.quantization import CODES, FLOAT16, STORED, Int8

CYCLES_OF_A_COLLECTION = 12
# doc_id -> the operations that wrote it last and that upserted it; the one that set the metadata; is there a key w; are
# the positions of word: kept?
Model = tuple[dict[str, tuple[int, int]], int | None, bool, bool]


@dataclass
class Record:
    """acknowledged: operations of all cycles; killed: failpoint, or "any moment", -> kills; ended: not killed."""

    acknowledged: int = 0
    killed: collections.Counter[str] = field(default_factory=collections.Counter)
    ended: int = 0


class Writers:
    """Forks a writer for each order: a cycle does not pay for the imports."""

    def __enter__(self) -> Writers:
        command = [sys.executable, str(Path(__file__).with_name("crash_writer.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self, order: Order, kill_after_s: float | None) -> int:
        """-> the exit code, -9 when it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            with suppress(ProcessLookupError):  # it had run all its operations
                os.kill(child, signal.SIGKILL)
        return int(self._process.stdout.readline())


def crash(writers: Writers, folder: Path, cycles: int, seed: int) -> Record:
    """Raises AssertionError, or what opening and verifying raise, for the first collection that is not as it must."""
    rng = np.random.default_rng(seed)
    record = Record()
    creating, writing = (itertools.cycle(names) for names in failpoints(writers, folder))
    for start in range(0, cycles, CYCLES_OF_A_COLLECTION):
        path = folder / f"c{start}"
        stored = STORED[start // CYCLES_OF_A_COLLECTION % len(STORED)]
        model: Model = ({}, None, False, False)
        first = 0
        for cycle in range(start, min(cycles, start + CYCLES_OF_A_COLLECTION)):
            (folder / "log").write_bytes(b"")
            order = Order(str(path), str(folder / "log"), first, "none", int(rng.choice([1, 1, 2, 4])), stored)
            wait = None
            if cycle == start:
                order = replace(order, failpoint=next(creating), count=1)
            elif cycle % 3 == 2:
                wait = float(rng.uniform(0.0, 0.15))
            else:
                order = replace(order, failpoint=next(writing))
            name = order.failpoint if wait is None else "any moment"
            code = writers.run(order, wait)
            if code == -signal.SIGKILL:
                record.killed[str(name)] += 1
            else:
                assert code == 0, f"cycle {cycle}, seed {seed}: the writer failed"
                record.ended += 1
            try:
                first, model, count = compare(path, folder / "log", first, model, stored)
            except Exception as error:
                error.add_note(f"seed {seed}, cycle {cycle}, killed at {name}, collection {path}")
                raise
            record.acknowledged += count
    return record


def failpoints(writers: Writers, folder: Path) -> tuple[list[str], list[str]]:
    """The names that a writer reaches: while it creates a collection, and afterwards; each sorted."""
    log = folder / "names"
    assert writers.run(Order(str(folder / "names-c"), str(log), 0), None) == 0
    creation, _, rest = log.read_text().partition("begin")
    return tuple(sorted(set(re.findall("(?m)^reach (.*)$", part))) for part in (creation, rest))  # type: ignore[return-value]


def compare(path: Path, log: Path, first: int, model: Model, stored: str) -> tuple[int, Model, int]:
    """-> the number of the next operation, what is there now, how many operations were acknowledged."""
    notes = [line.split() for line in log.read_text().splitlines()]
    acknowledged = 0
    for note, number in notes:
        if note == "end":
            model = applied(model, int(number))
            acknowledged += 1
    allowed = [model]
    if notes and notes[-1][0] == "begin":  # begun, not acknowledged: all of it or nothing
        allowed.append(applied(model, int(notes[-1][1])))
    try:
        store = Store.open(path)
    except CollectionError:
        if first or notes:
            raise
        store = created(str(path), stored)  # it was killed while it created the collection
    with store:
        store.verify()
        found = contents(store), store.metadata.get("number"), "w" in store.embeddings, "word" in store.positions
    assert found in allowed, f"acknowledged, but not found: {difference(allowed[0], found)}"
    return int(notes[-1][1]) + 1 if notes else max(first, 1), found, acknowledged


def applied(model: Model, number: int) -> Model:
    """After one more operation."""
    documents, metadata, has_key, has_word = model
    kind, added, deleted = operation(number)
    kept = {doc_id: at for doc_id, at in documents.items() if doc_id not in deleted}
    if kind == "update":
        changed = {doc_id: (number, documents[doc_id][1]) for doc_id in added if doc_id in documents}
    else:
        changed = dict.fromkeys(added, (number, number))
    metadata = number if kind == "metadata" else metadata
    return kept | changed, metadata, has_key != (kind == "key"), has_word != (kind == "positions")


def contents(store: Store) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    snapshot = store.snapshot()
    for view in snapshot.segments:
        block, positions = view.segment.embeddings["v"], view.segment.positioned_terms().positions
        assert block.quantizer is snapshot.quantizers["v"]
        assert list(view.segment.embeddings) == list(snapshot.quantizers) == list(store.embeddings)
        for number, row in enumerate(view.segment.stored.to_pylist()):
            if view.deleted is None or not view.deleted[number]:
                assert row["doc_id"] not in found
                assert row["terms"] == [f"op:{row['number']}", "word:a"]
                assert positions[2 * number : 2 * number + 2].tolist() == [row["number"], 0]
                vector = block.stored(block.rows_of[[number]])[0]
                np.testing.assert_array_equal(vector, written(row["upserted"], block.quantizer.stored)[row["doc_id"]])
                found[row["doc_id"]] = row["number"], row["upserted"]
    assert len(store) == len(found)
    return found


@functools.cache
def written(number: int, stored: str) -> dict[str, np.ndarray]:
    """doc_id -> the vector that operation `number` gave it, as it is to be kept."""
    _, doc_ids, _ = operation(number)
    raw = np.array(table(number, doc_ids).column("embedding:v").to_pylist())
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    if stored == CODES:
        vectors = Int8(DIM).decode(Int8(DIM).encode(vectors))
    if stored == FLOAT16:
        vectors = vectors.astype(np.float16).astype(np.float32)
    return dict(zip(doc_ids, vectors, strict=True))


def difference(expected: Model, found: Model) -> list[str]:
    both = expected[0].keys() | found[0].keys()
    return [
        f"{doc_id}: {expected[0].get(doc_id)} is now {found[0].get(doc_id)}"
        for doc_id in sorted(both)
        if expected[0].get(doc_id) != found[0].get(doc_id)
    ] + ([f"metadata, key, positions: {expected[1:]} is now {found[1:]}"] if expected[1:] != found[1:] else [])


def lines(record: Record) -> Iterator[str]:
    """The record as a Markdown table."""
    yield "| killed at | cycles |"
    yield "|---|---|"
    for name, count in sorted(record.killed.items()):
        yield f"| {name} | {count} |"
    yield f"| not killed: the writer ended before | {record.ended} |"
