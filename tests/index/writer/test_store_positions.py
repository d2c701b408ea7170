"""Positions of terms through the life of a collection, and what of them is refused."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from index_tables import abandon

from alicorn.errors import CollectionError, ConfigError, TableError
from alicorn.index import Store, verify

Placed = list[tuple[str, int]]
ROWS: dict[str, Placed] = {
    "d0": [("text:new", 0), ("text:york", 1), ("tag:x", 0), ("title:a", 0), ("text:new", 2)],
    "d1": [("title:b", 7), ("title:c", 7), ("title:a", 400)],
    "d2": [],
}


def table(rows: dict[str, Placed]) -> pa.Table:
    return pa.table(
        {
            "doc_id": list(rows),
            "terms": pa.array([[term for term, _ in row] for row in rows.values()], pa.list_(pa.string())),
            "term_positions": pa.array([[at for _, at in row] for row in rows.values()], pa.list_(pa.int64())),
        }
    )


def create(path: Path) -> Store:
    return Store.create(path, positions=["text", "title"])


def contents(store: Store) -> dict[str, Placed]:
    found = {}
    for view in store.snapshot().segments:
        lists = view.segment.positioned_terms()
        assert lists.positions is not None
        flat = list(zip(lists.array.flatten().to_pylist(), lists.positions.tolist(), strict=True))
        ids = view.segment.doc_ids.to_pylist()
        for number, (start, stop) in enumerate(pairwise(lists.starts.tolist())):
            if view.deleted is None or not view.deleted[number]:
                found[ids[number]] = flat[start:stop]
    return found


def test_positions_survive_memory_journal_flush_merge_replacement_and_backup(tmp_path: Path) -> None:
    store = create(tmp_path / "c")
    assert store.positions == ("text", "title")
    store.upsert(table(ROWS))
    assert contents(store) == ROWS
    abandon(store)
    store = Store.open(tmp_path / "c")  # of the journal
    assert contents(store) == ROWS
    store.flush()
    for number in range(20):  # merged in memory
        store.upsert(table({f"e{number}": [("text:new", number), ("title:a", 1000 * number)]}))
    expected = ROWS | {f"e{number}": [("text:new", number), ("title:a", 1000 * number)] for number in range(20)}
    assert contents(store) == expected
    store.upsert(table({"d0": [("text:york", 5)]}))
    store.delete(["e3"])
    expected["d0"] = [("text:york", 5)]
    del expected["e3"]
    store.flush()
    assert contents(store) == expected
    store.merge()
    assert contents(store) == expected
    store.backup(tmp_path / "b")
    store.close()
    verify(tmp_path / "b")
    with Store.open(tmp_path / "b", read_only=True) as copy:
        assert copy.positions == ("text", "title")
        assert contents(copy) == expected


def test_without_positions_in_the_table_the_order_of_the_terms_counts(tmp_path: Path) -> None:
    terms = [["text:a", "tag:x", "title:b", "text:c", "text:a"], None, ["title:b", "title:a"]]
    given = pa.array([None, None, [3, 9]], pa.list_(pa.uint8()))
    with create(tmp_path / "c") as store:
        store.upsert(pa.table({"doc_id": ["p", "q", "r"], "terms": terms}))
        in_order = {
            "p": [("text:a", 0), ("tag:x", 0), ("title:b", 0), ("text:c", 1), ("text:a", 2)],
            "q": [],
            "r": [("title:b", 0), ("title:a", 1)],
        }
        assert contents(store) == in_order
        store.upsert(pa.table({"doc_id": ["p", "q", "r"], "terms": terms, "term_positions": given}))
        assert contents(store) == {**in_order, "r": [("title:b", 3), ("title:a", 9)]}
        store.upsert(pa.table({"doc_id": ["p", "r"], "terms": pa.nulls(2), "term_positions": pa.nulls(2)}))
        assert contents(store) == {"p": [], "q": [], "r": []}


BAD: list[tuple[Any, str]] = [
    ([[0, 1], [0]], "row 1: 1 positions of 2 terms"),
    ([[0], [0]], "row 0: 1 positions of 2 terms (2 such rows)"),
    ([[0, 1], [0, -1]], "row 1: the position -1 (1 such row); a position is from 0 to 2147483647"),
    ([[0, 2**31], [0, 1]], "row 0: the position 2147483648"),
    ([[0, None], [0, 1]], "row 0: the position None"),
    ([[1, 0], [3, 2]], "row 0: the position 0 of 'text:b' is below that of the 'text:' term before it (2 such rows)"),
    ([0, 1], "must be list<integer>, got int64"),
    ([[0.5, 1.0], [0.0, 1.0]], "must be list<integer>, got list<element: double>"),
]


@pytest.mark.parametrize(("positions", "message"), BAD)
def test_bad_positions_are_refused_and_nothing_is_written(positions: Any, message: str, tmp_path: Path) -> None:
    given = {"doc_id": ["d", "e"], "terms": [["text:a", "text:b"]] * 2, "term_positions": positions}
    with create(tmp_path / "c") as store:
        with pytest.raises(TableError) as caught:
            store.upsert(pa.table(given))
        assert message.replace("element", "item") in str(caught.value).replace("element", "item")
        assert caught.value.column == "term_positions"
        assert len(store) == 0


def test_a_collection_that_keeps_no_positions_refuses_them(tmp_path: Path) -> None:
    with (
        Store.create(tmp_path / "c") as store,
        pytest.raises(TableError, match=r"keeps none: add_positions"),
    ):
        store.upsert(table(ROWS))


@pytest.mark.parametrize(("positions", "message"), [("text", "put the names in a list"), (["text:"], "got 'text:'")])
def test_a_prefix_that_cannot_be(positions: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        Store.create(tmp_path / "c", positions=positions)
    assert not (tmp_path / "c").exists()


def test_an_alicorn_that_knows_no_positions_refuses_the_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "c").close()
    with sqlite3.connect(tmp_path / "c" / "manifest.sqlite") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (3,)
    database.close()
    monkeypatch.setattr("alicorn.index.durability.sqlite_file.MANIFEST_VERSION", 2)
    with pytest.raises(CollectionError, match="has format 3, and this alicorn reads formats up to 2"):
        Store.open(tmp_path / "c")
