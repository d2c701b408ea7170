"""The first documents of an order are those of sorting the whole set, wherever in the order its members are."""

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.language.order import ByColumn
from alicorn.query.order.permutation import first_of, permutation_of
from alicorn.query.sets import docset

NUM_DOCS = 5_000
KINDS = {"price": pa.int64(), "word": pa.string()}
ORDERS = [(), (ByColumn("price", True),), (ByColumn("word", False), ByColumn("price", True))]


@pytest.fixture(scope="module")
def segment(tmp_path_factory):
    rng = np.random.default_rng(0)
    with alicorn.Collection.create(tmp_path_factory.mktemp("ranks") / "c", {}) as collection:
        ids = [f"d{number}" for number in rng.permutation(NUM_DOCS)]
        prices = pa.array(rng.integers(0, 30, NUM_DOCS), mask=rng.random(NUM_DOCS) < 0.1)
        words = [None if one == "e" else one for one in rng.choice(list("abcde"), NUM_DOCS).tolist()]
        ranks = rng.integers(0, 50, NUM_DOCS).astype(float)
        collection.upsert(pa.table({"doc_id": ids, "static_rank": ranks, "price": prices, "word": words}))
        yield collection.snapshot().segments[0].segment


def sets(places):
    rng = np.random.default_rng(1)
    everything = np.arange(NUM_DOCS)
    yield "dense", everything[rng.random(NUM_DOCS) < 0.5]
    yield "a fifth", everything[rng.random(NUM_DOCS) < 0.2]
    yield "sparse", everything[rng.random(NUM_DOCS) < 0.01]
    yield "the last half of the order", np.flatnonzero(places >= NUM_DOCS // 2)
    yield "all", everything
    yield "none", everything[:0]


def sorted_by(segment, columns):
    """Document numbers in the order, one comparison after another."""
    rows = segment.fields.to_pylist()

    numbers = sorted(range(NUM_DOCS), key=lambda number: (-rows[number]["static_rank"], rows[number]["doc_id"]))
    for column in reversed(columns):  # stable, with null last
        groups = {}
        for number in numbers:
            groups.setdefault(rows[number][column.name], []).append(number)
        missing = groups.pop(None, [])
        numbers = [number for value in sorted(groups, reverse=column.falling) for number in groups[value]] + missing
    return numbers


@pytest.mark.parametrize("columns", ORDERS, ids=str)
def test_an_order_is_that_of_sorting(segment, columns):
    permutation = permutation_of(segment, columns, KINDS)
    assert permutation.numbers.tolist() == sorted_by(segment, columns)
    assert permutation.places[permutation.numbers].tolist() == list(range(NUM_DOCS))


@pytest.mark.parametrize("columns", ORDERS, ids=str)
@pytest.mark.parametrize("start", [0, 1, 3_000, NUM_DOCS - 1, NUM_DOCS])
@pytest.mark.parametrize("limit", [0, 1, 10, 256, 257, NUM_DOCS + 1])
def test_the_first_are_those_of_sorting_all(segment, limit, start, columns):
    permutation = permutation_of(segment, columns, KINDS)
    for name, numbers in sets(permutation.places):
        own = permutation.places[numbers]
        expected = numbers[own >= start][np.argsort(own[own >= start])][:limit]
        array = numbers.astype(np.uint32)
        bitmap = docset.Bitmap.of_words(docset.as_words(array, NUM_DOCS))
        for documents in (array, bitmap):
            found = first_of(permutation, documents, limit, start)
            assert found.tolist() == expected.tolist(), (name, type(documents))


def test_a_small_set_is_sorted(segment, monkeypatch):
    whole = permutation_of(segment, (), KINDS)
    numbers = np.arange(0, NUM_DOCS, 9, dtype=np.uint32)
    marked = first_of(whole, numbers, 400, 1_000)
    monkeypatch.setattr("alicorn.query.order.permutation._SORTED", 1)
    assert first_of(whole, numbers, 400, 1_000).tolist() == marked.tolist()
