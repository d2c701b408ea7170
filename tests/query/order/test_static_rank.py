"""The first by static rank are those of sorting the whole set, wherever in the order its members are."""

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.query.order.static_rank import first_by_static_rank
from alicorn.query.sets import docset

NUM_DOCS = 5_000


@pytest.fixture(scope="module")
def segment(tmp_path_factory):
    rng = np.random.default_rng(0)
    with alicorn.Collection.create(tmp_path_factory.mktemp("ranks") / "c", {}) as collection:
        ids = [f"d{number}" for number in rng.permutation(NUM_DOCS)]
        collection.upsert(pa.table({"doc_id": ids, "static_rank": rng.integers(0, 50, NUM_DOCS).astype(float)}))
        yield collection.snapshot().segments[0].segment


def sets(segment):
    rng = np.random.default_rng(1)
    everything = np.arange(NUM_DOCS)
    yield "dense", everything[rng.random(NUM_DOCS) < 0.5]
    yield "sparse", everything[rng.random(NUM_DOCS) < 0.01]
    yield "the last half of the order", np.flatnonzero(segment.static_order >= NUM_DOCS // 2)
    yield "all", everything
    yield "none", everything[:0]


@pytest.mark.parametrize("limit", [0, 1, 10, 256, 257, NUM_DOCS + 1])
def test_the_first_are_those_of_sorting_all(segment, limit):
    for name, numbers in sets(segment):
        expected = numbers[np.argsort(segment.static_order[numbers])][:limit]
        array = numbers.astype(np.uint32)
        bitmap = docset.Bitmap.of_words(docset.as_words(array, NUM_DOCS))
        for documents in (array, bitmap):
            found = first_by_static_rank(segment, documents, limit)
            assert found.tolist() == expected.tolist(), (name, type(documents))
