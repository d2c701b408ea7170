"""The ids of hits are those of their addresses, as a list and as Arrow, over one segment and several."""

import pyarrow as pa
import pytest

import alicorn
from alicorn.errors import ConfigError


@pytest.mark.parametrize("flushed", [True, False])
def test_ids_are_those_of_the_addresses(tmp_path, flushed):
    with alicorn.Collection.create(tmp_path / "c", {}) as collection:
        for start in (0, 300, 600):
            ids = [f"d{number}" for number in range(start, start + 300)]
            collection.upsert(
                pa.table({"doc_id": ids, "terms": [["tag:a"]] * 300, "static_rank": [i % 7.0 for i in range(300)]})
            )
            collection.flush()
        if flushed:
            collection.merge()
        for limit in (0, 3, 20, 40, 700):
            result = collection.search("tag:a", limit=limit)
            by_address = [view.segment.doc_ids[number].as_py() for view, number in map(result.address, range(limit))]
            assert result.ids == by_address
            assert result.doc_ids.to_pylist() == by_address
            assert len(result.scores) == limit
        assert collection.search("tag:b").doc_ids.to_pylist() == collection.search("tag:b").ids == []


def test_an_empty_collection_has_no_ids(tmp_path):
    with alicorn.Collection.create(tmp_path / "c", {}) as collection:
        assert collection.search("tag:a").ids == []
        assert collection.search("tag:a").doc_ids.to_pylist() == []


def test_the_table_of_hits_has_their_documents_row_by_row(tmp_path):
    with alicorn.Collection.create(tmp_path / "c", {}) as collection:
        old = {"doc_id": ["a", "b"], "terms": [["t:x"]] * 2, "static_rank": [1.0, 4.0], "price": [3, None]}
        collection.upsert(pa.table(old))
        collection.flush()
        new = {"doc_id": ["c", "d"], "terms": [["t:x"]] * 2, "static_rank": [3.0, 2.0], "tags": [["p", "q"], None]}
        collection.upsert(pa.table(new))
        result = collection.search("t:x", limit=3)
        assert result.ids == ["b", "c", "d"]
        whole = result.table()
        assert set(whole.column_names) == {"doc_id", "static_rank", "price", "tags"}
        documents = [result.document(at) for at in range(3)]
        for row, document in zip(whole.to_pylist(), documents, strict=True):
            assert row == {name: document[name] for name in whole.column_names}
        assert result.table(["tags", "static_rank"]).to_pydict() == {
            "doc_id": ["b", "c", "d"],
            "tags": [None, ["p", "q"], None],
            "static_rank": [4.0, 3.0, 2.0],
        }
        collection.delete(["b", "c", "d"])
        assert result.table([]).to_pydict() == {"doc_id": ["b", "c", "d"]}
        assert collection.search("t:none").table(["price"]).to_pydict() == {"doc_id": [], "price": []}


def test_the_table_of_hits_has_one_type_where_segments_are_older_than_it(tmp_path):
    with alicorn.Collection.create(tmp_path / "c", {}) as collection:
        collection.upsert(pa.table({"doc_id": ["a"], "terms": [["t:x"]], "tags": pa.array([[]], pa.list_(pa.null()))}))
        collection.flush()
        collection.upsert(pa.table({"doc_id": ["b"], "terms": [["t:x"]], "tags": [["p"]]}))
        table = collection.search("t:x").table(["tags"])
        assert table.schema.field("tags").type == pa.list_(pa.string())
        assert table.to_pydict() == {"doc_id": ["a", "b"], "tags": [[], ["p"]]}
        with pytest.raises(ConfigError, match="did you mean 'tags'"):
            collection.search("t:x").table(["tag"])
        with pytest.raises(ConfigError, match="put it in a list"):
            collection.search("t:x").table("tags")
