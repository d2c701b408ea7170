"""query: answers, orders and explanations on the standard output; wrong requests are refused."""

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import alicorn, name_of, succeed

from alicorn import Collection

SEATTLE = json.dumps({"city": "Seattle", "clusters": ["c1"], "cluster_weights": [1.0]})


def test_query_an_expression(loop):
    doc_id, name = name_of(loop)
    first, last = name.lower().split()[0], name.lower().split()[-1]
    done = succeed("query", loop.collection, f"(and text:{first} text:{last})")
    assert doc_id in done.out
    assert f"name: {name}" in done.out
    assert " of " in done.out.splitlines()[-1]


def test_interests_of_a_history_and_a_query_by_them(loop, tmp_path):
    out, activity = tmp_path / "interests.parquet", loop.logs / "activity"
    build = ("interests", activity, "--collection", loop.collection, "--out", out, "--key")
    told = succeed(*build, "people", "--threshold", "1.0", "--json").json()
    table = pq.read_table(out)
    assert told["searchers"] == len(table) > 0
    assert told["interests"] == sum(map(len, table["doc_ids"].to_pylist())) > len(table)
    row = max(table.to_pylist(), key=lambda row: len(row["doc_ids"]))
    ask = ("query", loop.collection, "--interests", out, "--of", row["searcher_id"], "--limit", "50", "--json")
    hits = [hit["doc_id"] for hit in succeed(*ask).json()["hits"]]
    assert len(set(row["doc_ids"]) & set(hits[:3])) >= min(3, len(row["doc_ids"]))  # a medoid is nearest to itself
    within = [hit["doc_id"] for hit in succeed(*ask, "--regions").json()["hits"]]
    assert set(hits[:3]) & set(row["doc_ids"]) <= set(within)
    alone = alicorn("query", loop.collection, "(or)", "--regions").refusal()
    assert "--regions is the expression of --interests" in alone
    again = (*build[:-1], "--overwrite", "--key")
    assert "the collection has people" in alicorn(*again, "persons").refusal()
    assert "decay: input should be a finite number" in alicorn(*again, "people", "--decay", "inf").refusal()
    assert "is not in the table of interests" in alicorn(*ask[:-4], "nobody").refusal()
    assert "belong together" in alicorn("query", loop.collection, "--interests", out).refusal()


def test_query_as_json_has_total_hits_stored_columns_and_explanation(loop):
    done = succeed("query", loop.collection, "(range graduation_year :min 1900)", "--limit", "3", "--json", "--explain")
    answer = done.json()
    assert len(answer["hits"]) == 3 < answer["total"]
    assert answer["hits"][0]["stored"]["graduation_year"] >= 1900
    assert answer["explanation"]["actual"] == answer["total"]
    assert answer["notices"] == []
    assert "explanation" not in succeed("query", loop.collection, "(or)", "--json").json()


def test_query_as_json_has_null_for_a_stored_value_that_is_no_json_number(tmp_path):
    ratings = [float("nan"), float("-inf"), 4.5]
    with Collection.create(tmp_path / "c", embeddings={"v": 2}) as collection:
        collection.upsert(pa.table({"doc_id": ["a", "b", "c"], "terms": [["all:1"]] * 3, "rating": ratings}))
    done = succeed("query", tmp_path / "c", "all:1", "--json")
    assert "NaN" not in done.out
    assert "Infinity" not in done.out
    assert [hit["stored"]["rating"] for hit in done.json()["hits"]] == [None, None, 4.5]


def test_facets_are_printed_below_the_hits(tmp_path):
    with Collection.create(tmp_path / "c") as collection:
        columns = {"brand": ["x", "y", "x", None], "price": [1.0, 10.0, 20.0, 60.5]}
        terms = [["all", "tag:a"], ["all", "tag:a", "tag:b"], ["all"], ["all"]]
        collection.upsert(pa.table({"doc_id": list("abcd"), "terms": terms, **columns}))
    ask = ("query", tmp_path / "c", "all", "--limit", "1", "--facet")
    lines = succeed(*ask, "brand", "--facet", "tag:", "--facet", "price:edges=10,50.5").out.splitlines()
    assert lines[-3:] == [
        "brand  x: 2, y: 1 (2 of 2 values, 1 without)",
        "tag:  a: 2, b: 1 (2 of 2 values)",
        "price  below 10: 1, 10 to below 50.5: 2, from 50.5: 1 (3 of 3 values)",
    ]
    assert succeed(*ask, "brand", "--json").json()["facets"] == {
        "brand": {"buckets": [{"value": "x", "count": 2}, {"value": "y", "count": 1}], "num_values": 2, "missing": 1}
    }
    assert "there is no 'brnd'; the collection has: brand, price" in alicorn(*ask, "brnd").refusal()
    assert "its column is double: give a number, got 'low'" in alicorn(*ask, "price:edges=low").refusal()
    assert "a whole number after :top=" in alicorn(*ask, "brand:top=many").refusal()
    assert "'brand' is string" in alicorn(*ask, "brand:edges=1").refusal()
    assert "'brand' is given twice" in alicorn(*ask, "brand", "--facet", "brand:top=2").refusal()


def test_a_facet_takes_how_many_values_and_an_interval(tmp_path):
    with Collection.create(tmp_path / "c") as collection:
        days = [date(2024, 1, 31), date(2024, 3, 1), date(2024, 3, 31)]
        terms = [["all", "tag:a"], ["all", "tag:a", "tag:b"], ["all"]]
        table = {"doc_id": list("abc"), "terms": terms, "price": [1.5, 10.0, 19.0], "sold": days}
        collection.upsert(pa.table(table))
    ask = ("query", tmp_path / "c", "all", "--limit", "1", "--facet")
    more = ("tag::top=1", "--facet", "price:interval=7.5", "--facet", "sold:interval=month")
    assert succeed(*ask, *more).out.splitlines()[-3:] == [
        "tag:  a: 2 (1 of 2 values)",
        "price  0 to below 7.5: 1, 7.5 to below 15: 1, 15 to below 22.5: 1 (3 of 3 values)",
        "sold  2024-01-01 to below 2024-02-01: 1, 2024-02-01 to below 2024-03-01: 0, 2024-03-01 to below 2024-04-01: 2"
        " (3 of 3 values)",
    ]
    assert succeed(*ask, "sold:interval=year", "--json").json()["facets"]["sold"]["buckets"] == [
        {"value": ["2024-01-01", "2025-01-01"], "count": 3}
    ]
    assert "one of day, week, month, year; got 'moon'" in alicorn(*ask, "sold:interval=moon").refusal()


def test_a_hit_shows_the_columns_that_are_asked_for(tmp_path):
    with Collection.create(tmp_path / "c") as collection:
        collection.upsert(pa.table({"doc_id": ["a"], "terms": [["all"]], "brand": ["x"], "price": [1.5]}))
    ask = ("query", tmp_path / "c", "all")
    assert succeed(*ask, "--column", "price").out.splitlines()[0].split() == ["0.0000", "a", "price:", "1.5"]
    (hit,) = succeed(*ask, "--column", "price", "--column", "brand", "--json").json()["hits"]
    assert hit["stored"] == {"doc_id": "a", "price": 1.5, "brand": "x"}
    assert "did you mean 'brand'" in alicorn(*ask, "--column", "brnd").refusal()


@pytest.mark.parametrize("searcher", ["{}", SEATTLE])
def test_query_a_text_with_a_model_uses_the_vertical_s_hybrid_expression(loop, searcher):
    _, name = name_of(loop)
    hybrid = ("query", loop.collection, "--text", name, "--model", loop.model, "--searcher", searcher)
    answer = succeed(*hybrid, "--json", "--explain").json()
    assert answer["explanation"]["expression"].startswith("(or ")
    assert "(nn people :k 100 :recall" in answer["explanation"]["expression"]
    assert answer["hits"][0]["stored"]["name"] == name


def test_the_hybrid_expression_looks_for_the_key_of_the_model_that_is_given(loop):
    answer = succeed("query", loop.collection, "--text", "x", "--model", loop.text_model, "--json", "--explain").json()
    assert "(nn people-text " in answer["explanation"]["expression"]


def test_the_searcher_changes_the_answer_of_the_unified_embedding(loop):
    searchers = pq.read_table(loop.logs / "searchers").drop_columns("searcher_id").to_pylist()
    ask = ("query", loop.collection, "(nn people :k 3)", "--text", "maria", "--model", loop.model, "--json")
    answers = [succeed(*ask, "--searcher", json.dumps(searchers[row])).json()["hits"] for row in (0, 1)]
    assert answers[0] != answers[1]


def test_query_ordered_by_a_weighted_sum(loop):
    _, name = name_of(loop)
    first = name.lower().split()[0]
    ask = ("query", loop.collection, f"(or text:{first} (nn people :k 20))", "--text", name, "--model", loop.model)
    summed, by_nn = (succeed(*ask, "--order-by", order, "--json").json() for order in ("nn=0.7,bm25=0.3", "nn"))
    assert summed["total"] == by_nn["total"]
    scores = [hit["score"] for hit in summed["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.7, "a cosine of at most 1 weighs 0.7: the rest is BM25"


def test_query_by_stored_columns_page_by_page(loop):
    ask = ("query", loop.collection, "(range graduation_year :min 1900)", "--json")
    ask = (*ask, "--order-by", "graduation_year desc", "--order-by", "city")
    both = succeed(*ask, "--limit", "20").json()
    shown = [(-hit["stored"]["graduation_year"], hit["stored"]["city"]) for hit in both["hits"]]
    assert shown == sorted(shown)
    first = succeed(*ask, "--limit", "12").json()
    rest = succeed(*ask, "--limit", "8", "--after", first["cursor"]).json()
    assert first["hits"] + rest["hits"] == both["hits"]
    assert succeed(*ask, "--limit", "8", "--offset", "12").json()["hits"] == rest["hits"]


def test_explain_shows_every_node(loop):
    expression = "(or (difference text:a text:b) (range graduation_year :max 2000))"
    out = succeed("query", loop.collection, expression, "--explain").out
    for node in (expression, "(difference text:a text:b)", "text:a ", "(range graduation_year :max 2000)"):
        assert any(line.strip().startswith(node) for line in out.splitlines()), f"{node} in {out}"


def test_a_notice_stands_on_standard_error(loop):
    ask = ("query", loop.collection, "(and text:maria (nn people :k 3))", "--text", "maria", "--model", loop.model)
    done = succeed(*ask)
    assert "note: (and ... (nn people :k 3))" in " ".join(done.err.split())
    assert "note:" not in done.out


def test_a_term_that_no_document_has_is_told_beside_hits_of_what_was_written(loop):
    done = succeed("query", loop.collection, "(or text:maria text:Maria)", "--limit", "1")
    assert "no document has 'text:Maria', but some have 'text:maria'" in " ".join(done.err.split())
    by_model = ("query", loop.collection, "--model", loop.model, "--text", "maria xyzzy", "--limit", "1")
    assert "no document" not in succeed(*by_model).err


def test_nothing_to_ask_for(loop):
    assert "give an expression, or --text" in alicorn("query", loop.collection).refusal()
    assert "give its query with --text" in alicorn("query", loop.collection, "a:b", "--model", loop.model).refusal()
    assert "give its folder with --model" in alicorn("query", loop.collection, "a:b", "--text", "x").refusal()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(and text:john", "offset 0: this parenthesis is never closed"),
        ("(and text:john (nn people :radius -0.24))", "offset 34: (nn ...) needs radius in (0, 2]"),
        ("(or a:b (frobnicate c:d))", "offset 9: "),
        ("(or a:b (nn pepole :k 3))", "offset 8: the collection has no embedding 'pepole'"),
        ("(or a:b (nn people :k 3))", "offset 8: (nn people ...) needs the request's vector"),
        ("(range prize :min 1)", "'prize'"),
        ("", "offset 0: "),
    ],
)
def test_a_wrong_expression_is_refused_with_its_offset(loop, expression, message):
    assert message in alicorn("query", loop.collection, expression).refusal()


@pytest.mark.parametrize(
    ("searcher", "message"),
    [
        ("{city: 1}", "--searcher must be a JSON object of columns: "),
        ('["Seattle"]', "--searcher must be a JSON object of columns, got list"),
        ('{"citty": "Seattle"}', "did you mean 'city'?"),
        ('{"city": 7}', "'city'"),
        ('{"city": "Seattle", "city": "Boston"}', "the key 'city' is there twice"),
        ('{"city": NaN}', "NaN is no JSON"),
        ('{"city": 1e400}', "too large for a double"),
        ('{"city": ["Seattle"]}', "'city'"),
        ('{"social": [0.5]}', "'social'"),
    ],
)
def test_a_wrong_searcher_is_refused(loop, searcher, message):
    ask = ("query", loop.collection, "--text", "maria", "--model", loop.model, "--searcher", searcher)
    assert message in alicorn(*ask).refusal()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("popularity", "Allowed are nn, static_rank, bm25"),
        ("nn=much", "expected name=weight, such as nn=0.7,bm25=0.3, got 'nn=much'"),
        ("nn", "needs an (nn ...) in the expression"),
    ],
)
def test_a_wrong_order_is_refused(loop, order, message):
    assert message in alicorn("query", loop.collection, "text:maria", "--order-by", order).refusal()
