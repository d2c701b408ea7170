"""A store equals a dictionary: upserts, updates, deletes, columns, metadata."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_tables import DIMS, SCHEMA, assert_holds, documents, fill, same, stored, table

from alicorn.errors import ConfigError, TableError, VectorError
from alicorn.index import Applied, Deletion, Store, Updated
from alicorn.index.writer import maintenance, updating

IDS = st.integers(0, 25).map(lambda i: f"d{i}")


OPERATIONS = st.one_of(
    st.tuples(st.just("upsert"), st.sets(IDS, min_size=1, max_size=8)),
    st.tuples(st.just("delete"), st.sets(IDS, max_size=4)),
    st.tuples(st.sampled_from(["apply", "apply in bulk", "update", "update in bulk"]), st.sets(IDS, max_size=8)),
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
            elif name.startswith("update"):
                arriving, given = partial(rng, sorted(argument))
                with pytest.MonkeyPatch.context() as patch:
                    if name == "update in bulk":
                        patch.setattr(maintenance, "FLUSH_DOCS", 1)
                        patch.setattr(updating, "_ROWS", 3)
                    done = store.update(arriving, given)
                known = argument & set(model)
                assert done == Updated(len(known), len(argument) - len(known))
                for at, row in enumerate(arriving.to_pylist()):
                    if row["doc_id"] in known:
                        changed = {name: value for name, value in row.items() if name not in given or given[name][at]}
                        model[row["doc_id"]] = model[row["doc_id"]] | changed
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


def partial(rng: np.random.Generator, doc_ids: list[str]) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """A table of some columns, and the rows that give some of these."""
    names = [name for name in SCHEMA.names if name != "doc_id" and rng.random() < 0.4]
    given = {name: rng.random(len(doc_ids)) < 0.5 for name in names if rng.random() < 0.3}
    return table(documents(rng, doc_ids)).select(["doc_id", *names]), given


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


def test_a_document_shows_every_column_in_memory_and_on_disk_alike(store: Store) -> None:
    store.upsert(pa.table({"doc_id": ["x"], "size": [1]}))
    store.flush()
    store.upsert(pa.table({"doc_id": ["y"], "colour": ["red"], "nothing": pa.nulls(1)}))
    expected = {
        "x": {"doc_id": "x", "terms": [], "static_rank": 0.0, "size": 1, "colour": None, "nothing": None},
        "y": {"doc_id": "y", "terms": [], "static_rank": 0.0, "size": None, "colour": "red", "nothing": None},
    }
    for finish in (lambda: None, store.flush, store.merge):
        finish()
        assert {doc_id: store.get(doc_id) for doc_id in expected} == expected
    store.close()
    with Store.open(store.path) as again:
        assert {doc_id: again.get(doc_id) for doc_id in expected} == expected


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
    nulls = dict.fromkeys(store.snapshot().columns)
    assert store.get("d1") == {"doc_id": "d1", "terms": [], **nulls, "static_rank": 0.0}


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
