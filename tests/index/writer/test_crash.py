"""Acknowledged means kept: a writer killed at any moment loses nothing it acknowledged, and leaves no half batch.

Thousands of cycles: `python benchmarks/engine/crash.py --cycles 5000`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_harness import Writers, crash, failpoints


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    with Writers() as writers:
        yield writers


def test_a_killed_writer_keeps_what_it_acknowledged(writers, tmp_path: Path) -> None:
    record = crash(writers, tmp_path, cycles=26, seed=1)  # float32, float16 and codes
    assert record.killed.total() > 9
    assert record.acknowledged > 100


def test_every_fsync_rename_and_commit_is_a_failpoint(writers, tmp_path: Path) -> None:
    steps = {
        "fsync segment",
        "fsync folder of segment",
        "fsync quantizers",
        "fsync folder of quantizers",
        "fsync folder of collection",
        "fsync seal",
        "rename seal",
        "fsync folder of seal",
        "fsync mark",
        "rename manifest",
        "fsync folder of manifest",
        "commit operation",
        "commit swap",
        "commit metadata",
        "commit schema",
        "checkpoint",
    }
    creating, writing = failpoints(writers, tmp_path)
    assert {*creating, *writing} == {f"{side} {step}" for step in steps for side in ("before", "after")}


@pytest.mark.slow
def test_three_hundred_kills(writers, tmp_path: Path) -> None:
    record = crash(writers, tmp_path, cycles=450, seed=2)
    assert record.killed.total() >= 300
    assert len(record.killed) == 33  # every failpoint, and any moment
    assert record.acknowledged > 3_000
