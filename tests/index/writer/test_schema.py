"""Columns, terms and positions that go from all documents, and positions that come, while nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from alicorn.errors import ConfigError
from alicorn.index import Store
from alicorn.index.writer import rewriting

PLACES: dict[str, Callable[[Store], None]] = {"in memory": lambda store: None, "on disk": lambda store: store.flush()}
TERMS = {
    "d0": ["text:new", "nick:a", "text:york", "text:new"],
    "d1": ["nick:b"],
    "d2": ["text:york", "nickel:c"],
    "d3": [],
}


def table(rows: dict[str, list[str]], **columns: Any) -> pa.Table:
    terms = pa.array(list(rows.values()), pa.list_(pa.string()))
    return pa.table({"doc_id": list(rows), "terms": terms, "nickname": [f"n-{name}" for name in rows], **columns})


@pytest.fixture(params=PLACES)
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    with Store.create(tmp_path / "c", {"v": 2}, positions=["nick"]) as store:
        vectors = pa.array([[1.0, 0.0]] * len(TERMS), pa.list_(pa.float32()))
        store.upsert(table(TERMS, price=[1, 2, None, 4], **{"embedding:v": vectors}))
        PLACES[request.param](store)
        yield store


def reopened(store: Store) -> Store:
    store.close()
    return Store.open(store.path)


def contents(store: Store) -> dict[str, dict[str, Any]]:
    """doc_id -> the stored columns, the terms, and the position of each term."""
    found = {}
    for view in store.snapshot().segments:
        lists = view.segment.positioned_terms()
        rows = view.segment.stored.to_pylist()
        for number, row in enumerate(rows):
            if view.deleted is None or not view.deleted[number]:
                own = slice(lists.starts[number], lists.starts[number + 1])
                row["positions"] = [] if lists.positions is None else lists.positions[own].tolist()
                found[row.pop("doc_id")] = row
    return found


def test_columns_and_terms_go_and_the_rest_stays(store: Store) -> None:
    before = contents(store)
    store.drop(columns=["nickname"], terms=["nick"])
    for row in before.values():
        del row["nickname"]
        row["positions"] = [at for term, at in zip(row["terms"], row["positions"], strict=True) if term[:5] != "nick:"]
        row["terms"] = [term for term in row["terms"] if term[:5] != "nick:"]
    for _ in range(2):
        assert contents(store) == before
        assert "nickname" not in store.snapshot().columns
        assert all(len(view.segment.embeddings["v"].docs) == 4 for view in store.snapshot().segments)
        store = reopened(store)
    store.verify()
    store.update(pa.table({"doc_id": ["d1"], "nickname": [7]}))  # the name is free for another type
    assert [store.get(name)["nickname"] for name in ("d0", "d1")] == [None, 7]
    store.close()


def test_positions_come_in_the_order_of_the_terms_and_go(store: Store) -> None:
    before = contents(store)
    store.add_positions(["text"])
    expected = {"d0": [0, 0, 1, 2], "d1": [0], "d2": [0, 0], "d3": []}
    for _ in range(2):
        assert store.positions == ("nick", "text")
        assert {name: row["positions"] for name, row in contents(store).items()} == expected
        store = reopened(store)
    store.upsert(table({"d3": ["text:late"]}, price=[5], **{"embedding:v": [[1.0, 0.0]]}))
    store.drop(positions=["nick", "text"])
    for _ in range(2):
        assert store.positions == ()
        found = contents(store)
        assert all(row["positions"] == [] for row in found.values())
        assert {name: row["terms"] for name, row in found.items()} == {
            name: row["terms"] if name != "d3" else ["text:late"] for name, row in before.items()
        }
        store = reopened(store)
    store.close()


def test_writes_of_another_thread_are_changed_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    write = rewriting.write_segment

    def slow(*arguments: Any) -> str:
        if not started.is_set():
            started.set()
            go_on.wait(10)
        return write(*arguments)

    monkeypatch.setattr(rewriting, "write_segment", slow)
    thread = threading.Thread(target=store.drop, kwargs={"columns": ["nickname"], "terms": ["nick"]})
    thread.start()
    started.wait(10)
    store.upsert(table({"e0": ["nick:z", "text:new"]}))
    store.delete(["d0"])
    go_on.set()
    thread.join()
    for _ in range(2):
        found = contents(store)
        assert sorted(found) == ["d1", "d2", "d3", "e0"]
        assert found["e0"]["terms"] == ["text:new"]
        assert all("nickname" not in row for row in found.values())
        store = reopened(store)
    store.close()


def test_what_is_not_there_is_refused_and_changes_nothing(store: Store) -> None:
    before = contents(store)
    refused: list[tuple[Callable[[], None], str]] = [
        (lambda: store.drop(columns=["nick"]), "columns must be one of nickname, price, got 'nick'"),
        (lambda: store.drop(columns=["price"], keys=["w"]), "keys must be one of v, got 'w'"),
        (lambda: store.drop(terms=["nic"]), "no document has a term nic:"),
        (lambda: store.drop(terms=["nick:"]), "made of letters"),
        (lambda: store.drop(positions=["text"]), "positions must be one of nick, got 'text'"),
        (lambda: store.drop(columns="price"), "columns must be a list of names, got 'price'"),
        (lambda: store.add_positions(["text", "nick"]), "keeps those of 'nick' already"),
    ]
    for change, message in refused:
        with pytest.raises(ConfigError, match=message):
            change()
    assert contents(store) == before
    assert store.positions == ("nick",)
