"""Weighted sums on scales and reciprocal-rank fusion against slow sums over the runs of their parts."""

import math

import pyarrow as pa
import pytest
from shop_rows import Shop, random_rows, table_of

import alicorn
from alicorn.errors import ConfigError

EXPRESSIONS = ["(or text:a text:b)", "(or text:c tag:x (nn v :k 40))", "(and (or text:a text:d) (nn v :radius 1.5))"]
NUMBERS = ["price", "stock", "huge", "cost", "wide", "sold", "nothing"]


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path / "c", 5)
    yield shop
    shop.collection.close()


def runs(shop, expression, vectors, parts):
    """Part -> doc_id -> its score, read from the rows or from a search by that part alone; absent where it has none."""
    ids = shop.collection.search(expression, vectors, limit=1000).ids
    found = {}
    for part in parts:
        if part in NUMBERS:
            known = {doc_id: shop.rows[doc_id][part] for doc_id in ids}
            found[part] = {doc_id: float(value) for doc_id, value in known.items() if value is not None}
            found[part] = {doc_id: value for doc_id, value in found[part].items() if not math.isnan(value)}
        else:
            by_part = shop.collection.search(expression, vectors, limit=1000, order_by=part)
            scores = zip(by_part.ids, by_part.scores.astype(float).tolist(), strict=True)
            found[part] = {doc_id: score for doc_id, score in scores if score > -math.inf}
    return ids, found


def on_scale(value, part):
    if "half_at" in part:
        return value / (abs(value) + part["half_at"])
    if part.get("log"):
        return math.copysign(math.log(1 + abs(value)), value)
    return value


def random_parts(rng, expression, count):
    names = ["static_rank", "bm25", "bm25:text", "price", "stock", "cost", "sold", "nothing", "huge"]
    return rng.sample(names + (["nn", "nn:v"] if "nn" in expression else []), count)


def vectors_for(shop, expression):
    return {"v": [shop.rng.uniform(-1, 1) for _ in range(3)]} if "nn" in expression else {}


def test_a_sum_is_that_of_its_parts_on_their_scales(shop):
    for state in ("several segments", "merged"):
        for _ in range(40):
            expression = shop.rng.choice(EXPRESSIONS)
            vectors = vectors_for(shop, expression)
            order = {}
            for name in random_parts(shop.rng, expression, shop.rng.randint(2, 4)):
                scale = shop.rng.choice([{}, {"half_at": 2.5}, {"log": True}])
                order[name] = {"weight": round(shop.rng.uniform(-2, 2), 2), **scale}
            ids, found = runs(shop, expression, vectors, order)

            def total(doc_id, order=order, found=found):
                known = 0.0
                for name, part in order.items():
                    value = found[name].get(doc_id, -1.0 if name.startswith("nn") else 0.0)
                    value = min(max(value, -1e300), 1e300)
                    known += min(max(part["weight"] * on_scale(value, part), -1e300), 1e300)
                return known

            result = shop.collection.search(expression, vectors, limit=1000, order_by=order)
            assert sorted(result.ids) == sorted(ids)
            assert result.scores.tolist() == pytest.approx(
                [total(doc_id) for doc_id in result.ids], rel=1e-6, abs=1e-6
            ), (
                state,
                expression,
                order,
            )
            assert (result.scores[:-1] >= result.scores[1:]).all()
        shop.collection.merge()


def test_fusion_is_that_of_the_runs_of_its_parts(shop):
    for state in ("several segments", "merged"):
        for _ in range(40):
            expression = shop.rng.choice(EXPRESSIONS)
            vectors = vectors_for(shop, expression)
            parts = random_parts(shop.rng, expression, shop.rng.randint(1, 4))
            weights = {name: shop.rng.choice([1.0, 1.0, 0.5, 3.0]) for name in parts}
            k = shop.rng.choice([60, 1, 0.5])
            ids, found = runs(shop, expression, vectors, parts)
            fused = dict.fromkeys(ids, 0.0)
            for name, weight in weights.items():
                ranked = [one for one in found[name].items() if not name.startswith("bm25") or one[1] > 0]
                for doc_id, score in ranked:
                    rank = 1 + sum(other > score for _, other in ranked)
                    fused[doc_id] += weight / (k + rank)
            expected = sorted(ids, key=lambda doc_id: (-fused[doc_id], doc_id))
            order = {"rrf": weights, "k": k}
            result = shop.collection.search(expression, vectors, limit=1000, order_by=order)
            assert result.scores.tolist() == pytest.approx([fused[one] for one in expected]), (state, expression, order)
            assert result.ids == expected, (state, expression, order)
            assert shop.collection.search(expression, vectors, limit=7, order_by=order).ids == expected[:7]
            second = shop.collection.search(expression, vectors, limit=7, order_by=["sold desc", order])
            assert [shop.rows[one]["sold"] for one in second.ids] == [True] * len(second.ids)
            expected.sort(key=lambda one: (-fused[one], -shop.rows[one]["static_rank"], one))
            assert second.ids == [one for one in expected if shop.rows[one]["sold"]][:7]
        shop.collection.merge()


def test_pages_of_a_fusion_are_the_whole_answer(shop):
    order, vectors = {"rrf": ["nn", "bm25"]}, {"v": [1.0, 0.2, -0.3]}
    whole = shop.collection.search("(or text:c (nn v :k 40))", vectors, limit=1000, order_by=order)
    pages, after = [], None
    while True:
        page = shop.collection.search("(or text:c (nn v :k 40))", vectors, limit=9, order_by=order, after=after)
        if not page.ids:
            break
        pages, after = pages + page.ids, page.cursor
    assert pages == whole.ids
    first = shop.collection.search("(or text:c (nn v :k 40))", vectors, limit=9, order_by=order)
    other = {"rrf": ["nn", "bm25"], "k": 10}
    with pytest.raises(ConfigError, match="of another order"):
        shop.collection.search("(or text:c (nn v :k 40))", vectors, order_by=other, after=first.cursor)


def test_a_fusion_has_no_shares(shop):
    with pytest.raises(ConfigError, match="order by a weighted sum"):
        shop.collection.search("(strong-or (text:a :optional-weight 0.5) text:b)", order_by={"rrf": ["bm25"]})


def test_bm25_of_one_prefix_and_the_nn_of_one_key(tmp_path):
    with alicorn.Collection.create(tmp_path / "c", {"v": 2, "w": 2}) as collection:
        rows = {"a": (["title:x"], [1.0, 0.0], [0.0, 1.0]), "b": (["text:x", "text:y"], [0.0, 1.0], [1.0, 0.0])}
        for doc_id, (terms, v, w) in rows.items():
            document = {"doc_id": [doc_id], "terms": [terms], "embedding:v": [v], "embedding:w": [w]}
            collection.upsert(pa.table(document))
        words = "(or title:x text:x text:y)"
        assert collection.search(words, order_by="bm25").ids == ["b", "a"]
        assert collection.search(words, order_by="bm25:title").ids == ["a", "b"]
        vectors = {"v": [1, 0.1], "w": [1, 0.1]}
        near = "(or (nn v :k 2) (nn w :k 2))"
        assert collection.search(near, vectors, order_by="nn").ids == ["a", "b"]
        assert collection.search(near, vectors, order_by="nn:w").ids == ["b", "a"]
        assert collection.search(near, vectors, order_by={"nn": 1, "nn:w": 2}).ids == ["b", "a"]


def test_words_by_bm25_and_then_static_rank_are_those_of_scoring_all(shop):
    """The plan that looks at the best alone gives what sorting everything gives, many ties or few."""
    for doc_ids, rank in ((range(300, 420), 1.0), (range(420, 430), 5.0)):
        rows = random_rows(shop.rng, [f"t{i}" for i in doc_ids])
        for row in rows:
            row |= {"terms": ["text:tied"], "static_rank": rank}
        shop.collection.upsert(table_of(rows))
    for expression in (
        "text:tied",
        "(or text:a text:b text:tied)",
        "(and text:a text:b)",
        "(and text:a (range stock :min 0))",
    ):
        for order in (["bm25", "static_rank"], ["bm25", "stock desc"]):
            whole = shop.collection.search(expression, limit=1000, order_by=order)
            for limit in (0, 1, 5, 60, 130):
                cut = shop.collection.search(expression, limit=limit, order_by=order)
                assert cut.ids == whole.ids[:limit]
                assert cut.total == whole.total
                assert cut.scores.tolist() == whole.scores.tolist()[:limit]
            page = shop.collection.search(expression, limit=5, offset=3, order_by=order)
            assert page.ids == whole.ids[3:8]
    first = shop.collection.search("text:tied", limit=10, order_by=["bm25", "static_rank"])
    assert set(first.ids) == {f"t{i}" for i in range(420, 430)}
