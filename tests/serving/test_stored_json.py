"""The texts of stored columns that are kept are those that would be made anew, whatever is written meanwhile."""

import gc

import msgspec
import pyarrow as pa
import pytest

from alicorn.query import Collection
from alicorn.serving.stored_json import StoredJson, stored_values


def documents(numbers, **columns):
    ids = [f"d{number}" for number in numbers]
    return pa.table({"doc_id": ids, "terms": [["a"]] * len(ids), **columns})


@pytest.mark.parametrize("most_bytes", [1 << 20, 60])
def test_texts_are_those_of_the_documents_as_they_are_now(most_bytes, tmp_path):
    with Collection.create(tmp_path / "c", {}) as collection:
        texts = StoredJson(most_bytes)

        def check():
            found = collection.search("a", limit=100)
            for _ in range(2):  # made, and kept
                assert [msgspec.json.decode(text) for text in texts.of(found)] == stored_values(found, None)
            return found

        collection.upsert(documents(range(20), name=[f'"{n}' for n in range(20)]))
        check()
        collection.flush()
        check()
        collection.upsert(documents(range(3), name=["x", None, "z"]))
        check()
        collection.upsert(documents([30], name=["w"], tags=[["a", "b"]]))  # a further column
        found = check()
        if most_bytes > 60:
            first = texts.of(found)
            assert all(one is two for one, two in zip(first, texts.of(found), strict=True))


def test_texts_of_a_segment_end_with_it(tmp_path):
    texts = StoredJson()
    with Collection.create(tmp_path / "c", {}) as collection:
        collection.upsert(documents([1], name=["x"]))
        texts.of(collection.search("a"))
        assert len(texts._kept) == 1
    del collection
    gc.collect()
    assert len(texts._kept) == 0
