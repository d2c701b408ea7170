"""A collection against a dictionary: any operations, any layout, reopened at any time. Of index/writer/store.py."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_tables import DIMS, documents, normalized, same, stored, table

from alicorn.errors import CollectionError, ConfigError, TableError, VectorError
from alicorn.index import Applied, Deletion, Store
from alicorn.index.state import loading
from alicorn.index.writer import maintenance
from alicorn.quantization import default_num_clusters


def assert_holds(store: Store, model: dict[str, dict[str, Any]]) -> None:
    """The store holds exactly these documents: fields, terms, vectors, and one live copy of each."""
    snapshot = store.snapshot()
    assert len(store) == snapshot.num_docs == len(model)
    live: dict[str, int] = {}
    for view in snapshot.segments:
        segment = view.segment
        assert view.num_live == segment.num_docs - (0 if view.deleted is None else view.deleted.sum())
        for number, doc_id in enumerate(segment.doc_ids.to_pylist()):
            if view.deleted is not None and view.deleted[number]:
                continue
            live[doc_id] = live.get(doc_id, 0) + 1
            row = model[doc_id]
            shown = {name: value for name, value in segment.document(number).items() if value is not None}
            assert same(shown, {name: value for name, value in stored(row).items() if value is not None})
            for key in DIMS:
                block = segment.embeddings[key]
                assert block.quantizer is snapshot.quantizers[key] or block.quantizer.version == 0
                at = block.rows_of[number]
                if row[f"embedding:{key}"] is None:
                    assert at == -1
                else:
                    np.testing.assert_array_equal(block.vectors[at], normalized(row[f"embedding:{key}"]))
    assert live == dict.fromkeys(model, 1)


IDS = st.integers(0, 25).map(lambda i: f"d{i}")
OPERATIONS = st.one_of(
    st.tuples(st.just("upsert"), st.sets(IDS, min_size=1, max_size=8)),
    st.tuples(st.just("delete"), st.sets(IDS, max_size=4)),
    st.tuples(st.sampled_from(["apply", "apply in bulk"]), st.sets(IDS, max_size=8)),
    st.tuples(st.sampled_from(["flush", "merge", "train", "reopen", "bulk"]), st.none()),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(st.lists(OPERATIONS, max_size=12), st.integers(0, 1000))
def test_any_sequence_of_operations_equals_a_dictionary(tmp_path: Path, operations, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    store = Store.create(folder / "c", embeddings=DIMS)
    model: dict[str, dict[str, Any]] = {}
    try:
        for name, argument in operations:
            before, expected = store.snapshot(), dict(model)
            if name == "upsert" or name == "bulk":
                rows = documents(rng, sorted(argument or {f"d{i}" for i in range(0, 26, 2)}))
                with pytest.MonkeyPatch.context() as patch:
                    if name == "bulk":
                        patch.setattr(maintenance, "FLUSH_DOCS", 1)
                    assert store.upsert(table(rows)) == len(rows)
                model |= {row["doc_id"]: row for row in rows}
            elif name == "delete":
                known = argument & set(model)
                assert store.delete(sorted(argument)) == Deletion(len(known), len(argument) - len(known))
                for doc_id in known:
                    del model[doc_id]
            elif name.startswith("apply"):
                added, deleted = sorted(argument)[::2], sorted(argument)[1:]  # some are in both
                rows = documents(rng, added)
                known = set(deleted) & set(model)
                with pytest.MonkeyPatch.context() as patch:
                    if name == "apply in bulk":
                        patch.setattr(maintenance, "FLUSH_DOCS", 1)
                    done = store.apply(table(rows), deleted)
                assert done == Applied(len(added), len(known), len(deleted) - len(known))
                model = {doc_id: row for doc_id, row in model.items() if doc_id not in known}
                model |= {row["doc_id"]: row for row in rows}
            elif name == "train":
                store.train(num_clusters=int(rng.integers(1, 4)), codec=str(rng.choice(["sq8", "none"])))
            elif name == "reopen":
                store.close()
                store = Store.open(folder / "c")
            else:
                getattr(store, name)()
            assert_holds(store, model)
            assert sum(view.num_live for view in before.segments) == len(expected)  # an older snapshot stays
        store.verify()
        store.close()
        with Store.open(folder / "c", read_only=True) as reader:
            assert_holds(reader, model)
    finally:
        store.close()
        shutil.rmtree(folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store.create(tmp_path / "c", embeddings=DIMS, metadata={"model": "m1"}) as store:
        yield store


def fill(store: Store, count: int, seed: int = 0, prefix: str = "d") -> dict[str, dict[str, Any]]:
    rows = documents(np.random.default_rng(seed), [f"{prefix}{i}" for i in range(count)])
    store.upsert(table(rows))
    return {row["doc_id"]: row for row in rows}


def test_a_snapshot_stays_as_it_was(store: Store) -> None:
    model = fill(store, 20)
    old = store.snapshot()
    store.flush()
    store.delete(["d1"])
    fill(store, 5, seed=1)
    store.merge()
    store.train()
    kept = {
        view.segment.doc_ids[i].as_py(): view.segment.document(i) for view in old.segments for i in range(view.num_live)
    }
    assert all(same(kept[doc_id], stored(row)) for doc_id, row in model.items())
    assert old.sequence < store.snapshot().sequence


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


def test_training_starts_by_itself_and_again_after_growth(store: Store, monkeypatch) -> None:
    monkeypatch.setattr("alicorn.index.writer.training.should_train", lambda count, last: count >= max(40, 4 * last))
    model = fill(store, 30)
    store.flush()
    assert store.snapshot().quantizers["a"].version == 0
    model |= fill(store, 40, prefix="e")
    store.flush()
    first = store.snapshot().quantizers["a"]
    assert first.version > 0
    assert first.num_clusters > 1
    assert first.codec.name == "sq8"
    model |= fill(store, 40, prefix="f")
    store.flush()
    assert store.snapshot().quantizers["a"].version == first.version
    model |= fill(store, 250, prefix="g")
    store.flush()
    assert store.snapshot().quantizers["a"].version > first.version
    assert_holds(store, model)
    assert len(list((store.path / "quantizers").iterdir())) == 1


def test_train_takes_settings_and_refuses_wrong_ones(store: Store) -> None:
    model = fill(store, 400)
    store.train(num_clusters=7, codec="opq", pq_bytes=2)
    quantizers = store.snapshot().quantizers
    assert {key: (q.num_clusters, q.codec.name, q.codec.code_size) for key, q in quantizers.items()} == {
        "a": (7, "opq", 2),
        "b": (7, "opq", 2),
    }
    for arguments, part in (
        ({"codec": "sq9"}, "none, sq8, pq, opq"),
        ({"num_clusters": 0}, "num_clusters"),
        ({"codec": "opq", "pq_bytes": 3}, "embedding 'a': pq_bytes must divide"),
        ({"key": "c"}, "key must be one of a, b, got 'c'"),
    ):
        with pytest.raises(ConfigError, match=part):
            store.train(**arguments)
    assert_holds(store, model)


def test_chosen_settings_hold_for_one_key_until_others_are_chosen(store: Store) -> None:
    fill(store, 400)
    store.train(num_clusters=7, codec="none", key="b")
    store.train()
    path = store.path
    store.close()
    with Store.open(path) as again:
        again.train()
        quantizers = again.snapshot().quantizers
        assert (quantizers["a"].num_clusters, quantizers["a"].codec.name) == (default_num_clusters(400), "sq8")
        assert (quantizers["b"].num_clusters, quantizers["b"].codec.name) == (7, "none")
        again.train(codec="sq8")
        assert again.snapshot().quantizers["b"].num_clusters == default_num_clusters(400)


def test_training_depends_on_the_vectors_not_on_the_layout(store: Store) -> None:
    fill(store, 400)
    store.train(num_clusters=7)
    first = store.snapshot().quantizers["a"].coarse.centroids
    store.train(num_clusters=3)
    store.train(num_clusters=7)
    np.testing.assert_array_equal(store.snapshot().quantizers["a"].coarse.centroids, first)


def test_the_cluster_of_a_document_survives_every_layout(store: Store) -> None:
    fill(store, 300)
    store.train(num_clusters=8)

    def clusters() -> dict[str, int]:
        found = {}
        for view in store.snapshot().segments:
            block = view.segment.embeddings["a"]
            for row, doc in enumerate(block.docs):
                found[view.segment.doc_ids[int(doc)].as_py()] = (
                    int(np.searchsorted(block.starts, row, side="right")) - 1
                )
        return found

    before = clusters()
    fill(store, 30)  # the same documents' first 30, with the same vectors
    store.flush()
    assert len(store.snapshot().segments) == 2
    assert clusters() == before
    store.merge()
    assert len(store.snapshot().segments) == 1
    assert clusters() == before


def test_a_table_with_new_columns_leaves_older_documents_null(store: Store) -> None:
    store.upsert(pa.table({"doc_id": ["x"]}))
    store.upsert(pa.table({"doc_id": ["y"], "colour": ["red"]}))
    store.merge()
    assert store.get("x") == {"doc_id": "x", "terms": [], "static_rank": 0.0, "colour": None}
    assert store.snapshot().columns == {"static_rank": pa.float64(), "colour": pa.string()}
    store.delete(["x", "y"])
    store.merge()
    with pytest.raises(TableError, match="colour"):
        store.upsert(pa.table({"doc_id": ["z"], "colour": [1]}))


def test_a_table_larger_than_a_segment_is_cut(store: Store, monkeypatch) -> None:
    monkeypatch.setattr("alicorn.index.writer.checking.PIECE_BYTES", 4_000)
    monkeypatch.setattr("alicorn.index.writer.rewriting.PIECE_BYTES", 4_000)
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 100)
    model = fill(store, 200)
    assert len(store.snapshot().segments) > 2
    assert_holds(store, model)
    model |= fill(store, 150, seed=5)
    assert_holds(store, model)


def test_delete_counts_each_id_once_and_refuses_what_is_no_id(store: Store) -> None:
    fill(store, 3)
    assert store.delete(["d0", "d0", "gone", "d1"]) == Deletion(deleted=2, unknown=1)
    assert store.delete([]) == Deletion(0, 0)
    with pytest.raises(TableError, match="put it in a list"):
        store.delete("d2")
    with pytest.raises(TableError, match="int"):
        store.delete(["d2", 7])
    with pytest.raises(TableError, match="Unicode"):
        store.delete(["\ud800"])
    assert len(store) == 1


def test_a_refused_table_deletes_nothing(store: Store) -> None:
    model = fill(store, 5)
    before = store.snapshot()
    for bad in (pa.table({"doc_id": ["new", ""]}), pa.table({"doc_id": ["new"], "embedding:a": [[0.0] * 8]})):
        with pytest.raises((TableError, VectorError)):
            store.apply(bad, ["d0", "d1"])
    with pytest.raises(TableError, match="int"):
        store.apply(pa.table({"doc_id": ["new"]}), ["d0", 7])
    assert store.snapshot() is before
    assert_holds(store, model)


def test_a_table_and_deletes_are_one_commit(store: Store) -> None:
    fill(store, 5)
    before = store.snapshot().sequence
    assert store.apply(pa.table({"doc_id": ["d1", "new"]}), ["d0", "d1", "gone"]) == Applied(2, 2, 1)
    assert store.snapshot().sequence == before + 1
    assert store.apply() == Applied(0, 0, 0)
    assert store.snapshot().sequence == before + 1
    assert store.get("d0") is None
    assert store.get("d1") == {"doc_id": "d1", "terms": [], "static_rank": 0.0}


def test_a_huge_delete_needs_no_journal(store: Store, monkeypatch) -> None:
    model = fill(store, 40)
    store.flush()
    model |= fill(store, 10, prefix="e")
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 20)
    assert store.delete([f"d{i}" for i in range(30)]).deleted == 30
    model = {doc_id: row for doc_id, row in model.items() if doc_id not in {f"d{i}" for i in range(30)}}
    assert_holds(store, model)
    store.close()
    with Store.open(store.path) as again:
        assert_holds(again, model)


def test_metadata_is_kept(store: Store) -> None:
    assert store.metadata == {"model": "m1"}
    store.set_metadata({"model": "m2", "n": [1, None]})
    with pytest.raises(ConfigError, match="JSON"):
        store.set_metadata({"x": object()})
    store.close()
    with Store.open(store.path) as again:
        assert again.metadata == {"model": "m2", "n": [1, None]}
        assert again.embeddings == DIMS
        assert list(again.embeddings) == list(DIMS)


def test_create_refuses_what_is_there_and_what_makes_no_sense(tmp_path: Path, store: Store) -> None:
    with pytest.raises(CollectionError, match="not empty"):
        Store.create(store.path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(CollectionError, match="file"):
        Store.create(tmp_path / "file")
    for embeddings, part in (({"a b": 3}, "a b"), ({"": 3}, "key"), ({"a": 0}, "1 to 65536"), ({"a": True}, "True")):
        with pytest.raises(ConfigError, match=part):
            Store.create(tmp_path / "new", embeddings=embeddings)
    assert not (tmp_path / "new").exists()


def test_an_interrupted_creation_can_be_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "manifest.creating").write_bytes(b"half")
    with pytest.raises(CollectionError, match="no collection"):
        Store.open(folder)
    Store.create(folder).close()
    Store.open(folder).close()


def test_open_needs_a_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="not a folder"):
        Store.open(tmp_path / "none")
    with pytest.raises(CollectionError, match="no collection"):
        Store.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_refused_until_the_first_closes(store: Store) -> None:
    with pytest.raises(CollectionError, match=r"open for writing elsewhere \(process \d+\).*read_only=True"):
        Store.open(store.path)
    store.close()
    store.close()
    Store.open(store.path).close()


def test_a_closed_or_read_only_collection_refuses_to_write(store: Store) -> None:
    fill(store, 3)
    with Store.open(store.path, read_only=True) as reader:
        for write in (lambda: reader.delete(["d0"]), reader.flush, reader.merge, reader.train, lambda: fill(reader, 1)):
            with pytest.raises(CollectionError, match="read_only=True"):
                write()
    store.close()
    with pytest.raises(CollectionError, match="closed"):
        store.flush()
    assert len(store) == 3


def test_a_reader_follows_the_writer_when_it_asks(store: Store) -> None:
    model = fill(store, 10)
    with Store.open(store.path, read_only=True) as reader:
        assert_holds(reader, model)
        assert reader.refresh() is False
        steps = (
            lambda: fill(store, 4, seed=2),
            lambda: store.flush() or {},
            lambda: fill(store, 4, seed=3, prefix="e"),
            lambda: store.merge() or {},
            lambda: store.train(num_clusters=2) or {},
            lambda: store.delete(["d9"]) and {},
            lambda: fill(store, 2, seed=4),
            lambda: store.set_metadata({"model": "m9"}) or {},
        )
        for step in steps:
            before = reader.snapshot()
            more = step()
            assert reader.snapshot() is before
            assert_holds(reader, model)
            assert reader.refresh() is True
            model |= more
            if store.get("d9") is None:
                model.pop("d9", None)
            assert_holds(reader, model)
            assert_holds(store, model)
        assert reader.metadata == {"model": "m9"}


def test_a_reader_that_finds_files_replaced_reads_again(store: Store, monkeypatch) -> None:
    model = fill(store, 10)
    store.flush()
    with Store.open(store.path, read_only=True) as reader:
        model |= fill(store, 10, prefix="e")
        store.flush()
        real = loading.open_segment
        raced = []

        def racing(folder, checksum, quantizers):
            if not raced:
                raced.append(True)
                store.merge()  # removes the folder that the reader is about to open
            return real(folder, checksum, quantizers)

        monkeypatch.setattr(loading, "open_segment", racing)
        reader.refresh()
        assert raced
        assert_holds(reader, model)


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
