"""Acknowledged means kept: a writer killed at any moment loses nothing it acknowledged, and leaves no half batch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from crash_writer import DIM, operation

from alicorn.index import Store


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("crash_writer.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def applied(model: dict[str, int], number: int) -> dict[str, int]:
    """doc_id -> the operation that wrote it, after one more operation."""
    kind, doc_ids = operation(number)
    if kind in ("upsert", "bulk"):
        return model | dict.fromkeys(doc_ids, number)
    if kind == "delete":
        return {doc_id: at for doc_id, at in model.items() if doc_id not in doc_ids}
    return model


def contents(store: Store) -> dict[str, int]:
    found: dict[str, int] = {}
    for view in store.snapshot().segments:
        for number, row in enumerate(view.segment.stored.to_pylist()):
            if view.deleted is None or not view.deleted[number]:
                assert row["doc_id"] not in found
                assert row["terms"] == [f"op:{row['number']}"]
                found[row["doc_id"]] = row["number"]
    assert len(store) == len(found)
    return found


def run_until_killed(
    server: subprocess.Popen[str], path: Path, log: Path, first: int, seconds: float, *, opening: bool
) -> None:
    """Kill it `seconds` after it began its first operation, or, with `opening`, after it was started."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{path} {log} {first}\n")
    server.stdin.flush()
    child = int(server.stdout.readline())
    while not opening and not log.stat().st_size:
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert server.stdout.readline() == "ended\n"


def crash_and_compare(server: subprocess.Popen[str], folder: Path, cycles: int, seed: int) -> int:
    """-> how many operations were acknowledged over all cycles."""
    rng = np.random.default_rng(seed)
    path, log = folder / "c", folder / "log"
    Store.create(path, embeddings={"v": DIM}).close()
    model: dict[str, int] = {}
    acknowledged = first = 0
    for cycle in range(cycles):
        log.write_bytes(b"")
        run_until_killed(server, path, log, first, float(rng.uniform(0.0, 0.2)), opening=cycle % 5 == 4)
        notes = [line.split() for line in log.read_text().splitlines()]
        for note, number in notes:
            if note == "end":
                model = applied(model, int(number))
                acknowledged += 1
        allowed = [model]
        if notes and notes[-1][0] == "begin":  # begun, not acknowledged: all of it or nothing
            allowed.append(applied(model, int(notes[-1][1])))
        first = int(notes[-1][1]) + 1 if notes else first
        with Store.open(path) as store:
            store.verify()
            model = contents(store)
            assert model in allowed
    return acknowledged


def test_a_killed_writer_keeps_what_it_acknowledged(server, tmp_path: Path) -> None:
    assert crash_and_compare(server, tmp_path, cycles=10, seed=1) > 10


@pytest.mark.slow
def test_three_hundred_kills(server, tmp_path: Path) -> None:
    assert crash_and_compare(server, tmp_path, cycles=300, seed=2) > 1_000
