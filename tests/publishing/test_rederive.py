"""A changed vertical for the documents of a collection: what publishing anew would give, with the vectors kept."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from served_people import DOCUMENTS, VERTICAL, make_collection

from alicorn.errors import CollectionError
from alicorn.publishing.provenance import check_vertical
from alicorn.publishing.rederive import rederive
from alicorn.query import Collection

CHANGED = VERTICAL.model_validate(
    VERTICAL.model_dump(exclude_defaults=True)
    | {
        "document": {
            "features": VERTICAL.model_dump(exclude_defaults=True)["document"]["features"],
            "terms": [
                {"prefix": "name", "column": "name", "kind": "words"},
                {"prefix": "text", "column": "city", "kind": "words"},
            ],
            "stored": ["name", "year", "popularity"],
        },
        "analysis": {"name": {"positions": True}},
    }
)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    with make_collection(tmp_path / "c"):
        pass
    return tmp_path / "c"


def table(tmp_path: Path, rows: pa.Table) -> Path:
    pq.write_table(rows, tmp_path / "documents.parquet")
    return tmp_path / "documents.parquet"


def test_terms_and_columns_are_those_of_the_new_vertical_and_vectors_stay(people: Path, tmp_path: Path) -> None:
    with Collection.open(people, read_only=True) as before:
        vectors = before.embeddings
        near = before.search("(nn people :k 4)", vectors={"people": [1.0] + [0.0] * 7}).ids
    done = rederive(table(tmp_path, DOCUMENTS), people, CHANGED)
    assert (done.updated, done.unknown, done.kept) == (4, 0, ["city", "friends"])
    with Collection.open(people, read_only=True) as after:
        check_vertical(after, CHANGED)
        with pytest.raises(CollectionError, match=r"alicorn update DOCS --into COLLECTION --vertical FILE"):
            check_vertical(after, VERTICAL)
        assert after.search("text:john").total == 0
        assert sorted(after.search("(phrase name john smith)").ids) == ["p/4", "p1"]
        found = after.get("p1")
        assert found is not None
        assert (found["terms"], found["static_rank"]) == (["name:john", "name:smith", "text:oslo"], 0.0)
        assert found["popularity"] == 4.0
        assert after.embeddings == vectors
        assert after.search("(nn people :k 4)", vectors={"people": [1.0] + [0.0] * 7}).ids == near


def test_a_table_that_lacks_documents_changes_nothing(people: Path, tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match=r"lacks 1 of the collection's 4 documents"):
        rederive(table(tmp_path, DOCUMENTS.slice(1)), people, CHANGED)
    with Collection.open(people, read_only=True) as collection:
        check_vertical(collection, VERTICAL)
        assert collection.search("text:john").total == 3


def test_documents_of_a_selection_that_are_not_there_are_counted(people: Path, tmp_path: Path) -> None:
    more = pa.concat_tables([DOCUMENTS, DOCUMENTS.slice(0, 1).set_column(0, "doc_id", [["p9"]])])
    assert rederive(table(tmp_path, more), people, CHANGED).unknown == 1
