"""From memory to segments: when batches are flushed, merged, rewritten and replayed."""

from __future__ import annotations

import os

import numpy as np
import pytest
from index_tables import assert_holds, documents, fill, table

from alicorn.errors import CollectionError
from alicorn.index import Store
from alicorn.index.writer import maintenance


def test_the_mutable_layer_is_flushed_when_it_grows_large(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 50)
    model = {}
    for batch in range(20):
        model |= fill(store, 12, seed=batch, prefix=f"b{batch}-")
        memory = sum(view.segment.num_docs for view in store.snapshot().segments if view.segment.name is None)
        assert memory <= maintenance.MAX_BACKLOG * 50
    store.flush()
    assert_holds(store, model)


def test_many_operations_are_flushed_too(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_OPERATIONS", 8)
    model = {}
    for batch in range(30):
        model |= fill(store, 1, seed=batch, prefix=f"b{batch}-")
        state = store._journal.state
        assert state.last - state.flushed <= maintenance.MAX_BACKLOG * 8
    assert_holds(store, model)


def test_segments_stay_few_on_disk(store: Store) -> None:
    model = {}
    for batch in range(30):
        model |= fill(store, 3, seed=batch, prefix=f"b{batch}-")
        store.flush()
        assert len(store.snapshot().segments) <= 12
    assert_holds(store, model)
    files = {file.stem for file in (store.path / "segments").iterdir()}
    assert files == {view.segment.name for view in store.snapshot().segments}


def test_a_segment_that_is_mostly_deleted_is_rewritten_at_the_next_flush(store: Store) -> None:
    model = fill(store, 20)
    store.flush()
    store.delete([f"d{i}" for i in range(15)])
    model = {doc_id: row for doc_id, row in model.items() if int(doc_id[1:]) >= 15}
    model |= fill(store, 1, seed=3, prefix="e")
    store.flush()
    assert [view.segment.num_docs for view in store.snapshot().segments] == [6]
    assert_holds(store, model)


def test_a_table_larger_than_a_segment_is_cut(store: Store, monkeypatch) -> None:
    monkeypatch.setattr("alicorn.index.writer.checks.documents.PIECE_BYTES", 4_000)
    monkeypatch.setattr("alicorn.index.writer.rewriting.PIECE_BYTES", 4_000)
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 100)
    model = fill(store, 200)
    assert len(store.snapshot().segments) > 2
    assert_holds(store, model)
    model |= fill(store, 150, seed=5)
    assert_holds(store, model)


def test_orphans_of_a_crash_are_removed_by_the_writer_only(store: Store) -> None:
    model = fill(store, 10)
    store.train(num_clusters=2)
    orphans = [store.path / "segments" / "00000099-0.zip", store.path / "quantizers" / "00000099.zip"]
    for orphan in orphans:
        orphan.write_bytes(b"x")
    with Store.open(store.path, read_only=True):
        assert all(orphan.exists() for orphan in orphans)
    store.close()
    with Store.open(store.path) as again:
        assert not any(orphan.exists() for orphan in orphans)
        assert_holds(again, model)


def test_a_flush_that_fails_leaves_the_collection_as_it_was(store: Store, monkeypatch) -> None:
    model = fill(store, 10)

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("alicorn.index.writer.rewriting.write_segment", full)
        with pytest.raises(CollectionError, match="No space left on device"):
            store.flush()
    assert_holds(store, model)
    model |= fill(store, 5, prefix="e")
    store.flush()
    assert_holds(store, model)


def test_a_commit_that_fails_changes_nothing(store: Store, monkeypatch) -> None:
    model = fill(store, 10)
    store.close()
    with Store.open(store.path) as again:
        again._journal._database.execute("PRAGMA max_page_count = 1")  # no page can be added: as on a full disk
        rows = documents(np.random.default_rng(7), [f"d{i}" for i in range(300)])
        with pytest.raises(CollectionError, match="full"):
            again.upsert(table(rows))
        assert_holds(again, model)
        again._journal._database.execute("PRAGMA max_page_count = 1000000")
        again.upsert(table(rows))
        assert_holds(again, {row["doc_id"]: row for row in rows})


def test_the_journal_is_replayed_as_one_segment(store: Store) -> None:
    model = {}
    for batch in range(40):
        model |= fill(store, 2, seed=batch, prefix=f"b{batch % 7}-")
    store.delete(["b0-1", "b3-0"])
    del model["b0-1"], model["b3-0"]
    store.close()
    with Store.open(store.path) as again:
        assert len(again.snapshot().segments) == 1
        assert again.snapshot().segments[0].deleted is None
        assert_holds(again, model)


def test_segments_keep_no_file_open(store: Store) -> None:
    """A dozen segments of 60 files would use up the usual limit of 1,024 open files."""
    before = len(os.listdir("/proc/self/fd"))
    for batch in range(8):
        fill(store, 3, seed=batch, prefix=f"b{batch}-")
        store.flush()
    assert len(store.snapshot().segments) == 8
    assert len(os.listdir("/proc/self/fd")) <= before + 2
