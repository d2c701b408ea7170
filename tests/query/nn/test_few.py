"""The loop for few documents gives what evaluating the filter as a set, and searching that, gives."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.language.prepared import prepare
from alicorn.query.check import check_vectors
from alicorn.query.nn.segment import segment_search

DIM, NUM_DOCS = 12, 2_500
TERMS = [f"tag:{share}" for share in (2, 3, 5, 40, 90, 500)] + ["tag:none", "tag:last"]


@pytest.fixture(scope="module", params=["float32", "float16", "codes"])
def collection(request, tmp_path_factory):
    """One segment of two keys, with ties, with documents without either key, and with deleted ones.

    tag:n: every n-th document by chance; those of up to 32 are frequent, and have bitmaps.
    """
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(NUM_DOCS, DIM)).astype(np.float32)
    vectors[rng.integers(NUM_DOCS, size=300)] = vectors[0]
    shares = {term: rng.random(NUM_DOCS) < 1 / int(term[4:]) for term in TERMS[:-2]}
    kinds = {key: {"dim": DIM, "stored": request.param} for key in ("x", "y")}
    with alicorn.Collection.create(tmp_path_factory.mktemp("few") / "c", kinds) as made:
        made.upsert(
            pa.table(
                {
                    "doc_id": [f"d{number}" for number in rng.permutation(NUM_DOCS)],
                    "terms": [[term for term in shares if shares[term][i]] for i in range(NUM_DOCS - 1)]
                    + [["tag:last"]],
                    "embedding:x": pa.array([None if i % 9 == 0 else v.tolist() for i, v in enumerate(vectors)]),
                    "embedding:y": pa.array([None if i % 4 == 0 else v.tolist() for i, v in enumerate(-vectors)]),
                }
            )
        )
        made.flush()
        made.train(num_clusters=20)
        made.delete([f"d{number}" for number in range(0, NUM_DOCS, 6)])
        yield made


def drawn(rng: random.Random) -> str:
    terms = rng.choices(TERMS, k=rng.choice([1, 2, 2, 3, 4]))
    if rng.random() < 0.3:
        return f"(and {' '.join(terms)} (nn {rng.choice('xy')} :radius {rng.choice([0.3, 0.6, 1.2])}))"
    words = f"(and {' '.join(terms)})" if len(terms) > 1 or rng.random() < 0.3 else terms[0]
    look = rng.choice(["", " :recall 0.9", f" :scan {rng.choice([1, 20, 300, 5000])}"])
    return f"(nn {rng.choice('xy')} :k {rng.choice([1, 10, 200, 5000])}{look} :filter {words})"


def test_the_answer_is_that_of_the_set(collection):
    """Of an explained search, that is: it takes the loop never."""
    rng = random.Random(1)
    for seed in range(300):
        vectors = check_vectors(dict.fromkeys("xy", np.random.default_rng(seed).normal(size=DIM)))
        text, limit = drawn(rng), rng.choice([0, 1, 10, 100])
        nn, words = prepare(text).nearest
        found = segment_search(collection.snapshot(), nn).of_words(vectors[nn.key], words, limit)
        expected = collection.search(text, vectors, limit, explain=True)
        if found is not None:
            assert found[0][:limit].tolist() == expected.numbers.tolist(), text
            assert found[1][:limit].tobytes() == expected.scores.tobytes(), text
            assert found[2] == expected.total
        quick = collection.search(text, vectors, limit)
        assert (quick.ids, quick.total) == (expected.ids, expected.total)


@pytest.mark.parametrize(
    "filter", ["tag:2", "(and tag:2 tag:3)", "(and tag:40 tag:40)", "tag:none", "(and tag:2 tag:none)"]
)
def test_more_documents_than_are_few_are_left_to_the_set(collection, monkeypatch, filter):
    monkeypatch.setattr("alicorn.query.nn.few.MOST", 30)
    vectors = check_vectors(dict.fromkeys("xy", np.ones(DIM)))
    nn, words = prepare(f"(nn y :k 6 :filter {filter})").nearest  # another k than before: a search is kept
    found = segment_search(collection.snapshot(), nn).of_words(vectors["y"], words, 10)
    collection.snapshot().kept.clear()
    assert (found is None) == (collection.search(f"(nn y :k 5000 :filter {filter})", vectors, limit=0).total > 30)


@pytest.mark.parametrize(("text", "order_by"), [("(and {} {})", "bm25"), ("(nn x :k 10 :filter (and {} {}))", None)])
def test_a_search_of_words_does_not_parse_its_text(collection, monkeypatch, text, order_by):
    """What follows from the form of a text is known from the first one of that form."""
    vectors = {"x": np.ones(DIM)} if "nn" in text else {}
    collection.search(text.format("tag:40", "tag:90"), vectors, order_by=order_by)
    monkeypatch.setattr("alicorn.language.prepared.parse", lambda _: pytest.fail("it was parsed"))
    assert collection.search(text.format("tag:2", "tag:500"), vectors, order_by=order_by).total > 0
