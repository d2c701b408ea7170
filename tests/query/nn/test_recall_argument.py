"""`:recall r` finds that share of the k nearest, for other queries and other filters, and is some `:scan`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.errors import QueryError
from alicorn.language import parse
from alicorn.query.nn import few
from alicorn.query.nn import recall as recall_module
from alicorn.query.run import Execution
from alicorn.query.sets import docset

DIM, NUM_DOCS, NUM_GROUPS = 16, 12_000, 80


def drawn(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    groups = rng.integers(NUM_GROUPS, size=count)
    centres = np.random.default_rng(1).normal(size=(NUM_GROUPS, DIM))
    return (centres[groups] + 0.7 * rng.normal(size=(count, DIM))).astype(np.float32), groups


@pytest.fixture(scope="module", params=["one segment", "segments and deletions"])
def collection(request, tmp_path_factory):
    rng = np.random.default_rng(0)
    vectors, groups = drawn(rng, NUM_DOCS)
    side = vectors[:, 0] > np.quantile(vectors[:, 0], 0.9)
    marked = {"tag:tenth": rng.random(NUM_DOCS) < 0.1, "tag:rare": rng.random(NUM_DOCS) < 0.002, "tag:side": side}
    tags = [[tag for tag in marked if marked[tag][i]] + [f"group:{groups[i] % 8}"] for i in range(NUM_DOCS)]
    with alicorn.Collection.create(tmp_path_factory.mktemp("recall") / "c", {"x": DIM}) as made:
        for start, stop in ((0, 8_000), (8_000, 11_000), (11_000, NUM_DOCS)):
            made.upsert(
                pa.table(
                    {
                        "doc_id": [f"d{number}" for number in range(start, stop)],
                        "terms": tags[start:stop],
                        "embedding:x": pa.array(vectors[start:stop].tolist()),
                    }
                )
            )
            if request.param == "one segment" or start == 0:
                made.flush()
        if request.param == "one segment":
            made.merge()
            made.train(num_clusters=100)
        else:
            made.train(num_clusters=100)
            made.upsert(pa.table({"doc_id": ["new"], "terms": [["tag:side"]], "embedding:x": [vectors[5].tolist()]}))
            made.delete([f"d{number}" for number in range(0, NUM_DOCS, 7)])
        yield made


@pytest.fixture
def no_few(monkeypatch):
    """So that this small collection shows what large ones do."""
    monkeypatch.setattr(recall_module, "FEW", 0)
    monkeypatch.setattr(few, "FEW", 0)


FILTERS = ("", "tag:tenth", "tag:rare", "tag:side", "group:3", "(and tag:side group:3)", "(or tag:rare group:5)")


def spelled(filter: str, k: int, how: str = "") -> str:
    return f"(nn x :k {k}{how}{f' :filter {filter}' if filter else ''})"


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize(("k", "recall"), [(1, 0.9), (10, 0.8), (10, 0.95), (100, 0.95)])
def test_the_promised_recall_is_met(no_few, collection, filter, k, recall):
    queries, _ = drawn(np.random.default_rng(77), 150)
    found = []
    for query in queries:
        exact = collection.search(spelled(filter, k), {"x": query}, limit=k).ids
        approximate = collection.search(spelled(filter, k, f" :recall {recall}"), {"x": query}, limit=k).ids
        found.append(len(set(exact) & set(approximate)) / len(exact))
    assert np.mean(found) >= recall - 0.01


def test_explain_says_which_scan_it_became_and_that_is_the_same_set(no_few, collection):
    queries, _ = drawn(np.random.default_rng(5), 10)
    fewer = 0
    for filter in FILTERS:
        for query in queries:
            result = collection.search(spelled(filter, 10, " :recall 0.9"), {"x": query}, explain=True)
            described = result.explanation.to_dict()
            same = collection.search(spelled(filter, 10, f" :scan {described['scan']}"), {"x": query})
            assert result.ids == same.ids
            if described["clusters"] is not None:
                fewer += 1
                assert f"{described['clusters']} clusters, as :scan {described['scan']}" in str(result.explanation)
    assert fewer > 20


def test_every_plan_and_search_many_give_the_same(no_few, collection):
    queries, _ = drawn(np.random.default_rng(6), 12)
    for filter in FILTERS[1:]:
        expression = spelled(filter, 10, " :recall 0.9")
        root = parse(expression)
        many = collection.search_many([expression] * len(queries), {"x": queries})
        for query, result in zip(queries, many, strict=True):
            assert result.ids == collection.search(expression, {"x": query}).ids
            unit = {"x": (query / np.linalg.norm(query)).astype(np.float32)}
            snapshot = collection.snapshot()
            runs = [Execution(snapshot, unit, forced=plan).run(root) for plan in (None, "exact", "slice", "scan")]
            sets = [[docset.as_array(part).tolist() for part in run] for run in runs]
            assert all(one == sets[0] for one in sets)


def test_with_few_allowed_documents_the_answer_is_exact(collection):
    queries, _ = drawn(np.random.default_rng(9), 20)
    for query in queries:
        exact = collection.search(spelled("(and tag:side group:3)", 10), {"x": query}).ids
        assert collection.search(spelled("(and tag:side group:3)", 10, " :recall 0.5"), {"x": query}).ids == exact


def test_recall_1_is_exact_and_more_than_all_neighbours_are_all(collection):
    query, _ = drawn(np.random.default_rng(8), 1)
    for how, k in ((" :recall 1", 10), (" :recall 0.9", NUM_DOCS)):
        exact = collection.search(spelled("", k), {"x": query[0]}, limit=k).ids
        assert collection.search(spelled("", k, how), {"x": query[0]}, limit=k).ids == exact


def test_a_key_without_calibration_is_searched_exactly_and_explain_says_so(tmp_path):
    with alicorn.Collection.create(tmp_path / "c", {"x": DIM}) as untrained:
        vectors, _ = drawn(np.random.default_rng(2), 50)
        untrained.upsert(pa.table({"doc_id": [f"d{i}" for i in range(50)], "embedding:x": pa.array(vectors.tolist())}))
        result = untrained.search("(nn x :k 5 :recall 0.8)", {"x": vectors[0]}, explain=True)
        assert result.ids == untrained.search("(nn x :k 5)", {"x": vectors[0]}).ids
        assert "all clusters, 50 documents: exact, as the key has no calibration yet" in str(result.explanation)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("(nn x :k 5 :recall 0.9 :nprobe 3)", "one of :nprobe .* got :nprobe and :recall"),
        ("(nn x :k 5 :recall 0.9 :scan 3)", "got :scan and :recall"),
        ("(nn x :radius 0.3 :recall 0.9)", "only with :k"),
        ("(nn x :k 5 :recall 0)", r"needs recall in \(0, 1\], got 0"),
        ("(nn x :k 5 :recall 1.01)", r"needs recall in \(0, 1\], got 1.01"),
        ("(nn x :k 5 :recall high)", r"needs recall in \(0, 1\], got high"),
    ],
)
def test_what_makes_no_sense_is_refused(expression, problem):
    with pytest.raises(QueryError, match=problem):
        parse(expression)


def test_it_is_written_as_it_is_read():
    expression = "(nn x :k 5 :recall 0.95 :filter tag:a)"
    assert str(parse(expression)) == expression
