"""An update changes what it gives and keeps the rest; an upsert that would lose something is refused. test_store.py
compares random sequences with a dictionary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from index_tables import assert_holds, fill

from alicorn.errors import CollectionError, TableError, VectorError
from alicorn.index import Store, Updated
from alicorn.quantization import STORED

SHOE = {
    "doc_id": ["shoe"],
    "terms": [["tag:red"]],
    "embedding:a": [[3.0] + [0.0] * 7],
    "static_rank": [2.0],
    "name": ["boot"],
    "price": [9.5],
}


@pytest.fixture
def shop(store: Store) -> Store:
    store.upsert(pa.table(SHOE))
    store.upsert(pa.table({"doc_id": ["bare"]}))
    return store


def vector(store: Store, doc_id: str, key: str = "a") -> list[float] | None:
    found = store.snapshot().find(doc_id)
    assert found is not None
    view, number = found
    block = view.segment.embeddings[key]
    row = block.rows_of[number]
    return None if row < 0 else block.stored(np.array([row]))[0].tolist()


PLACES: dict[str, Callable[[Store], None]] = {
    "in memory": lambda store: None,
    "on disk": lambda store: store.flush(),
    "merged": lambda store: store.merge(),
    "trained": lambda store: store.train(),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_the_table_leaves_out_is_kept(shop: Store, place: str) -> None:
    PLACES[place](shop)
    before, kept = shop.get("shoe"), vector(shop, "shoe")
    assert before is not None
    assert kept is not None
    assert shop.update(pa.table({"doc_id": ["shoe"], "price": [7.0]})) == Updated(1, 0)
    assert shop.get("shoe") == before | {"price": 7.0}
    assert vector(shop, "shoe") == kept
    assert len(shop) == 2


@pytest.mark.parametrize(
    ("column", "value", "gone"),
    [("terms", [], []), ("name", None, None), ("price", None, None), ("static_rank", 0, 0.0)],
)
def test_an_explicit_nothing_removes(shop: Store, column: str, value: object, gone: object) -> None:
    kinds = {"terms": pa.list_(pa.string()), "name": pa.string(), "price": pa.float64(), "static_rank": pa.int64()}
    shop.update(pa.table({"doc_id": ["shoe"], column: pa.array([value], kinds[column])}))
    found = shop.get("shoe")
    assert found is not None
    assert found[column] == gone
    assert vector(shop, "shoe") is not None


def test_a_null_vector_removes_the_vector_alone(shop: Store) -> None:
    before = shop.get("shoe")
    shop.update(pa.table({"doc_id": ["shoe"], "embedding:a": pa.nulls(1)}))
    assert vector(shop, "shoe") is None
    assert shop.get("shoe") == before


def test_an_id_that_is_not_there_is_counted_and_nothing_is_added(shop: Store) -> None:
    assert shop.update(pa.table({"doc_id": ["gone", "shoe"], "price": [1.0, 2.0]})) == Updated(1, 1)
    assert len(shop) == 2
    before = shop.snapshot()
    assert shop.update(pa.table({"doc_id": ["gone"], "price": [1.0]})) == Updated(0, 1)
    assert shop.update(pa.table({"doc_id": pa.array([], pa.string())})) == Updated(0, 0)
    assert shop.snapshot() is before


def test_rows_may_give_different_columns(shop: Store) -> None:
    shop.upsert(pa.table(SHOE | {"doc_id": ["hat"]}))
    table = pa.table({"doc_id": ["shoe", "hat"], "price": [1.0, None], "name": [None, "cap"]})
    shop.update(table, {"price": [True, False], "name": [False, True]})
    shoe, hat = shop.get("shoe"), shop.get("hat")
    assert shoe is not None
    assert hat is not None
    assert (shoe["price"], shoe["name"]) == (1.0, "boot")
    assert (hat["price"], hat["name"]) == (9.5, "cap")


def test_a_new_column_decides_its_type_and_is_null_elsewhere(shop: Store) -> None:
    shop.flush()
    shop.update(pa.table({"doc_id": ["shoe"], "sizes": [[40, 41]]}))
    assert shop.snapshot().columns["sizes"] == pa.list_(pa.int64())
    for finish in (lambda: None, shop.flush, shop.merge):
        finish()
        assert shop.get("shoe")["sizes"] == [40, 41]  # type: ignore[index]
        assert shop.get("bare")["sizes"] is None  # type: ignore[index]
    with pytest.raises(TableError, match="cast it to list<item: int64>"):
        shop.update(pa.table({"doc_id": ["shoe"], "sizes": ["forty"]}))


def test_a_bad_update_changes_nothing(shop: Store) -> None:
    before = shop.snapshot()
    for bad, kind, parts in [
        ({"doc_id": ["shoe"]}, TableError, "update takes a pyarrow.Table"),
        (pa.table({"doc_id": ["shoe", "shoe"], "price": [1.0, 2.0]}), TableError, "repeats the id"),
        (pa.table({"doc_id": ["shoe", "gone"], "price": [1.0, 2.0], "terms": [["a"], [""]]}), TableError, "row 1"),
        (pa.table({"doc_id": ["gone", "shoe"], "embedding:a": [[1.0] * 8, [0.0] * 8]}), VectorError, "row 1"),
        (pa.table({"doc_id": ["shoe"], "embedding:c": [[1.0]]}), TableError, "no embedding 'c'"),
        (pa.table({"doc_id": ["shoe"], "price": ["dear"]}), TableError, "cast it to double"),
    ]:
        with pytest.raises(kind, match=parts):
            shop.update(bad)
    table = pa.table({"doc_id": ["shoe"], "price": [1.0]})
    for given, parts in [
        ({"cost": [True]}, "'cost' is no column"),
        ({"doc_id": [True]}, "'doc_id'"),
        ({"price": [True, False]}, "each of the 1 rows"),
        ({"price": [1]}, "int64"),
    ]:
        with pytest.raises(TableError, match=parts):
            shop.update(table, given)
    assert shop.snapshot() is before


def test_a_reader_cannot_update(shop: Store) -> None:
    with Store.open(shop.path, read_only=True) as reader, pytest.raises(CollectionError, match="read_only"):
        reader.update(pa.table({"doc_id": ["shoe"], "price": [1.0]}))


@pytest.mark.parametrize("stored", STORED)
def test_an_update_is_replayed_and_rounds_no_vector_again(tmp_path: Path, stored: str) -> None:
    rng = np.random.default_rng(0)
    ids = [f"d{i}" for i in range(40)]
    with Store.create(tmp_path / "c", {"v": {"dim": 8, "stored": stored}}) as store:
        store.upsert(pa.table({"doc_id": ids, "embedding:v": list(rng.normal(size=(40, 8)))}))
        store.train(num_clusters=3)
        before = {doc_id: vector(store, doc_id, "v") for doc_id in ids}
        store.update(pa.table({"doc_id": ids[:20], "number": range(20)}))
        store.update(pa.table({"doc_id": ids[10:15], "number": range(5)}))
    with Store.open(tmp_path / "c") as store:
        assert {doc_id: vector(store, doc_id, "v") for doc_id in ids} == before
        assert store.get("d12")["number"] == 2  # type: ignore[index]
        assert store.get("d19")["number"] == 19  # type: ignore[index]
        store.verify()


@pytest.mark.parametrize("place", PLACES)
def test_positions_go_with_the_terms(tmp_path: Path, place: str) -> None:
    def held(store: Store) -> dict[str, list[int]]:
        positions = {}
        for view in store.snapshot().segments:
            terms = view.segment.positioned_terms()
            assert terms.positions is not None
            for doc_id, start, stop in zip(
                view.segment.doc_ids.to_pylist(), terms.starts, terms.starts[1:], strict=False
            ):
                if store.snapshot().find(doc_id)[0] is view:  # type: ignore[index]
                    positions[doc_id] = terms.positions[start:stop].tolist()
        return positions

    with Store.create(tmp_path / "c", positions=["text"]) as store:
        terms = [["text:a", "text:b"], ["text:b", "tag:x", "text:a"], ["text:c"]]
        store.upsert(pa.table({"doc_id": ["x", "y", "z"], "terms": terms, "term_positions": [[3, 9], None, [7]]}))
        PLACES[place](store)
        store.update(pa.table({"doc_id": ["z", "x", "y"], "price": [1, 2, 3]}))
        expected = {"x": [3, 9], "y": [0, 0, 1], "z": [7]}
        assert held(store) == expected
        new = pa.table({"doc_id": ["z", "x", "y"], "terms": [["text:d"]] * 3, "term_positions": [[5], [6], None]})
        store.update(new, {"terms": [True, False, True]})
        expected |= {"z": [5], "y": [0]}
        assert held(store) == expected
        with pytest.raises(TableError, match="give the column 'terms' beside it"):
            store.update(pa.table({"doc_id": ["z"], "term_positions": [[5]]}))
    with Store.open(tmp_path / "c") as store:
        assert held(store) == expected


LEFT_OUT = [
    ("terms", {}),
    ("embedding:a", {}),
    ("static_rank", {}),
    ("price", {}),
    ("terms", {"terms": [["tag:red"]]}),
    ("embedding:a", {"embedding:a": [[1.0] * 8]}),
    ("price", {"price": [1.0]}),
]


@pytest.mark.parametrize("place", ["in memory", "on disk"])
@pytest.mark.parametrize(("name", "given"), LEFT_OUT)
def test_an_upsert_that_would_lose_something_is_refused(shop: Store, place: str, name: str, given: dict) -> None:
    PLACES[place](shop)
    before = shop.snapshot()
    columns = {column: values for column, values in SHOE.items() if column != name}
    rows = {column: [None if column != "terms" else [], *values] for column, values in columns.items()}
    rows |= {"doc_id": ["new", "shoe"], **({} if name == "static_rank" else {"static_rank": [0.0, 1.0]})}
    rows |= {column: [values[0], values[0]] for column, values in given.items()}
    with pytest.raises(TableError, match=rf"row 1: .*'shoe'.*'{name}' \(1 row\).*update") as caught:
        shop.apply(pa.table(rows), given={column: [True, False] for column in given})
    assert (caught.value.column, caught.value.row, caught.value.count) == (name, 1, 1)
    assert shop.snapshot() is before


def test_an_upsert_that_loses_nothing_needs_no_column(shop: Store) -> None:
    assert shop.upsert(pa.table({"doc_id": ["bare", "new"]})) == 2
    nothing = {"terms": pa.array([[]], pa.list_(pa.string())), "static_rank": [0], "embedding:a": pa.nulls(1)}
    assert shop.upsert(pa.table({"doc_id": ["shoe"], **nothing, "name": ["x"], "price": pa.nulls(1)})) == 1
    assert shop.upsert(pa.table({"doc_id": ["shoe"], "name": ["y"]})) == 1
    assert shop.apply(pa.table({"doc_id": ["shoe"]}), ["shoe"]).deleted == 1
    assert shop.get("shoe")["name"] is None  # type: ignore[index]


def test_updates_of_two_threads_keep_each_other_s_columns(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alicorn.index.writer.maintenance.FLUSH_DOCS", 8)
    ids = [f"d{i}" for i in range(6)]
    store.upsert(pa.table({"doc_id": ids}))

    def write(column: str) -> None:
        for value in range(25):
            store.update(pa.table({"doc_id": ids, column: [value] * len(ids)}))

    threads = [threading.Thread(target=write, args=(column,)) for column in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for doc_id in ids:
        document = store.get(doc_id)
        assert document is not None
        assert (document["left"], document["right"]) == (24, 24)


def test_a_large_update_is_one_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from alicorn.index.writer import maintenance

    model = fill(store, 30)
    store.flush()
    monkeypatch.setattr(maintenance, "FLUSH_DOCS", 20)
    before = store.snapshot()
    names = [f"d{i}" for i in range(25)]
    assert store.update(pa.table({"doc_id": names, "name": ["new"] * 25})) == Updated(25, 0)
    assert store.snapshot().sequence == before.sequence + 1
    for doc_id in names:
        model[doc_id] = model[doc_id] | {"name": "new"}
    assert_holds(store, model)
