"""Sums over logged hits order them as the collection does; the search finds what was put there."""

import datetime
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from served_people import DOCUMENTS, UNIFIED, VERTICAL, Model, make_collection

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.orders.block import order_of
from alicorn.evaluation.orders.logged import logged_hits
from alicorn.evaluation.orders.report import markdown, verdict, write_report
from alicorn.evaluation.orders.search import PRESENT, TUNED, search_order
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import request_vectors, served
from alicorn.language.order import read_order
from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import HitOrders, TermRule
from alicorn.vertical.expressions import BY_NN_AND_WORDS

QUERIES = ["john smith", "jane doe", "smyth", "nobody", "john", "doe smith"]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with make_collection(tmp_path_factory.mktemp("orders") / "collection") as opened:
        yield opened


def searches_for(queries, targets):
    documents = DOCUMENTS.sort_by("doc_id")
    return Searches(
        split="valid",
        search_ids=pa.chunked_array([[f"s{row}" for row in range(len(queries))]]),
        times_us=np.zeros(len(queries), dtype=np.int64),
        requests=pa.table({"query": queries, "city": pa.nulls(len(queries), pa.string())}),
        documents=documents,
        targets=targets,
        segments=[[] for _ in queries],
        num_in_split=len(queries),
        num_without_targets=0,
        simulated=False,
    )


@pytest.mark.parametrize(
    "order",
    [
        {"nn": 1},
        {"nn": 1, "bm25": 0.2},
        {"nn": 1, "bm25": {"weight": 2, "half_at": 1.5}, "static_rank": -0.1},
        {"nn": -1, "year": {"weight": 0.3, "log": True}},
        {"bm25": 1, "year": 0.01},
        {"nn": 1, "bm25": {"weight": 0.5, "fields": {"text": 3}}},
    ],
)
def test_logged_hits_come_as_the_collection_orders_them(collection, order):
    searches = searches_for(QUERIES, Targets.of([[0]] * len(QUERIES)))
    retriever = Retriever(collection, [UNIFIED])
    vectors = request_vectors(retriever, searches, "people")
    parts = read_order(order)[0].parts
    hits = logged_hits(retriever, searches, "people", vectors, parts)
    for depth in (1, 3, 10):
        expected = served(retriever, searches, depth, "hybrid", "people", vectors, order).run
        np.testing.assert_array_equal(hits.run(parts, depth), expected)
    row, (part, *_) = 0, parts
    own = hits.numbers[str(part)][hits.starts[row] : hits.starts[row + 1]]
    assert (
        len(own) == collection.search(retriever.read(QUERIES[row]).expression, {"people": vectors["people"][0]}).total
    )


def test_an_order_that_the_clicks_follow_is_found_and_measured_on_other_searches(collection):
    """The more popular of two equal names is wanted: no cosine knows that, and the static rank does."""
    documents = DOCUMENTS.sort_by("doc_id")["doc_id"].to_pylist()
    queries = ["john smith", "smith john"] * 30
    searches = searches_for(queries, Targets.of([[documents.index("p1")]] * 60))
    retriever = Retriever(collection, [UNIFIED])
    found = search_order(retriever, searches, "people", ["nn", "bm25", "static_rank"])
    assert found.orders[PRESENT] == BY_NN_AND_WORDS
    assert found.chosen == TUNED
    assert found.is_worth_having
    assert "static_rank" in found.orders[TUNED]
    assert found.comparison.mean(TUNED, "NDCG@10").mean == 1
    assert found.comparison.segments["overall"] == found.num_choosing == 30
    assert "Worth having: weighted sum" in markdown(found)


def test_words_of_the_field_that_is_clicked_for_weigh_more(tmp_path):
    """Who is called York is wanted, and not who lives there: to the cosine and to BM25 of all words they are equal."""
    rules = [TermRule(prefix=prefix, column=prefix, kind="words") for prefix in ("name", "city")]
    rules += [TermRule(prefix="text", column=column, kind="words") for column in ("name", "city")]
    document = VERTICAL.document.model_copy(update={"terms": tuple(rules)})
    model = Model("people", personal=False)
    model.vertical = VERTICAL.model_copy(update={"document": document})
    documents = pa.table(
        {
            "doc_id": ["p1", "p2", "p3"],
            "name": ["Bo", "York", "York"],
            "city": ["York", "Oslo", "Rome"],
            "year": [1990, 1991, 1992],
            "friends": pa.array([[], [], []], pa.list_(pa.string())),
            "popularity": [1.0, 1.0, 1.0],
        }
    )
    searches = replace(searches_for(["york"] * 40, Targets.of([[1, 2]] * 40)), documents=documents)
    with Collection.create(tmp_path / "c", {"people": model.dim}, metadata_of([model])) as opened:
        opened.upsert(indexed(documents, [model], datetime.datetime.now(datetime.UTC)).documents)
        found = search_order(Retriever(opened, [model]), searches, "people", ["bm25"])
    fields = found.orders[TUNED]["bm25"]["fields"]
    assert fields.get("city", 0) < fields["name"]
    assert found.comparison.mean(TUNED, "NDCG@10").mean == 1
    assert "Weights of fields" in (write_report(found, tmp_path)[0]).read_text()


def test_an_order_is_not_worth_having_where_nothing_is_better(collection, tmp_path):
    documents = DOCUMENTS.sort_by("doc_id")["doc_id"].to_pylist()
    searches = searches_for(["jane doe"] * 40, Targets.of([[documents.index("p3")]] * 40))
    model = Model("people", personal=True)
    model.vertical = VERTICAL.model_copy(update={"order": HitOrders(hybrid={"nn": 1, "bm25": 1})})
    found = search_order(Retriever(collection, [model]), searches, "people", ["nn", "bm25"])
    assert found.chosen == PRESENT
    assert not found.is_worth_having
    assert "Not worth changing" in verdict(found)
    assert [path.name for path in write_report(found, tmp_path)] == ["order.md", "order.json", "order.svg"]


def test_what_cannot_be_tuned_is_refused(collection):
    retriever = Retriever(collection, [UNIFIED])
    few, enough = (searches_for(["john"] * n, Targets.of([[0]] * n)) for n in (19, 20))
    with pytest.raises(ConfigError, match="20 are the least, got 19"):
        search_order(retriever, few, "people", ["nn", "bm25"])
    with pytest.raises(ConfigError, match="unknown part 'bm52': did you mean 'bm25'"):
        search_order(retriever, enough, "people", ["nn", "bm52"])


def test_an_order_is_written_as_it_is_read():
    order = {"nn": 1.0, "bm25:text": {"weight": 2.5, "half_at": 3.5}, "year": {"weight": 0.1, "log": True}}
    assert order_of(read_order(order)[0].parts) == order
