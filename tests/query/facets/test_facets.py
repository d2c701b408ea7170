"""Facets against counting in Python: every type, several segments, deletes, dense and sparse results, merges."""

import collections
import itertools
import random

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.errors import ConfigError
from alicorn.query import Facet

WORDS = ["red", "blue", "ä", "", "green tea", "\U0001f40d"]


def random_rows(rng, ids):
    def maybe(value):
        return None if rng.random() < 0.2 else value

    return [
        {
            "doc_id": doc_id,
            "terms": [f"tag:{rng.choice(WORDS)}x" for _ in range(rng.randint(0, 4))]
            + [f"set:{rng.randint(0, 40)}", "all"],
            "brand": maybe(rng.choice(WORDS)),
            "price": maybe(rng.choice([-1.0, 0.0, -0.0, 9.99, 10.0, float("nan"), float("inf")])),
            "year": maybe(rng.randint(1990, 1999)),
            "sold": maybe(rng.random() < 0.5),
            "colours": maybe([maybe(rng.choice(WORDS)) for _ in range(rng.randint(0, 4))]),
        }
        for doc_id in ids
    ]


@pytest.fixture
def shop(tmp_path):
    rng = random.Random(4)
    rows = {}
    with alicorn.Collection.create(tmp_path / "c") as collection:
        for first, count, flush in ((0, 400, True), (350, 200, True), (550, 7, False)):
            batch = random_rows(rng, [f"d{i}" for i in range(first, first + count)])
            table = pa.Table.from_pylist(batch)
            collection.upsert(table if flush else table.drop_columns(["brand", "colours", "year"]))
            if not flush:
                batch = [{**row, "brand": None, "colours": None, "year": None} for row in batch]
            rows |= {row["doc_id"]: row for row in batch}
            if flush:
                collection.flush()
        gone = [f"d{i}" for i in range(0, 557, 7)]
        collection.delete(gone)
        yield collection, {doc_id: row for doc_id, row in rows.items() if doc_id not in gone}


def known(value):
    return value is not None and value == value


def counted(values, top):
    counts = collections.Counter(values)
    ordered = sorted(counts, key=lambda value: (-counts[value], value.encode() if isinstance(value, str) else value))
    return [(value, counts[value]) for value in ordered[:top]], len(counts)


@pytest.mark.parametrize("expression", ["all", "(or set:1 set:2)", "(difference all set:3)", "set:none", "tag:redx"])
def test_counts_are_those_of_counting_each_document(shop, expression):
    collection, rows = shop
    facets = {
        **{name: Facet(name, top=3) for name in ("brand", "price", "year", "sold", "colours")},
        "tags": Facet(prefix="tag:", top=100),
        "few": Facet(prefix="set:", top=2),
        "none": Facet(prefix="nothing:"),
    }
    for _ in range(2):
        result = collection.search(expression, limit=3, facets=facets)
        matching = [rows[doc_id] for doc_id in collection.search(expression, limit=1000).ids]
        assert result.total == len(matching)
        for name in ("brand", "price", "year", "sold"):
            values = [row[name] for row in matching if known(row[name])]
            found = result.facets[name]
            assert ([(one.value, one.count) for one in found.buckets], found.num_values) == counted(values, 3), name
            assert found.missing == len(matching) - len(values)
        colours = [set(row["colours"] or []) - {None} for row in matching]
        found = result.facets["colours"]
        wanted = counted([one for each in colours for one in each], 3)
        assert ([(one.value, one.count) for one in found.buckets], found.num_values) == wanted
        assert found.missing == sum(not one for one in colours)
        for name, prefix, top in (("tags", "tag:", 100), ("few", "set:", 2), ("none", "nothing:", 10)):
            terms = [
                one.removeprefix(prefix) for row in matching for one in set(row["terms"]) if one.startswith(prefix)
            ]
            found = result.facets[name]
            assert ([(one.value, one.count) for one in found.buckets], found.num_values) == counted(terms, top), name
        collection.merge()


def test_terms_of_every_frequency_are_counted_in_every_share_of_the_documents(tmp_path):
    """Frequent terms are counted by their bitmaps, rare ones by their postings; of few documents, by their terms."""
    rng = np.random.default_rng(5)
    shares = {f"tag:{at}": share for at, share in enumerate([0.9, 0.5, 0.04, 0.032, 0.03, 0.01, 0.0005])}
    shares |= {f"in:{share}": share for share in (1.0, 0.6, 0.1, 0.01, 0.001)}
    has = {term: rng.random(5000) < share for term, share in shares.items()}
    terms = [[term for term, held in has.items() if held[row]] * 2 for row in range(5000)]
    ids = [f"d{row}" for row in range(5000)]
    with alicorn.Collection.create(tmp_path / "c") as collection:
        collection.upsert(pa.table({"doc_id": ids, "terms": pa.array(terms, pa.list_(pa.string()))}))
        collection.flush()
        collection.delete(ids[:9])
        for expression in (term for term in shares if term.startswith("in:")):
            found = collection.search(expression, facets={"tags": Facet(prefix="tag:")}).facets["tags"]
            both = {term: int((held & has[expression])[9:].sum()) for term, held in has.items()}
            wanted = {term[4:]: count for term, count in both.items() if count and term.startswith("tag:")}
            assert {one.value: one.count for one in found.buckets} == wanted, expression


@pytest.mark.parametrize("expression", ["all", "(or set:1 set:2)"])
def test_ranges_between_edges(shop, expression):
    collection, rows = shop
    edges = {"price": (-0.5, 0.0, 9.99, 50.0), "year": (1992, 1995.5), "sold": (1,)}
    for _ in range(2):
        facets = {name: Facet(name, edges=one) for name, one in edges.items()}
        result = collection.search(expression, facets=facets)
        matching = [rows[doc_id] for doc_id in collection.search(expression, limit=1000).ids]
        for name, one in edges.items():
            values = [row[name] for row in matching if known(row[name])]
            ends = [None, *one, None]
            wanted = [
                ((low, high), sum((low is None or v >= low) and (high is None or v < high) for v in values))
                for low, high in itertools.pairwise(ends)
            ]
            assert [(bucket.value, bucket.count) for bucket in result.facets[name].buckets] == wanted, name
            assert result.facets[name].missing == len(matching) - len(values)
        collection.merge()


def test_facets_are_of_the_whole_result_of_nn_too(tmp_path):
    with alicorn.Collection.create(tmp_path / "c", {"v": 2}) as collection:
        vectors = pa.array(np.eye(2, dtype=np.float32)[[0, 0, 1]].tolist(), pa.list_(pa.float32()))
        collection.upsert(pa.table({"doc_id": ["a", "b", "c"], "brand": ["x", "y", "x"], "embedding:v": vectors}))
        found = collection.search("(nn v :k 2)", {"v": [1, 0]}, limit=1, facets={"brand": Facet("brand")})
        assert [(one.value, one.count) for one in found.facets["brand"].buckets] == [("x", 1), ("y", 1)]


def test_many_requests_have_the_facets_of_each(tmp_path):
    rng = np.random.default_rng(6)
    expressions = ["(nn v :k 5)"] * 9 + ["(nn v :k 5 :filter brand:x)", "brand:y"]
    vectors = {"v": rng.normal(size=(len(expressions), 2)).astype(np.float32)}
    facets = {"brand": Facet("brand"), "price": Facet("price", interval=5)}
    with alicorn.Collection.create(tmp_path / "c", {"v": 2}) as collection:
        brands = rng.choice(["x", "y"], 50).tolist()
        rows = {"doc_id": [f"d{at}" for at in range(50)], "terms": [[f"brand:{brand}"] for brand in brands]}
        stored = {"brand": brands, "price": rng.integers(0, 30, 50)}
        embeddings = pa.array(rng.normal(size=(50, 2)).astype(np.float32).tolist(), pa.list_(pa.float32()))
        collection.upsert(pa.table({**rows, **stored, "embedding:v": embeddings}))
        collection.flush()
        many = collection.search_many(expressions, vectors, limit=2, facets=facets)
        for at, (expression, found) in enumerate(zip(expressions, many, strict=True)):
            alone = collection.search(expression, {"v": vectors["v"][at]}, limit=2, facets=facets)
            assert found.facets == alone.facets
            assert sum(bucket.count for bucket in found.facets["brand"].buckets) == found.total
        with pytest.raises(ConfigError, match="there is no 'brnd'"):
            collection.search_many([], {}, facets={"f": Facet("brnd")})


@pytest.mark.parametrize(
    ("facet", "message"),
    [
        (Facet(), "give a column or a prefix"),
        (Facet("brand", "tag:"), "give a column or a prefix"),
        (Facet("brnd"), "there is no 'brnd'; the collection has: brand, colours, price"),
        (Facet("brand", top=0), "top must be a whole number from 1 to 10000, got 0"),
        (Facet(prefix=""), "the prefix is empty"),
        (Facet(prefix="tag:", edges=(1,)), "terms have none"),
        (Facet("brand", edges=(1,)), "'brand' is string"),
        (Facet("price", edges=(2, 1)), "the edges must rise"),
        (
            Facet("price", edges=(float("nan"),)),
            "the edges are finite numbers, or times of ISO 8601, not both; got nan",
        ),
        ("brand", "must be a Facet, got str"),
    ],
)
def test_what_no_facet_can_be(shop, facet, message):
    with pytest.raises(ConfigError, match=message):
        shop[0].search("all", facets={"f": facet})
