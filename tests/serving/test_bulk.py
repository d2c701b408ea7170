"""Documents in bulk: every right one is written, every wrong one is named by its row."""

import io
import json

import pyarrow as pa
import pytest

from alicorn.query import Collection
from alicorn.serving.api.bulk import ARROW, NDJSON


@pytest.fixture
def plain(tmp_path, start):
    """A collection without a model, and its client."""
    with Collection.create(tmp_path / "plain", {"v": 2}) as collection:
        yield collection, start(collection)


def send(client, lines, action="upsert"):
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return client.request("POST", f"/v1/documents/bulk?action={action}", content=body, headers={"content-type": NDJSON})


def document(number, **rest):
    return {"doc_id": f"d{number}", "terms": ["tag:x"], "embeddings": {"v": [1, number]}, **rest}


def test_lines_are_written_and_wrong_ones_are_named_by_their_row(plain):
    collection, client = plain
    lines = [document(number) for number in range(3_000)]
    lines[7] = document(7, embeddings={"v": [0, 0]})
    lines[8] = "{not json"
    lines[1500] = document(1500, terms=[""])
    lines[2999] = {"doc_id": "", "terms": []}
    lines[20] = ""
    answer = send(client, lines).json()
    errors = answer.pop("errors")
    assert answer == {"written": 2995, "left_out": 0, "unknown": 0, "failed": 4}
    assert [(error["row"], error.get("doc_id"), error["type"].rpartition(":")[2]) for error in errors] == [
        (7, "d7", "vector"),
        (8, None, "body"),
        (1500, "d1500", "documents"),
        (2999, "", "documents"),
    ]
    assert len(collection) == 2995
    assert collection.get("d1501") is not None


def test_of_several_lines_with_one_id_the_last_stays(plain):
    collection, client = plain
    lines = [document(1, static_rank=1.0), document(2, terms=[""]), document(1, static_rank=2.0)]
    answer = send(client, lines).json()
    assert answer["failed"] == 1
    assert collection.get("d1")["static_rank"] == 2.0


def test_bulk_updates_and_deletes_count_unknown_ids(plain):
    collection, client = plain
    send(client, [document(number) for number in range(4)])
    changed = send(client, [{"doc_id": "d1", "static_rank": 5}, {"doc_id": "zz", "static_rank": 5}], "update").json()
    assert (changed["written"], changed["unknown"]) == (1, 1)
    assert collection.get("d1")["static_rank"] == 5
    gone = send(client, [{"doc_id": "d1"}, {"doc_id": "zz"}], "delete").json()
    assert (gone["written"], gone["unknown"], len(collection)) == (1, 1, 3)
    assert send(client, [document(1)], "replace").status_code == 400


def test_an_arrow_stream_is_written_and_wrong_rows_are_named(plain):
    collection, client = plain
    table = pa.table(
        {
            "doc_id": ["a", "b", None, "d"],
            "terms": [["tag:x"]] * 4,
            "embedding:v": pa.array([[1, 0], [0, 0], [0, 1], [1, 1]], pa.list_(pa.float32())),
            "price": [1, 2, 3, 4],
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"content-type": ARROW}
    answer = client.request("POST", "/v1/documents/bulk", content=sink.getvalue(), headers=headers).json()
    assert (answer["written"], answer["failed"], [error["row"] for error in answer["errors"]]) == (2, 2, [1, 2])
    assert collection.get("d")["price"] == 4
    broken = client.request("POST", "/v1/documents/bulk", content=sink.getvalue()[:-40], headers=headers)
    assert broken.status_code == 400
    assert broken.json()["type"] == "urn:alicorn:problem:body"


def test_documents_of_a_vertical_are_derived_in_bulk(client, collection):
    lines = [
        {"doc_id": "n1", "columns": {"name": "Ann Lee", "city": "Rome"}},
        {"doc_id": "n2", "columns": {"nam": "x"}},
    ]
    answer = send(client, lines).json()
    assert (answer["written"], [error["row"] for error in answer["errors"]]) == (1, [1])
    assert "text:ann" in collection.get("n1")["terms"]
    assert client.request("POST", "/v1/documents/bulk", content=b"{}").status_code == 415
