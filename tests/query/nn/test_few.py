"""The loop for few documents gives what evaluating the filter as a set, and searching that, gives."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.language import parse
from alicorn.language.prepared import prepare
from alicorn.query.check import check_vectors
from alicorn.query.nn.few import nearest_of_terms
from alicorn.query.operators import nn
from alicorn.query.run import Execution

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
    words = f"(and {' '.join(terms)})" if len(terms) > 1 or rng.random() < 0.3 else terms[0]
    look = rng.choice(["", " :recall 0.9", f" :scan {rng.choice([1, 20, 300, 5000])}"])
    return f"(nn {rng.choice('xy')} :k {rng.choice([1, 10, 200, 5000])}{look} :filter {words})"


def test_the_answer_is_that_of_the_set(collection):
    snapshot, rng = collection.snapshot(), random.Random(1)
    answered = 0
    for seed in range(300):
        vectors = check_vectors(dict.fromkeys("xy", np.random.default_rng(seed).normal(size=DIM)))
        text = drawn(rng)
        prepared = prepare(text)
        found = nearest_of_terms(snapshot, prepared.nearest, vectors)
        if found is not None:
            answered += 1
            expected = nn.ranked(Execution(snapshot, vectors), parse(text))
            assert found.numbers.tolist() == expected.numbers.tolist(), text
            assert found.scores.tobytes() == expected.scores.tobytes(), text
    assert answered > 200


def test_a_search_takes_it_and_one_that_explains_does_not(collection):
    for seed in range(20):
        vectors = dict.fromkeys("xy", np.random.default_rng(seed).normal(size=DIM))
        text = drawn(random.Random(seed))
        quick, explained = (collection.search(text, vectors, explain=explain) for explain in (False, True))
        assert (quick.ids, quick.total) == (explained.ids, explained.total)


@pytest.mark.parametrize(
    "filter", ["tag:2", "(and tag:2 tag:3)", "(and tag:40 tag:40)", "tag:none", "(and tag:2 tag:none)"]
)
def test_more_documents_than_are_few_are_left_to_the_set(collection, monkeypatch, filter):
    monkeypatch.setattr("alicorn.query.nn.few.FEW", 30)
    vectors = check_vectors(dict.fromkeys("xy", np.ones(DIM)))
    found = nearest_of_terms(collection.snapshot(), prepare(f"(nn y :k 5 :filter {filter})").nearest, vectors)
    assert (found is None) == (collection.search(f"(nn y :k 5000 :filter {filter})", vectors, limit=0).total > 30)
