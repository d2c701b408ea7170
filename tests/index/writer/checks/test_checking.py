"""Every way a table of documents can be wrong, and that nothing is written then. Of index/writer/checks/."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import AlicornError, TableError, VectorError
from alicorn.index import Store

NOT_UTF8 = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
IDS = pa.array(["x", "y", "z"])
GOOD = pa.array([[3.0, 4.0], None, [0.0, 1.0]], pa.list_(pa.float32()))


def floats(*rows: list[float | None] | None) -> pa.Array:
    return pa.array(rows, pa.list_(pa.float32()))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store.create(tmp_path / "c", embeddings={"clip": 2}) as store:
        store.upsert(pa.table({"doc_id": ["old"], "year": pa.array([1990], pa.int64())}))
        yield store


BAD: list[tuple[Callable[[], object], type[AlicornError], list[str]]] = [
    (lambda: {"doc_id": ["x"]}, TableError, ["pyarrow.Table", "dict"]),
    (lambda: pa.table({"docid": IDS}), TableError, ["'doc_id' is missing", "rename it to doc_id"]),
    (
        lambda: pa.table({"discount": IDS, "paid": IDS}),
        TableError,
        ["the id of each document: columns: discount, paid"],
    ),
    (lambda: pa.table([IDS, IDS], names=["doc_id", "doc_id"]), TableError, ["'doc_id'", "2 times"]),
    (lambda: pa.table({"doc_id": [1, 2]}), TableError, ["'doc_id'", "must be string", "int64"]),
    (lambda: pa.table({"doc_id": ["x", None, None]}), TableError, ["'doc_id'", "row 1", "null", "2 such rows"]),
    (lambda: pa.table({"doc_id": ["x", ""]}), TableError, ["'doc_id'", "row 1", "empty", "1 such row"]),
    (lambda: pa.table({"doc_id": ["x", "y", "x"]}), TableError, ["'doc_id'", "row 2", "'x'", "1 such row"]),
    (lambda: pa.table({"doc_id": IDS, "terms": ["a", "b", "c"]}), TableError, ["'terms'", "list<string>", "string"]),
    (lambda: pa.table({"doc_id": IDS, "terms": [[1], [], []]}), TableError, ["'terms'", "list<string>"]),
    (lambda: pa.table({"doc_id": IDS, "terms": [["t"], ["t", None], []]}), TableError, ["'terms'", "row 1", "null"]),
    (lambda: pa.table({"doc_id": IDS, "terms": [None, [], ["t", ""]]}), TableError, ["'terms'", "row 2", "empty"]),
    (lambda: pa.table({"doc_id": IDS, "embedding:clap": GOOD}), TableError, ["embedding:clap", "no embedding", "clip"]),
    (lambda: pa.table({"doc_id": IDS, "embedding:clip": [1.0, 2.0, 3.0]}), TableError, ["list<float32>", "double"]),
    (lambda: pa.table({"doc_id": IDS, "embedding:clip": [[1, 2], [1, 2], [1, 2]]}), TableError, ["list<float32>"]),
    (
        lambda: pa.table({"doc_id": IDS, "embedding:clip": floats([1, 0], None, [1, 2, 3])}),
        VectorError,
        ["embedding:clip", "row 2", "3 dimensions", "declares 2", "1 such row"],
    ),
    (
        lambda: pa.table({"doc_id": IDS, "embedding:clip": floats(None, [1, np.nan], [np.inf, 1])}),
        VectorError,
        ["embedding:clip", "row 1", "NaN", "2 such rows"],
    ),
    (lambda: pa.table({"doc_id": IDS, "embedding:clip": floats(None, None, [-np.inf, 1])}), VectorError, ["infinite"]),
    (lambda: pa.table({"doc_id": IDS, "embedding:clip": floats(None, [0, 0], [1, 0])}), VectorError, ["row 1", "zero"]),
    (
        lambda: pa.table(
            {"doc_id": IDS, "embedding:clip": pa.array([[1.0, None], None, None], pa.list_(pa.float32()))}
        ),
        VectorError,
        ["row 0", "null component"],
    ),
    (lambda: pa.table({"doc_id": IDS, "static_rank": ["1", "2", "3"]}), TableError, ["'static_rank'", "string"]),
    (lambda: pa.table({"doc_id": IDS, "static_rank": [1.0, None, 2.0]}), TableError, ["static_rank", "row 1", "null"]),
    (lambda: pa.table({"doc_id": IDS, "static_rank": [1.0, 0.0, np.nan]}), TableError, ["static_rank", "row 2", "NaN"]),
    (lambda: pa.table({"doc_id": IDS, "static_rank": [np.inf, 0.0, 1.0]}), TableError, ["static_rank", "infinite"]),
    (lambda: pa.table({"doc_id": IDS, "year": [1.5, 2.0, None]}), TableError, ["'year'", "int64", "double", "cast"]),
    (
        lambda: pa.table({"doc_id": IDS, "when": pa.array([0, 0, 2**60], pa.timestamp("s"))}),
        TableError,
        ["'when'", "years 1 to 9999"],
    ),
    (
        lambda: pa.table({"doc_id": NOT_UTF8}),
        TableError,
        ["'doc_id'", "broken"],
    ),
    (
        lambda: pa.table({"doc_id": IDS, "u": pa.UnionArray.from_sparse(pa.array([0, 0, 0], pa.int8()), [IDS])}),
        TableError,
        ["'u'", "cannot be stored"],
    ),
]


@pytest.mark.parametrize(("bad", "kind", "parts"), BAD, ids=[" ".join(parts) for _, _, parts in BAD])
def test_a_bad_table_is_refused_and_nothing_is_written(store, bad, kind, parts) -> None:
    before = store.snapshot()
    with pytest.raises(kind) as caught:
        store.upsert(bad())
    for part in parts:
        assert part in str(caught.value)
    assert store.snapshot() is before
    store.close()
    with Store.open(store.path) as again:
        assert len(again) == 1
        assert again.get("old")["year"] == 1990


def test_the_error_keeps_column_row_and_count_for_programs(store: Store) -> None:
    with pytest.raises(TableError) as caught:
        store.upsert(pa.table({"doc_id": ["x", None, ""]}))
    assert (caught.value.table, caught.value.column, caught.value.row, caught.value.count) == (
        "documents",
        "doc_id",
        1,
        1,
    )


def test_a_bad_row_is_counted_from_the_start_of_a_chunked_table(store: Store) -> None:
    chunked = pa.concat_tables([pa.table({"doc_id": ["x", "y"]}), pa.table({"doc_id": ["z", None]})])
    with pytest.raises(TableError, match="row 3"):
        store.upsert(chunked)


def test_uuids_are_ids_by_their_canonical_text(store: Store) -> None:
    text = "123e4567-e89b-12d3-a456-426614174000"
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(text).bytes], pa.binary(16)))
    assert store.upsert(pa.table({"doc_id": ids, "owner": ids})) == 1
    document = store.get(text)
    assert document is not None
    assert document["owner"] == text
    assert store.delete([text]).deleted == 1


def test_other_encodings_of_the_same_types_are_accepted(store: Store) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([0.0, 2.0, 3.0, 4.0]), 2)  # double
    table = pa.table(
        {
            "doc_id": pa.array(["p", "q"], pa.large_string()),
            "terms": pa.array([["t"], None], pa.large_list(pa.large_string())),
            "embedding:clip": vectors,
            "static_rank": pa.array([1, 2], pa.int8()),
            "kind": pa.array(["k", "k"]).dictionary_encode(),
            "nothing": pa.nulls(2),
        }
    )
    assert store.upsert(table) == 2
    assert store.upsert(pa.table({"doc_id": ["r"], "kind": ["plain"], "nothing": [1]})) == 1
    others = {name: None for name in ("year", "nothing") if name in store.snapshot().columns}
    assert store.get("p") == {"doc_id": "p", "terms": ["t"], "static_rank": 1.0, "kind": "k", **others}
    assert "nothing" in others
    assert store.get("q")["terms"] == []
    assert store.snapshot().columns["kind"] == pa.string()
    found = store.snapshot().find("q")
    assert found is not None
    block = found[0].segment.embeddings["clip"]
    np.testing.assert_allclose(block.vectors[block.rows_of[found[1]]], [0.6, 0.8], rtol=1e-6)


def test_slices_and_chunks_of_vectors_are_read_where_they_are(store: Store) -> None:
    flat = pa.array(np.arange(1, 21, dtype=np.float32))
    vectors = pa.FixedSizeListArray.from_arrays(flat, 2)
    whole = pa.table({"doc_id": [f"v{i}" for i in range(10)], "embedding:clip": vectors})
    store.upsert(pa.concat_tables([whole.slice(7, 2), whole.slice(2, 3)]))
    for i in (7, 8, 2, 3, 4):
        view, number = store.snapshot().find(f"v{i}")
        block = view.segment.embeddings["clip"]
        expected = np.array([2 * i + 1, 2 * i + 2]) / np.hypot(2 * i + 1, 2 * i + 2)
        np.testing.assert_allclose(block.vectors[block.rows_of[number]], expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e18, 1e30])
def test_tiny_and_huge_vectors_become_unit_length(store: Store, scale: float) -> None:
    store.upsert(pa.table({"doc_id": ["v"], "embedding:clip": floats([3 * scale, 4 * scale])}))
    block = store.snapshot().segments[-1].segment.embeddings["clip"]
    np.testing.assert_allclose(block.vectors[0], [0.6, 0.8], rtol=1e-5)


def test_an_empty_table_writes_nothing(store: Store) -> None:
    before = store.snapshot()
    assert store.upsert(pa.table({"doc_id": pa.array([], pa.string())})) == 0
    assert store.snapshot() is before
