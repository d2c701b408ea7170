"""The rules of a vertical's selection, and its control, where documents and requests come in by HTTP."""

import pyarrow.parquet as pq
import pytest
import yaml
from asgi_client import ids, search
from served_people import SEARCHERS, TEXT, UNIFIED, Model

from alicorn.errors import ConfigError
from alicorn.feedback import ServedLog
from alicorn.serving import create_app
from alicorn.vertical import Expressions, Selection
from alicorn.vertical.expressions import RelevanceControl

SELECTIVE = "{documents: [{kind: range, column: year, min: 1990}], requests: [{kind: short, characters: 3}]}"


def selective(selection):
    """The two models, serving a vertical with these rules."""
    rules = Selection.model_validate(yaml.safe_load(selection))
    with_rules = UNIFIED.vertical.model_copy(update={"selection": rules})
    models = [Model(model.key, model.personal) for model in (UNIFIED, TEXT)]
    for model in models:
        model.vertical = with_rules
    return models


def test_a_document_that_the_selection_leaves_out_is_not_indexed_and_removed(collection, start):
    client = start(collection, selective(SELECTIVE), searchers=SEARCHERS)
    columns = {"name": "John Smith", "city": "Oslo"}
    body = [
        {"doc_id": "p1", "columns": {**columns, "year": 1980}},
        {"doc_id": "new", "columns": {**columns, "year": 1995}},
        {"doc_id": "unknown", "columns": columns},
    ]
    assert client.post("/v1/documents", json=body).json() == {"upserted": 1, "left_out": 2}
    assert client.get("/v1/documents/p1").status_code == 404
    assert client.get("/v1/documents/new").status_code == 200


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"doc_id": ""}, "row 1: is empty"),
        ({"doc_id": "p1"}, "the id of an earlier row again; first bad row 1 "),
        ({"columns": {"name": "A", "city": 7, "year": 1995}}, "column 'city', row 1: '7' is no string"),
    ],
)
def test_a_refused_body_deletes_nothing_and_its_rows_are_those_of_the_body(collection, start, bad, message):
    client = start(collection, selective(SELECTIVE), searchers=SEARCHERS)
    columns = {"name": "John Smith", "city": "Oslo"}
    left_out = {"doc_id": "p1", "columns": {**columns, "year": 1980}}
    answer = client.post("/v1/documents", json=[left_out, {"doc_id": "x", "columns": {**columns, "year": 1995}, **bad}])
    assert answer.status_code == 400
    assert message in answer.json()["detail"]
    assert client.get("/v1/documents/p1").json()["year"] == 1990


def test_a_request_rule_makes_a_text_boolean_and_is_told_and_counted(collection, start):
    client = start(collection, selective(SELECTIVE), searchers=SEARCHERS)
    answer = search(client, text="jo", searcher="p3", order_by={"nn": 1.0, "bm25": 0.1})
    assert answer["expression"] == "(and text:jo)"
    assert answer["without_nn"] == "fewer than 3 characters"
    told = ["no document has 'text:jo'", "answered without nn: the search is fewer than 3 characters"]
    assert answer["notices"] == told
    assert search(client, text="jo", mode="embedding")["without_nn"] is None
    assert "(nn people" in search(client, text="john")["expression"]
    assert search(client, text="john")["without_nn"] is None
    counted = 'alicorn_searches_without_nn_total{rule="fewer than 3 characters"} 1.0'
    assert counted in client.get("/metrics").text


def test_what_a_text_is_understood_to_ask_for_is_told_counted_and_logged(collection, tmp_path, start):
    """Of the three nearest to John, one lives in Bergen."""
    expressions = Expressions.model_validate({"hybrid": "(or (and {terms}) (nn {key} :k 3))"})
    control = RelevanceControl(intents=("city",), filter="afterwards")
    vertical = UNIFIED.vertical.model_copy(update={"expressions": expressions, "control": control})
    with ServedLog(tmp_path / "served") as log:
        client = start(collection, [UNIFIED.with_vertical(vertical)], searchers=SEARCHERS, served_log=log)
        answer = search(client, text="jane bergen", searcher="p3")
        assert answer["intents"] == [{"term": "city:bergen", "words": "bergen", "probability": 1.0}]
        assert answer["candidates"] == answer["total"] < 3
        assert search(client, text="jane", searcher="p3")["candidates"] is None
        metrics = client.get("/metrics").text
        assert "alicorn_search_candidates_count 1.0" in metrics
        assert f"alicorn_search_candidates_sum {answer['candidates']:.1f}" in metrics
    logged = pq.read_table(tmp_path / "served" / "searches", columns=["query", "intents", "candidates"]).to_pylist()
    assert {row.pop("query"): tuple(row.values()) for row in logged} == {
        "jane bergen": (["city:bergen"], answer["candidates"]),
        "jane": ([], None),
    }


def test_an_easy_repeat_is_answered_without_nn(collection, tmp_path, start):
    """Once the searcher has chosen what words alone find; not for others, and not for what only nn finds."""
    models = selective("{requests: [{kind: repeat, days: 30}]}")
    with pytest.raises(ConfigError, match="--served-log"):
        create_app(collection, models, searchers=SEARCHERS)
    with ServedLog(tmp_path / "served") as log:
        client = start(collection, models, searchers=SEARCHERS, served_log=log)

        def choose(text, doc_id):
            answer = search(client, text=text, searcher="p3")
            assert answer["without_nn"] is None
            assert doc_id in ids(answer)
            click = {"action": "click", "search_id": answer["search_id"], "doc_id": doc_id}
            assert client.post("/v1/events", json=[click]).status_code == 204

        choose("john smith", "p1")
        repeated = search(client, text="John Smith", searcher="p3")
        assert repeated["without_nn"] == "repeated within 30 days"
        assert ids(repeated) == ["p1", "p/4"]
        assert search(client, text="john smith", searcher="p2")["without_nn"] is None, "another searcher"
        assert search(client, text="john", searcher="p3")["without_nn"] is None, "other words"
        choose("jane smith", "p3")  # no document has both words
        assert search(client, text="jane smith", searcher="p3")["without_nn"] is None, "only nn finds it"
    logged = pq.read_table(tmp_path / "served" / "searches", columns=["query", "without_nn"]).to_pylist()
    rules = {row["query"]: row["without_nn"] for row in logged}
    assert (rules["John Smith"], rules["jane smith"]) == ("repeated within 30 days", None)
    with ServedLog(tmp_path / "served") as log:
        client = start(collection, models, searchers=SEARCHERS, served_log=log)
        assert search(client, text="john smith", searcher="p3")["without_nn"], "the log outlives the server"
