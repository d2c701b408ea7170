"""Embedding keys are added to a collection and dropped, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from index_tables import DIMS, assert_holds, fill, same

from alicorn.errors import CollectionError, ConfigError, TableError
from alicorn.index import Store
from alicorn.index.state.backup import back_up
from alicorn.index.writer import maintenance, rewriting
from alicorn.quantization import STORED

PLACES: dict[str, Callable[[Store], None]] = {
    "in memory": lambda store: None,
    "on disk": lambda store: store.flush(),
    "trained": lambda store: store.train(num_clusters=2),
}


def vectors(store: Store, key: str) -> dict[str, list[float]]:
    found = {}
    for view in store.snapshot().segments:
        block = view.segment.embeddings[key]
        assert block.quantizer is store.snapshot().quantizers[key]
        for number, doc_id in enumerate(view.segment.doc_ids.to_pylist()):
            if block.rows_of[number] >= 0 and (view.deleted is None or not view.deleted[number]):
                found[doc_id] = block.stored(block.rows_of[[number]])[0].tolist()
    return found


def reopened(store: Store) -> Store:
    store.close()
    return Store.open(store.path)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_added_and_filled(store: Store, place: str, stored: str) -> None:
    model = fill(store, 30)
    PLACES[place](store)
    store.add_key("c", {"dim": 3, "stored": stored})
    assert store.embeddings == {**DIMS, "c": 3}
    assert store.stored["c"] == stored
    assert vectors(store, "c") == {}
    assert_holds(store, model)
    store = reopened(store)
    units = {f"d{i}": np.eye(3)[i % 3].tolist() for i in range(20)}
    store.update(pa.table({"doc_id": list(units), "embedding:c": list(units.values())}))
    for finish in (lambda: None, store.flush, store.merge, store.train):
        finish()
        assert vectors(store, "c") == {name: pytest.approx(one, abs=0.02) for name, one in units.items()}
        assert_holds(store, model)
    store = reopened(store)
    store.verify()
    assert_holds(store, model)
    store.close()


@pytest.mark.parametrize("dropped", ["a", "b"])
@pytest.mark.parametrize("place", PLACES)
def test_a_dropped_key_is_gone_and_the_others_stay(store: Store, place: str, dropped: str) -> None:
    fill(store, 30)
    PLACES[place](store)
    store.upsert(pa.table({"doc_id": ["late"], f"embedding:{dropped}": [[1.0] * DIMS[dropped]], "name": ["x"]}))
    kept = next(key for key in DIMS if key != dropped)
    before = vectors(store, kept)
    documents = {doc_id: store.get(doc_id) for doc_id in [*before, "late"]}
    store.drop(keys=[dropped])
    for _ in range(2):
        assert list(store.embeddings) == [kept]
        assert vectors(store, kept) == before
        assert all(list(view.segment.embeddings) == [kept] for view in store.snapshot().segments)
        assert all(same(store.get(doc_id), row) for doc_id, row in documents.items())
        with pytest.raises(TableError, match="add the key first"):
            store.upsert(pa.table({"doc_id": ["late"], f"embedding:{dropped}": [[1.0] * DIMS[dropped]]}))
        store = reopened(store)
    store.verify()
    store.close()


@pytest.mark.parametrize("place", PLACES)
def test_a_key_may_come_back_with_another_dimension(store: Store, place: str) -> None:
    fill(store, 30)
    PLACES[place](store)
    store.drop(keys=["a"])
    store.add_key("a", 2)
    assert vectors(store, "a") == {}
    store.update(pa.table({"doc_id": ["d1"], "embedding:a": [[0.0, 1.0]]}))
    for _ in range(2):
        assert list(store.embeddings) == ["b", "a"]
        assert vectors(store, "a") == {"d1": [0.0, 1.0]}
        store = reopened(store)
    store.close()


def test_all_keys_of_an_empty_collection_may_be_dropped(store: Store) -> None:
    store.drop(keys=["a"])
    store.drop(keys=["b"])
    assert store.embeddings == {}
    store = reopened(store)
    assert store.upsert(pa.table({"doc_id": ["x"]})) == 1
    store.close()


def test_a_reader_sees_keys_come_and_go(store: Store) -> None:
    fill(store, 20)
    store.flush()
    with Store.open(store.path, read_only=True) as reader:
        for change in (
            lambda: store.add_key("c", 2),
            lambda: store.update(pa.table({"doc_id": ["d3"], "embedding:c": [[1.0, 0.0]]})),
            store.flush,
            lambda: store.drop(keys=["a"]),
            lambda: store.add_key("a", 3),
            store.train,
        ):
            change()
            assert reader.refresh()
            assert list(reader.embeddings) == list(store.embeddings)
            for key in store.embeddings:
                assert vectors(reader, key) == vectors(store, key)
        with pytest.raises(CollectionError, match="read_only"):
            reader.add_key("d", 2)
        with pytest.raises(CollectionError, match="read_only"):
            reader.drop(keys=["c"])


def test_what_cannot_be_is_refused(store: Store) -> None:
    before = store.snapshot()
    given: list[tuple[str, Any, str]] = [
        ("a", 8, "has an embedding 'a' of 8 dimensions already"),
        ("c c", 8, "letters"),
        ("c", 0, "dimension"),
        ("c", {"dim": 4, "stored": "float8"}, "stored"),
    ]
    for key, embedding, message in given:
        with pytest.raises(ConfigError, match=message):
            store.add_key(key, embedding)
    with pytest.raises(ConfigError, match="one of a, b, got 'c'"):
        store.drop(keys=["c"])
    assert store.embeddings == DIMS
    assert store.snapshot().embeddings == before.embeddings


def test_documents_that_come_while_a_key_is_dropped_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fill(store, 30)
    store.flush()
    started, go_on = threading.Event(), threading.Event()
    write = rewriting.write_segment

    def slow(*arguments: Any) -> str:
        if not started.is_set():
            started.set()
            go_on.wait(10)
        return write(*arguments)

    monkeypatch.setattr(rewriting, "write_segment", slow)
    monkeypatch.setattr(maintenance, "RECODED_DOCS", 3)
    thread = threading.Thread(target=store.drop, kwargs={"keys": ["b"]})
    thread.start()
    started.wait(10)
    model |= fill(store, 8, seed=1, prefix="e")
    store.delete(["d0", "e0"])
    store.update(pa.table({"doc_id": ["d1", "e1"], "name": ["changed", "changed"]}))
    go_on.set()
    thread.join()
    for doc_id in ("d0", "e0"):
        del model[doc_id]
    for doc_id in ("d1", "e1"):
        model[doc_id] = model[doc_id] | {"name": "changed"}
    expected = {doc_id for doc_id, row in model.items() if row["embedding:a"] is not None}
    for _ in range(2):
        assert list(store.embeddings) == ["a"]
        assert len(store) == len(model)
        assert set(vectors(store, "a")) == expected
        assert store.get("e1")["name"] == "changed"  # type: ignore[index]
        store = reopened(store)
    store.close()


def test_a_backup_of_a_grown_collection_opens(store: Store, tmp_path: Path) -> None:
    model = fill(store, 10)
    store.flush()
    store.add_key("c", 2)
    back_up(store.path, tmp_path / "copy")
    with Store.open(tmp_path / "copy") as copy:
        assert copy.embeddings == {**DIMS, "c": 2}
        assert_holds(copy, model)


def test_an_older_alicorn_refuses_a_grown_collection(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_key("c", 2)
    store.close()
    monkeypatch.setattr("alicorn.index.durability.sqlite_file.MANIFEST_VERSION", 3)
    with pytest.raises(CollectionError, match="format 4"):
        Store.open(store.path)
