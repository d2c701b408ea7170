"""The best by BM25 are those of scoring every hit, ties included, whatever was skipped."""

import numpy as np
import pyarrow as pa
import pytest

import alicorn

NUM_DOCS = 6_000
WORDS = 300


def documents(rng: np.random.Generator, count: int, start: int = 0) -> pa.Table:
    """Titles of words by a Zipf law, some words several times, a few tags; doc_ids in no order."""
    weights = 1.0 / np.arange(1, WORDS + 1)
    rows = []
    for length in rng.integers(0, 12, count):
        words = rng.choice(WORDS, length, p=weights / weights.sum())
        rows.append([f"text:w{word}" for word in words] + [f"tag:{t}" for t in range(2) if rng.random() < 0.4])
    ids = [f"d{number}" for number in rng.permutation(np.arange(start, start + count))]
    return pa.table({"doc_id": ids, "terms": pa.array(rows, pa.list_(pa.string()))})


@pytest.fixture(scope="module", params=["one segment", "several segments, some documents deleted"])
def collection(request, tmp_path_factory):
    rng = np.random.default_rng(3)
    with alicorn.Collection.create(tmp_path_factory.mktemp("bm25") / "c", {}, positions=["text"]) as made:
        made.upsert(documents(rng, NUM_DOCS))
        made.flush()
        if request.param != "one segment":
            made.upsert(documents(rng, NUM_DOCS // 3, NUM_DOCS))
            made.flush()
            made.upsert(documents(rng, 50, 2 * NUM_DOCS))
            made.delete([f"d{number}" for number in range(0, NUM_DOCS, 7)])
        yield made


def scored(collection, expression):
    """(score, doc_id) of every hit, the best first."""
    whole = collection.search(expression, order_by="bm25", limit=collection.search(expression, limit=0).total)
    return list(zip(whole.scores.tolist(), whole.ids, strict=True))


EXPRESSIONS = [
    "text:w0",
    "tag:0",
    "(or text:w0 text:w1)",
    "(or text:w0 text:w5 text:w90)",
    "(or text:w200 tag:0 text:w2)",
    "(and text:w0 text:w1)",
    "(and text:w0 (not tag:1))",
    "(phrase text w1 w0 :slop 2)",
    "(or text:w7 (and tag:0 (phrase text w0 w0)))",
    "(or (and text:w1 tag:0) text:w40 text:nowhere)",
    "(difference (or text:w0 text:w3) tag:0)",
    "(prefix text:w1)",
]


@pytest.mark.parametrize("limit", [1, 10, 500])
def test_the_first_are_those_of_scoring_every_hit(collection, limit):
    for expression in EXPRESSIONS:
        every = scored(collection, expression)
        assert every == sorted(every, key=lambda hit: (-hit[0], hit[1]))
        result = collection.search(expression, order_by="bm25", limit=limit)
        assert list(zip(result.scores.tolist(), result.ids, strict=True)) == every[:limit], expression
        assert result.total == len(every)


def test_random_unions_and_intersections_agree_with_scoring_every_hit(collection):
    rng = np.random.default_rng(4)
    for at in range(60):
        count = 40 if at % 10 == 0 else rng.integers(1, 6)
        words = " ".join(f"text:w{word}" for word in rng.integers(0, WORDS, count))
        expression = f"({rng.choice(['or', 'and'])} {words})"
        every = scored(collection, expression)
        result = collection.search(expression, order_by="bm25", limit=10)
        assert list(zip(result.scores.tolist(), result.ids, strict=True)) == every[:10], expression
        assert result.total == len(every)
