"""Every order and every page against sorting in Python: several segments, deletes, merges, all types of columns."""

import math

import numpy as np
import pyarrow as pa
import pytest
from shop_rows import TYPES, Shop, random_rows

import alicorn
from alicorn.errors import ConfigError, QueryError

SCORES = ["nn", "static_rank", "bm25"]


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path / "c", 3)
    yield shop
    shop.collection.close()


def random_order(rng):
    keys = []
    for _ in range(rng.randint(1, 3)):
        score = rng.choice([*SCORES, {"nn": 0.7, "bm25": 0.3}, {"static_rank": -1}])
        column = f"{rng.choice(list(TYPES))}{rng.choice(['', ' asc', ' desc'])}"
        keys.append(rng.choice([score, column, column]))
    return keys[0] if len(keys) == 1 and rng.random() < 0.5 else keys


EXPRESSIONS = [
    "text:a",
    "(or text:a text:b)",
    "(and text:a (nn v :radius 1.2))",
    "(nn v :k 40)",
    "(or text:c (nn v :k 9))",
]


def expected(shop, ids, keys, scores):
    """All ids in the order, one stable sort a key from the last to the first. scores: of each score by doc_id."""
    keys = [keys] if isinstance(keys, str | dict) else list(keys)
    of_columns = [key for key in keys if isinstance(key, str) and key not in SCORES]
    if of_columns and "static_rank" not in keys:
        keys.append("static_rank")
    ordered = sorted(ids)
    for key in reversed(keys):
        if key in of_columns:
            name, _, direction = key.partition(" ")

            def value(doc_id, name=name):
                found = shop.rows[doc_id][name]
                return None if found is None or found != found else found

            known = [doc_id for doc_id in ordered if value(doc_id) is not None]
            groups = {}
            for doc_id in known:
                groups.setdefault(value(doc_id), []).append(doc_id)
            ranked = sorted(groups, reverse=direction == "desc")
            ordered = [one for group in ranked for one in groups[group]] + [d for d in ordered if value(d) is None]
        else:
            weights = {key: 1.0} if isinstance(key, str) else key

            def total(doc_id, weights=weights):
                least = -math.inf if weights == {"nn": 1.0} else -1.0
                return sum(
                    weight * (least if name == "nn" and scores[name][doc_id] == -math.inf else scores[name][doc_id])
                    for name, weight in weights.items()
                )

            ordered.sort(key=lambda doc_id: -total(doc_id))
    return ordered


def asked(shop, expression, order, vectors, **page):
    return shop.collection.search(expression, vectors, order_by=order, **page)


def fits(expression, order):
    keys = [order] if isinstance(order, str | dict) else order
    has_nn = any("nn" in key if isinstance(key, dict) else key == "nn" for key in keys)
    return "nn" in expression or not has_nn


def random_requests(shop, count):
    while count:
        expression, order = shop.rng.choice(EXPRESSIONS), random_order(shop.rng)
        if fits(expression, order):
            vectors = {"v": [shop.rng.uniform(-1, 1) for _ in range(3)]} if "nn" in expression else {}
            yield expression, order, vectors
            count -= 1


def test_every_order_is_that_of_sorting(shop):
    for state in ("several segments", "flushed", "merged"):
        for expression, order, vectors in random_requests(shop, 60):
            scores = {}
            for name in SCORES if "nn" in expression else ["static_rank", "bm25"]:
                by_score = asked(shop, expression, name, vectors, limit=1000)
                scores[name] = dict(zip(by_score.ids, by_score.scores.astype(float).tolist(), strict=True))
            whole = expected(shop, list(scores["bm25"]), order, scores)
            assert asked(shop, expression, order, vectors, limit=1000).ids == whole, (state, expression, order)
            limit = shop.rng.randint(0, 12)
            cut = asked(shop, expression, order, vectors, limit=limit)
            assert cut.ids == whole[:limit], (state, expression, order)
            assert cut.total == len(whole)
        (shop.collection.flush if state == "several segments" else shop.collection.merge)()


def test_pages_are_the_whole_answer(shop):
    for state in ("several segments", "merged"):
        for expression, order, vectors in random_requests(shop, 60):
            whole = asked(shop, expression, order, vectors, limit=1000)
            pages, after = [], None
            size = shop.rng.choice([1, 3, 10, 40])
            while True:
                page = asked(shop, expression, order, vectors, limit=size, after=after)
                assert page.total == whole.total
                if not page.ids:
                    break
                pages += page.ids
                after = page.cursor
            assert page.cursor is None
            assert pages == whole.ids, (state, expression, order)
            offset = shop.rng.randint(0, 30)
            assert asked(shop, expression, order, vectors, limit=size, offset=offset).ids == whole.ids[offset:][:size]
        shop.collection.merge()


def test_a_cursor_stays_right_while_documents_change(shop):
    orders = ["price desc", ["name", "stock desc"], "static_rank", "nn", ["sold", "nn"], ["wide", "clock desc"]]
    for order in orders:
        vectors = {"v": [1.0, 0.2, -0.3]}
        first = asked(shop, "(nn v :radius 2)", order, vectors, limit=15)
        shop.delete([*first.ids[3:], shop.rng.choice(sorted(shop.rows))])  # the cursor's own document among them
        shop.upsert(random_rows(shop.rng, [f"n{shop.rng.randrange(10_000)}" for _ in range(20)]))
        whole = asked(shop, "(nn v :radius 2)", order, vectors, limit=1000)
        rest = asked(shop, "(nn v :radius 2)", order, vectors, limit=1000, after=first.cursor)
        before = asked(shop, "(nn v :radius 2)", order, vectors, limit=len(whole.ids) - len(rest.ids))
        assert before.ids + rest.ids == whole.ids
        kept = [doc_id for doc_id in first.ids if doc_id in shop.rows]
        assert set(kept) <= set(before.ids)
        assert not set(kept) & set(rest.ids)


def test_equal_documents_come_by_static_rank_then_id(tmp_path):
    with alicorn.Collection.create(tmp_path / "c") as collection:
        for doc_id, rank in (("b", 1.0), ("a", 1.0), ("c", 2.0), ("d", 0.0)):
            table = pa.table({"doc_id": [doc_id], "static_rank": [rank], "price": [5], "terms": [["t"]]})
            collection.upsert(table)
            collection.flush()
        found = collection.search("t", order_by="price desc")
        assert found.ids == ["c", "a", "b", "d"]
        assert found.scores.tolist() == [2.0, 1.0, 1.0, 0.0]


def test_a_direction_makes_a_name_that_of_a_column(tmp_path):
    with alicorn.Collection.create(tmp_path / "c") as collection:
        names = {"nn": [2, 1], "price desc": [1, 2]}
        collection.upsert(pa.table({"doc_id": ["a", "b"], "terms": [["t"], ["t"]], **names}))
        assert collection.search("t", order_by="nn asc").ids == ["b", "a"]
        assert collection.search("t", order_by="price desc desc").ids == ["b", "a"]


def test_many_requests_have_the_same_orders(shop):
    order = ["sold desc", "price"]
    each = shop.collection.search_many(["text:a", "text:b"], order_by=order)
    assert [one.ids for one in each] == [asked(shop, text, order, {}).ids for text in ("text:a", "text:b")]


def test_what_no_order_can_be(shop):
    def refused(order, match, kind=ConfigError, **page):
        with pytest.raises(kind, match=match):
            shop.collection.search("text:a", order_by=order, **page)

    refused("pirce", "no stored column 'pirce'; did you mean 'price'")
    refused("price down", "no stored column 'price down'")
    refused("terms", "no stored column 'terms'")
    refused({"pirce": 1.0}, "no stored column 'pirce'; did you mean 'price'")
    refused({"bm52": 1.0}, "no stored column 'bm52'; did you mean 'bm25'")
    refused({"name": 1.0}, "'name' is string, which is no number")
    refused({"nn:w": 1.0}, "needs an .nn ...", QueryError)
    refused({"price": {"wieght": 1}}, "price takes weight, half_at and log, got 'wieght'")
    refused({"price": {"half_at": 0}}, "half_at of 'price' must be a finite number above 0, got 0")
    refused({"price": {"half_at": 2, "log": True}}, "'price' has one scale")
    refused({"price": math.nan}, "the weight of 'price' must be a finite number, got nan")
    refused({"rrf": "bm25"}, "rrf takes a list of names or weights of names, got 'bm25'")
    refused({"rrf": ["bm25"], "nn": 1}, "beside rrf there may be k, got 'nn'")
    refused({"rrf": ["bm25"], "k": 0}, "k of rrf must be a number above 0")
    refused({"rrf": {"bm25": {"log": True}}}, "which no scale changes")
    refused({"rrf": []}, "give the weight of at least one of")
    refused([], "1 to 8 keys, got 0")
    refused(["price"] * 9, "1 to 8 keys, got 9")
    refused([["price"]], "must be a name or weights of names, got list")
    refused(3, "must be a name, weights of names, or a list of them, got int")
    refused(["price", "nn"], "needs an .nn ...", QueryError)
    refused(None, "offset must be a whole number from 0 to 10000, got 10001", offset=10_001)
    refused(None, "offset must be", offset=-1)
    refused(None, "got 'x'", after="x")
    refused(None, "got 'W10'", after="W10")
    refused(None, "got int", after=3)
    cursor = shop.collection.search("text:a", order_by="price").cursor
    refused("price desc", "of another order", after=cursor)
    refused("price", "not both", after=cursor, offset=3)
    unmarked = "(strong-or text:a text:b)"
    assert shop.collection.search(unmarked, offset=3).ids == shop.collection.search(unmarked, limit=13).ids[3:]
    with pytest.raises(ConfigError, match="no further pages"):
        shop.collection.search("(strong-or (text:a :optional-weight 0.5) text:b)", offset=1)
    by_words = shop.collection.search("text:a", order_by="bm25").cursor
    with pytest.raises(ConfigError, match="of another order"):
        shop.collection.search("text:b", order_by="bm25", after=by_words)


def test_a_list_has_no_order(tmp_path):
    with alicorn.Collection.create(tmp_path / "c") as collection:
        collection.upsert(pa.table({"doc_id": ["a"], "friends": [["b"]], "price": [np.float32(2)]}))
        with pytest.raises(ConfigError, match=r"'friends' is list<.*>, which has no order.*: price$"):
            collection.search("t", order_by="friends")


@pytest.mark.parametrize("order", [["stock desc", "name"], ["bm25", "stock desc"]])
def test_shares_of_a_strong_or_come_in_the_order(shop, order):
    found = shop.collection.search("(strong-or (text:a :optional-weight 0.5) text:b)", order_by=order, limit=10)
    whole = shop.collection.search("(or text:a text:b)", order_by=order, limit=1000).ids
    assert found.ids == sorted(found.ids, key=whole.index)
    assert sum("text:a" in shop.rows[doc_id]["terms"] for doc_id in found.ids) >= 5
