"""/v1/documents: documents are added, read, replaced and deleted; a refused body changes nothing."""

import pytest
from asgi_client import ids, refused, search

from alicorn.query import Collection
from alicorn.serving.messages import MAX_DOCUMENTS


def test_documents_are_added_read_replaced_and_deleted(client, collection):
    body = [
        {"doc_id": "p5", "columns": {"name": "Ann Lee", "city": "Oslo", "popularity": 9, "friends": ["p1"]}},
        {"doc_id": "p1", "columns": {"name": "John Smithe", "year": 1999}},
    ]
    assert client.post("/v1/documents", json=body).json() == {"upserted": 2, "left_out": 0}
    assert client.get("/v1/documents/p1").json() == {
        "doc_id": "p1",
        "terms": ["text:john", "text:smithe"],
        "static_rank": 0.0,
        "name": "John Smithe",
        "city": None,
        "year": 1999,
        "friends": None,
    }
    assert ids(search(client, text="ann lee", searcher="p3", limit=1)) == ["p5"]
    assert client.get("/v1/documents/p/4").json()["year"] == 1993
    assert client.delete("/v1/documents/p/4").json() == {"deleted": 1, "unknown": 0}
    assert client.delete("/v1/documents/p/4").json() == {"deleted": 0, "unknown": 1}
    missing = client.get("/v1/documents/p/4")
    assert (missing.status_code, missing.json()) == (404, {"error": "no document 'p/4'"})
    assert len(collection) == 4


def test_documents_may_bring_their_terms_and_vectors(tmp_path, start):
    with Collection.create(tmp_path / "plain", {"clip": 2}) as collection:
        client = start(collection)
        body = [
            {"doc_id": "a", "terms": ["tag:red"], "embeddings": {"clip": [3, 0]}, "columns": {"price": 5, "at": "x"}},
            {"doc_id": "b", "terms": ["tag:red"], "static_rank": 2.5, "columns": {"price": 7}},
            {"doc_id": "c"},
        ]
        assert client.post("/v1/documents", json=body).json() == {"upserted": 3, "left_out": 0}
        answer = search(client, expression="(and tag:red (range price :min 6))")
        assert [(hit["doc_id"], hit["score"]) for hit in answer["hits"]] == [("b", 2.5)]
        assert ids(search(client, expression="(nn clip :radius 0.1)", vectors={"clip": [1, 0]})) == ["a"]
        assert "a text is encoded by a model" in refused(client, text="red")["error"]
        assert client.get("/v1/searchers").json() == {"total": 0, "searchers": []}
        assert client.get("/v1/about").json()["columns"] == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"doc_id": ""}, "doc_id"),
        ({"doc_id": "x", "columns": {"nmae": "Ann"}}, "unknown column 'nmae'; did you mean 'name'?"),
        ({"doc_id": "x", "columns": {"name": 5.5}}, "documents, column 'name', row 0: '5.5' is no string"),
        ({"doc_id": "x", "columns": {"year": "MCM"}}, "documents, column 'year', row 0: 'MCM' is no int64"),
        ({"doc_id": "x", "static_rank": 3}, "static rank from column 'popularity'"),
        ({"doc_id": "x", "terms": ["a"], "columns": {"terms": "b"}}, "'terms' is no stored column"),
        ({"doc_id": "x", "terms": ["a"], "columns": {"year": "x"}}, "is no int64"),
        ({"doc_id": "x", "terms": ["a", ""]}, "term"),
        ({"doc_id": "x", "embeddings": {"people": [1, 2]}}, "8"),
        ({"doc_id": "x", "embeddings": {"poeple": [1, 2]}}, "people"),
        ({"doc_id": 5}, "Expected `str`, got `int` - at `$[0].doc_id`"),
        ({"name": "Ann"}, "unknown field `name`"),
    ],
)
def test_a_wrong_document_is_refused_and_nothing_is_written(client, collection, document, message):
    before = collection.snapshot()
    answer = client.post("/v1/documents", json=[document])
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]
    assert collection.snapshot() is before


def test_lists_of_documents_are_of_one_kind_and_bounded(client):
    mixed = [{"doc_id": "x", "columns": {"name": "A"}}, {"doc_id": "y", "terms": ["a"]}]
    assert "row 1: it brings its terms" in client.post("/v1/documents", json=mixed).json()["error"]
    many = [{"doc_id": "x"}] * (MAX_DOCUMENTS + 1)
    assert "length <= 10000" in client.post("/v1/documents", json=many).json()["error"]
    assert client.post("/v1/documents", json=[]).json() == {"upserted": 0, "left_out": 0}
