"""Words or an `nn`, by static rank: the one loop finds what evaluating both as sets, and ordering these, finds."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.query.order import united

DIM, NUM_DOCS = 8, 9_000
SHARES = {"tag:half": 2, "tag:third": 3, "tag:fortieth": 40, "tag:few": 1_500, "tag:two": 4_500}


@pytest.fixture(scope="module", params=["whole", "deleted"])
def collection(request, tmp_path_factory):
    """One segment: terms of all frequencies, equal static ranks, documents without the embedding, perhaps deleted."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(NUM_DOCS, DIM)).astype(np.float32)
    having = {term: rng.random(NUM_DOCS) < 1 / share for term, share in SHARES.items()}
    with alicorn.Collection.create(tmp_path_factory.mktemp("united") / "c", {"x": DIM, "y": DIM}) as made:
        made.upsert(
            pa.table(
                {
                    "doc_id": [f"d{number}" for number in rng.permutation(NUM_DOCS)],
                    "terms": [[term for term in SHARES if having[term][i]] for i in range(NUM_DOCS)],
                    "static_rank": rng.integers(50, size=NUM_DOCS).astype(np.float64),
                    "embedding:x": pa.array([None if i % 9 == 0 else v.tolist() for i, v in enumerate(vectors)]),
                    "embedding:y": pa.array([None if i % 4 == 0 else v.tolist() for i, v in enumerate(-vectors)]),
                }
            )
        )
        made.flush()
        made.train(num_clusters=40)
        if request.param == "deleted":
            made.delete([f"d{number}" for number in range(0, NUM_DOCS, 7)])
        yield made


def drawn(rng: random.Random) -> str:
    terms = [*SHARES, "tag:none"]
    words = f"({rng.choice(['and', 'or'])} {' '.join(rng.choices(terms, k=rng.choice([1, 2, 3])))})"
    near = rng.choice([":radius 0.02 :nprobe 3", ":radius 0.3", ":k 2 :nprobe 2", ":k 40 :scan 500", ":radius 0.2"])
    return f"(or {words} (nn {rng.choice('xy')} {near}))"


def test_the_answer_is_that_of_sets(collection, monkeypatch):
    rng, short, marked = random.Random(4), 0, 0
    for seed in range(300):
        vectors = dict.fromkeys("xy", np.random.default_rng(seed).normal(size=DIM))
        text, limit = drawn(rng), rng.choice([0, 1, 10, 10**30])
        expected = collection.search(text, vectors, limit, "static_rank", explain=True)
        for _ in range(2):  # the first time, and when it is asked again
            quick = collection.search(text, vectors, limit, "static_rank")
            assert (quick.ids, quick.total) == (expected.ids, expected.total), text
            assert quick.scores.tobytes() == expected.scores.tobytes(), text
        short += 0 < expected.total < NUM_DOCS // 64 // united._WORDS_READ
        marked += expected.total > 100
    assert short > 5  # these are sorted
    assert marked > 50


def test_it_is_asked_again_without_planning(collection, monkeypatch):
    vectors = {"x": np.arange(1.0, DIM + 1)}
    collection.search("(or (and tag:half tag:third) (nn x :radius 0.1 :nprobe 4))", vectors, 10, "static_rank")
    expected = collection.search("(or (and tag:half tag:few) (nn x :radius 0.1 :nprobe 4))", vectors, 10, "static_rank")
    monkeypatch.setattr("alicorn.query.collection.search", lambda *_: pytest.fail("it was planned"))
    again = collection.search("(or (and tag:few tag:half) (nn x :radius 0.1 :nprobe 4))", vectors, 10, "static_rank")
    assert again.ids == expected.ids
    assert again.ids
    assert again.cursor == expected.cursor


def test_a_page_and_an_unknown_vector_are_as_before(collection):
    text, vectors = "(or (and tag:half tag:third) (nn x :radius 0.1 :nprobe 4))", {"x": np.arange(1.0, DIM + 1)}
    whole = collection.search(text, vectors, 30, "static_rank")
    first = collection.search(text, vectors, 10, "static_rank")
    rest = collection.search(text, vectors, 20, "static_rank", after=first.cursor)
    assert first.ids + rest.ids == whole.ids
    with pytest.raises(alicorn.errors.QueryError, match="needs the request's vector 'x'") as caught:
        collection.search(text, {"z": np.ones(DIM)}, 10, "static_rank")
    assert caught.value.offset == text.index("(nn")
