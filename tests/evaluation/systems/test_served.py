"""Served systems are what the Retriever answers, request by request; the table has them in one comparison."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from served_people import DOCUMENTS, UNIFIED, VERTICAL, Model, make_collection

from alicorn.evaluation.metrics.comparison import compare
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.reports.recall import RecallReport, with_served
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import (
    BM25,
    BOOLEAN,
    HYBRID,
    NN,
    Answered,
    encoding_times,
    request_vectors,
    served,
    served_systems,
)
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import HitOrders, Selection
from alicorn.vertical.selection.requests import RepeatRule

QUERIES = ["john smith", "jane", "smyth bergen", "nobody"]
CITIES = ["Bergen", "Oslo", None, "Oslo"]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with make_collection(tmp_path_factory.mktemp("served") / "collection") as opened:
        yield opened


@pytest.fixture(scope="module")
def searches():
    documents = DOCUMENTS.sort_by("doc_id")
    ids = documents["doc_id"].to_pylist()
    return Searches(
        split="valid",
        search_ids=pa.chunked_array([[f"s{row}" for row in range(4)]]),
        times_us=np.zeros(4, dtype=np.int64),
        requests=pa.table({"query": QUERIES, "city": CITIES}),
        documents=documents,
        targets=Targets.of([[ids.index("p/4")], [ids.index("p3")], [ids.index("p2")], []]),
        segments=[["exact"], ["exact"], [], []],
        num_in_split=4,
        num_without_targets=1,
        simulated=False,
    )


def test_an_easy_repeat_is_answered_by_words_alone(collection, searches):
    """Of one search its searcher had clicked p/4 for the same words a day before, of another a week before."""
    model = Model("people", personal=True)
    rule = RepeatRule(kind="repeat", days=2)
    model.vertical = VERTICAL.model_copy(update={"selection": Selection(requests=(rule,))})
    day = 86_400_000_000
    known = replace(searches, earlier=[[(-day, "p/4")], [(-7 * day, "p3")], [], []])
    retriever = Retriever(collection, [model])
    vectors = request_vectors(retriever, known, "people")
    hybrid = served(retriever, known, 5, "hybrid", "people", vectors).run
    boolean = served(retriever, known, 5, "boolean").run
    without = served(retriever, searches, 5, "hybrid", "people", vectors).run
    assert hybrid[0].tolist() == boolean[0].tolist() != without[0].tolist()
    assert hybrid[1:].tolist() == without[1:].tolist()
    assert len(encoding_times(retriever, known, "people")) == 4
    unread = replace(known, requests=known.requests.append_column("before_genre", pa.nulls(len(known), pa.string())))
    assert len(encoding_times(retriever, unread, "people")) == 4


def test_every_system_is_what_the_retriever_answers(collection, searches):
    ordered = Model("people", personal=True)
    ordered.vertical = VERTICAL.model_copy(update={"order": HitOrders(hybrid={"nn": 1, "bm25": 0.5})})
    ids = searches.documents["doc_id"].to_pylist()
    for model, systems in (
        (UNIFIED, {"hybrid, by nn", "hybrid, by rrf"}),
        (ordered, {"hybrid, by nn", "hybrid, by rrf"}),
    ):
        retriever = Retriever(collection, [model])
        found = served_systems(retriever, searches, "people", 3)
        assert set(found) == {BOOLEAN, BM25, NN, HYBRID} | systems
        asked = {
            BOOLEAN: {"mode": "boolean"},
            NN: {"mode": "embedding"},
            HYBRID: {},
            "hybrid, by nn": {"order_by": "nn"},
            "hybrid, by rrf": {"order_by": {"rrf": ["nn", "bm25"]}},
        }
        for system in found.keys() & asked.keys():
            for row, (query, city) in enumerate(zip(QUERIES, CITIES, strict=True)):
                request = retriever.request(text=query, searcher={"city": city}, limit=3, **asked[system])
                expected = retriever.search(request).ids
                answered = [ids[number] for number in found[system].run[row] if number >= 0]
                assert answered == expected, (system, query)
        assert found[HYBRID].took_ms.shape == (4,)
        assert (found[HYBRID].took_ms > 0).all()
    any_word = [[ids[number] for number in row if number >= 0] for row in found[BM25].run]
    assert [sorted(row) for row in any_word] == [["p/4", "p1", "p2"], ["p3"], ["p2"], []]


def exact_report(searches):
    runs = {"exact search": np.full((4, 3), -1, dtype=np.int32)}
    facts = {
        "num_searches": 4,
        "num_in_split": 4,
        "num_documents": 4,
        "split": "valid",
        "model": "m",
        "simulated": False,
    }
    return RecallReport(compare(runs, searches.targets), {}, facts, runs)


def test_a_report_says_where_words_alone_are_better_than_what_is_served(searches):
    wrong = np.full((4, 1), -1, dtype=np.int32)
    right = np.append(searches.targets.documents, np.int32(-1))[:, None]

    def said(words, both):
        answered = {name: Answered(run, np.ones(4)) for name, run in ((BM25, words), (NN, wrong), (HYBRID, both))}
        return with_served(exact_report(searches), answered, searches, (1, 3), seed=0).markdown()

    better = "BM25, any word alone is better than hybrid by NDCG@3 +1.000 [+1.000, +1.000]: `alicorn tune"
    assert better in said(right, wrong)
    assert "alone is better" not in said(right, right)
    assert "alone is better" not in said(wrong, right)


def test_one_table_has_every_system_with_its_difference_to_what_is_served(collection, searches):
    answered = served_systems(Retriever(collection, [UNIFIED]), searches, "people", 3)
    report = with_served(exact_report(searches), answered, searches, (1, 3), seed=0)
    comparison = report.comparison
    assert comparison.measures == ("recall@1", "recall@3", "NDCG@3", "MRR@3", "empty", "ms")
    assert comparison.baseline == HYBRID
    assert comparison.num_without_targets == 1
    assert comparison.mean(BOOLEAN, "empty").mean == pytest.approx(1 / 3)  # all words of "smyth bergen"
    assert comparison.mean(BOOLEAN, "recall@3").mean == pytest.approx(2 / 3)
    assert comparison.mean(HYBRID, "recall@3").mean == 1
    assert comparison.difference(BOOLEAN, "recall@3").mean == pytest.approx(-1 / 3)
    assert comparison.mean(HYBRID, "ms").mean > 0
    assert np.isnan(comparison.mean("exact search", "ms").mean)
    assert f"| {HYBRID} |" in report.markdown()
    assert "50th and 99th percentile" in report.markdown()
