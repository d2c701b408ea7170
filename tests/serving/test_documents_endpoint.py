"""/v1/documents: documents are added, read, replaced and deleted; a refused body changes nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgi_client import ids, refused, search
from served_people import SEARCHERS, TEXT, UNIFIED
from shell import succeed

from alicorn.query import Collection
from alicorn.serving.api.messages import MAX_DOCUMENTS

NOTHING = {"city": None, "friends": None, "popularity": None}


def test_documents_are_added_read_replaced_and_deleted(client, collection):
    body = [
        {"doc_id": "p5", "columns": {"name": "Ann Lee", "city": "Oslo", "popularity": 9, "friends": ["p1"]}},
        {"doc_id": "p1", "columns": {"name": "John Smithe", "year": 1999, **NOTHING}},
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
    assert (missing.status_code, missing.json()["detail"]) == (404, "no document 'p/4'")
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
        assert "a text is encoded by a model" in refused(client, text="red")["detail"]
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
    assert message in answer.json()["detail"]
    assert collection.snapshot() is before


def test_a_document_that_would_lose_something_is_refused(client, collection):
    before = collection.snapshot()
    for columns, message in [
        ({"name": "John Smithe"} | {name: None for name in NOTHING if name != "city"}, "leaves out column 'city'"),
        ({"name": "John Smithe", **NOTHING}, "'year' (1 row)"),
        ({"name": "John Smithe", "year": 1999, "city": None, "friends": None}, "'static_rank' (1 row)"),
    ]:
        answer = client.post("/v1/documents", json=[{"doc_id": "p1", "columns": columns}])
        assert answer.status_code == 400
        assert message in answer.json()["detail"]
    plain = client.post("/v1/documents", json=[{"doc_id": "p1", "embeddings": {"people": [1] * 8}}])
    assert "'terms' (1 row)" in plain.json()["detail"]
    assert collection.snapshot() is before


def test_what_an_update_leaves_out_is_kept(client, collection):
    before = [collection.get(doc_id) for doc_id in ("p1", "p2")]
    body = [
        {"doc_id": "p1", "columns": {"year": 2001}},
        {
            "doc_id": "p2",
            "terms": ["city:rome"],
            "static_rank": 7,
            "columns": {"city": "Rome", "note": ["new", "column"]},
        },
        {"doc_id": "gone", "columns": {"year": 1}},
    ]
    assert client.patch("/v1/documents", json=body).json() == {"updated": 2, "unknown": 1}
    assert collection.get("p1") == before[0] | {"year": 2001, "note": None}
    changed = {"terms": ["city:rome"], "static_rank": 7.0, "city": "Rome", "note": ["new", "column"]}
    assert collection.get("p2") == before[1] | changed
    assert ids(search(client, expression="city:rome")) == ["p2"]
    assert set(ids(search(client, expression="(nn people :k 9)", vectors={"people": [1] * 8}))) >= {"p1", "p2"}
    client.patch("/v1/documents", json=[{"doc_id": "p1", "terms": [], "embeddings": {"people": None}}])
    assert collection.get("p1")["terms"] == []
    assert "p1" not in ids(search(client, expression="(nn people :k 9)", vectors={"people": [1] * 8}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"doc_id": "p1", "columns": {"year": "MCM"}}, "'MCM' is no int64"),
        ({"doc_id": "p1", "columns": {"terms": ["x"]}}, "'terms' is no stored column"),
        ({"doc_id": "p1", "embeddings": {"people": [1, 2]}}, "8"),
        ({"doc_id": "p1", "terms": [""]}, "empty"),
        ({"columns": {"year": 1}}, "doc_id"),
    ],
)
def test_a_wrong_update_is_refused_and_nothing_is_written(client, collection, change, message):
    before = collection.snapshot()
    answer = client.patch("/v1/documents", json=[{"doc_id": "p2", "columns": {"year": 1}}, change])
    assert answer.status_code == 400
    assert message in answer.json()["detail"]
    assert collection.snapshot() is before


def test_lists_of_documents_are_of_one_kind_and_bounded(client):
    mixed = [{"doc_id": "x", "columns": {"name": "A"}}, {"doc_id": "y", "terms": ["a"]}]
    assert "row 1: it brings its terms" in client.post("/v1/documents", json=mixed).json()["detail"]
    many = [{"doc_id": "x"}] * (MAX_DOCUMENTS + 1)
    assert "length <= 10000" in client.post("/v1/documents", json=many).json()["detail"]
    assert client.post("/v1/documents", json=[]).json() == {"upserted": 0, "left_out": 0}


def test_a_served_collection_is_backed_up_while_it_is_written_and_restored(client, tmp_path, start):
    """The copy has all that was acknowledged before it, nothing that is in part, and is served as any other."""
    written, ended = [], threading.Event()

    def write():
        for number in range(10_000):
            document = {"doc_id": f"n{number}", "terms": ["number:all"], "columns": {"year": number}}
            client.post("/v1/documents", json=[document])
            written.append(number)
            if ended.is_set():
                return

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while len(written) < 3:
            time.sleep(0.001)
        before = len(written)
        succeed("backup", tmp_path / "collection", "--to", tmp_path / "copy")
        after = len(written) + 1
        ended.set()
        writing.result()
    with Collection.open(tmp_path / "copy") as copied:
        found = ids(search(start(copied, [TEXT, UNIFIED], searchers=SEARCHERS), expression="number:all", limit=1000))
    assert before <= len(found) <= after
    assert set(found) == {f"n{number}" for number in range(len(found))}
