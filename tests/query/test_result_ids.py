"""The ids of hits are those of their addresses, as a list and as Arrow, over one segment and several."""

import pyarrow as pa
import pytest

import alicorn


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
        for limit in (0, 3, 700):
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
