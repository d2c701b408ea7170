"""The first by a weighted sum are those of scoring every hit, although few of many hits are scored."""

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.query.order import order_by, scores

NUM_DOCS, DIM = 20_000, 8
EXPRESSIONS = [
    "(or (and text:w0 text:w1) (nn x :radius 0.9))",
    "(or text:w0 text:w3 (nn x :radius 0.4))",
    "(or text:w0 (fuzzy text:w12 :exact 2) (nn x :radius 0.9))",
    "(or text:w0 (nn x :radius 1.2) (nn x :radius 1.2 :vector other))",
]
ORDERS = [
    {"nn": 0.7, "bm25": 0.3},
    {"bm25": {"weight": 0.5, "half_at": 2}, "nn": 1},
    {"nn": 1, "static_rank": {"weight": 0.1, "log": True}, "bm25:text": 0.2},
    {"nn": 0.5},
    {"bm25": 1, "nn": 0.01},
]


@pytest.fixture(scope="module", params=[1, 3], ids=["one segment", "three segments, some documents deleted"])
def collection(request, tmp_path_factory):
    rng = np.random.default_rng(5)
    with alicorn.Collection.create(tmp_path_factory.mktemp("sums") / "c", {"x": DIM}) as made:
        for part in np.array_split(np.arange(NUM_DOCS), request.param):
            words = [[f"text:w{w}" for w in row] for row in rng.geometric(0.3, (len(part), 4)) - 1]
            vectors = rng.normal(size=(len(part), DIM)).astype(np.float32)
            rows = [None if rng.random() < 0.05 else row for row in vectors.tolist()]
            table = {
                "doc_id": [f"d{number}" for number in part],
                "static_rank": rng.integers(0, 5, len(part)).astype(float),
                "terms": pa.array(words, pa.list_(pa.string())),
                "embedding:x": pa.array(rows),
            }
            made.upsert(pa.table(table))
            made.flush()
        if request.param > 1:
            made.delete([f"d{number}" for number in range(0, NUM_DOCS, 9)])
        yield made


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_first_are_those_of_scoring_every_hit(collection, expression, order, monkeypatch):
    rng = np.random.default_rng(6)
    vectors = {name: rng.normal(size=DIM) for name in ("x", "other")}
    monkeypatch.setattr("alicorn.query.order.by_sum._SHARE", 4)  # try longer lists than are worth it
    for limit in (1, 10):
        pruned = collection.search(expression, vectors, limit, order)
        with monkeypatch.context() as patch:
            patch.setattr(order_by, "first_by_sum", lambda *_: None)
            every = collection.search(expression, vectors, limit, order)
        assert every.total > NUM_DOCS // 8
        assert pruned.total == every.total
        assert pruned.ids == every.ids
        assert pruned.scores.tolist() == every.scores.tolist()


def test_few_of_many_hits_are_scored(collection, monkeypatch):
    scored = []

    def counted(evaluation, prepared, key, numbers):
        scored.append(sum(map(len, numbers)))
        return scores.scores_by(evaluation, prepared, key, numbers)

    monkeypatch.setattr("alicorn.query.order.by_sum.scores_by", counted)
    vectors = {"x": np.random.default_rng(7).normal(size=DIM)}
    found = collection.search("(or text:w0 text:w1 (nn x :radius 0.5))", vectors, 1, {"nn": 0.7, "bm25": 0.3})
    assert len(scored) == 1
    assert 0 < scored[0] < found.total / 8
