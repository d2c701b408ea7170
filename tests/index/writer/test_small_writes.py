"""Files and memory stay small under many small writes, while the collection is open and after. Of maintenance.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from alicorn.index import Store
from alicorn.index.durability import journal
from alicorn.index.durability.seal import PAGE_SIZE
from alicorn.index.writer import maintenance

LOG, DEAD = 400_000, 100_000  # bytes; in use 8 and 4 MiB


def row(number: int, size: int) -> pa.Table:
    return pa.table({"doc_id": [f"d{number % 10}"], "embedding:v": [[1.0, number]], "body": ["x" * size]})


KINDS: dict[str, Callable[[Store, int], object]] = {
    "upserts": lambda store, number: store.upsert(row(number, 10)),
    "upserts of large documents": lambda store, number: store.upsert(row(number, 20_000)),
    "upserts and deletes": lambda store, number: store.apply(row(number, 10), [f"d{(number + 1) % 10}"]),
    "metadata": lambda store, number: store.set_metadata({"number": number}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_memory_stay_small(tmp_path: Path, monkeypatch, kind: str) -> None:
    monkeypatch.setattr(journal, "CHECKPOINT_BYTES", LOG)
    monkeypatch.setattr(maintenance, "DEAD_BYTES", DEAD)
    live = 10 * row(0, 20_000 if "large" in kind else 10).nbytes
    largest: dict[str, int] = {}
    with Store.create(tmp_path / "c", embeddings={"v": 2}) as store:
        for number in range(300):
            KINDS[kind](store, number)
            for file in store.path.glob("manifest.*"):
                largest[file.name] = max(largest.get(file.name, 0), file.stat().st_size)
            held = sum(view.segment.nbytes for view in store.snapshot().segments)
            assert held <= 13 * (live + 20_000)  # segments in memory, of which one document each lives at worst
        store.flush()
        assert len(store) == {"metadata": 0, "upserts and deletes": 9}.get(kind, 10)
    allowed = maintenance.MAX_BACKLOG * (DEAD + (1 + maintenance.DEAD_SHARE) * live)
    assert largest["manifest.sqlite"] <= allowed + 40 * PAGE_SIZE
    assert largest["manifest.sqlite-wal"] <= 2 * LOG + allowed
    files = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert files <= allowed + 2 * live + 60 * PAGE_SIZE


def test_without_the_bounds_they_would_not(tmp_path: Path) -> None:
    """What the test above would have to notice."""
    with Store.create(tmp_path / "c", embeddings={"v": 2}) as store:
        for number in range(100):
            store.upsert(row(number, 10))
        assert (store.path / "manifest.sqlite-wal").stat().st_size > 2 * LOG
