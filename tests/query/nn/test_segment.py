"""What the loop of one segment finds is what evaluating the filter as a set, and searching that in clusters, finds."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.language.prepared import prepare
from alicorn.quantization import Calibration
from alicorn.quantization.calibration import KS, RECALLS
from alicorn.query.check import check_vectors
from alicorn.query.nn import few, segment
from alicorn.query.nn import recall as recall_module

DIM, NUM_DOCS = 12, 2_500
TERMS = [f"tag:{share}" for share in (2, 3, 5, 40, 90, 500)] + ["tag:none"]
CALIBRATION = Calibration(
    0.6,
    np.full(len(KS), 0.2),
    np.linspace(0.1, 0.3, len(KS) * len(RECALLS)).reshape(len(KS), -1),
    NUM_DOCS,
    np.zeros(len(KS)),
)


@pytest.fixture(scope="module", params=["whole", "deleted"])
def snapshot(request, tmp_path_factory):
    """One segment of two keys, with ties, with documents without either key, and perhaps with deleted ones.

    tag:n: every n-th document by chance; those of up to 32 are frequent, and have bitmaps.
    """
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(NUM_DOCS, DIM)).astype(np.float32)
    vectors[rng.integers(NUM_DOCS, size=300)] = vectors[0]
    shares = {term: rng.random(NUM_DOCS) < 1 / int(term[4:]) for term in TERMS[:-1]}
    with alicorn.Collection.create(tmp_path_factory.mktemp("segment") / "c", {"x": DIM, "y": DIM}) as made:
        made.upsert(
            pa.table(
                {
                    "doc_id": [f"d{number}" for number in rng.permutation(NUM_DOCS)],
                    "terms": [[term for term in shares if shares[term][i]] for i in range(NUM_DOCS)],
                    "price": rng.integers(100, size=NUM_DOCS),
                    "embedding:x": pa.array([None if i % 9 == 0 else v.tolist() for i, v in enumerate(vectors)]),
                    "embedding:y": pa.array([None if i % 4 == 0 else v.tolist() for i, v in enumerate(-vectors)]),
                }
            )
        )
        made.flush()
        made.train(num_clusters=60)
        if request.param == "deleted":
            made.delete([f"d{number}" for number in range(0, NUM_DOCS, 6)])
        found = made.snapshot()
        calibrated = {key: replace(one, calibration=CALIBRATION) for key, one in found.quantizers.items()}
        yield made, replace(found, quantizers=calibrated)


@pytest.fixture
def few_are_12(monkeypatch, snapshot):
    snapshot[1].kept.clear()
    for module in (few, recall_module, segment):
        monkeypatch.setattr(module, "FEW", 12)


def drawn(rng: random.Random) -> str:
    words = " ".join(rng.choices(TERMS, k=rng.choice([1, 2, 3])))
    filter = rng.choice([f"({rng.choice(['and', 'or'])} {words})", rng.choice(TERMS), "(range price :max 60)", ""])
    filter = rng.choice([filter, filter, "(difference tag:2 tag:3)"])
    look = rng.choice([":recall 0.8", ":recall 0.95", ":nprobe 4", ":nprobe 50", ":scan 30", ":scan 700"])
    return f"(nn {rng.choice('xy')} :k {rng.choice([1, 10, 100])} {look}{f' :filter {filter}' if filter else ''})"


def test_the_answer_is_that_of_an_explained_search(few_are_12, snapshot):
    """Which takes the loop never."""
    collection, at = snapshot
    rng, by_loop = random.Random(1), 0
    for seed in range(400):
        vectors = check_vectors(dict.fromkeys("xy", np.random.default_rng(seed).normal(size=DIM)))
        text = drawn(rng)
        expected = collection.search(text, vectors, 100, explain=True, snapshot=at)
        quick = collection.search(text, vectors, 100, snapshot=at)
        assert quick.numbers.tolist() == expected.numbers.tolist(), text
        assert quick.scores.tobytes() == expected.scores.tobytes(), text
        prepared = prepare(text)
        if prepared.nearest is not None and prepared.nearest.words.terms:
            nn, words = prepared.nearest
            found = segment.segment_search(at, nn).of_words(vectors[nn.key], words, 100)
            by_loop += found is not None and found[3] > 0
    assert by_loop > 40


def test_a_set_beside_a_radius_is_compared_by_the_loop_for_few(snapshot):
    collection, at = snapshot
    rng, not_empty = random.Random(2), 0
    for seed in range(100):
        vectors = check_vectors(dict.fromkeys("xy", np.random.default_rng(seed).normal(size=DIM)))
        others = rng.choice(["(range price :min 20 :max 50)", "(or tag:40 tag:90)", "(not tag:2)", "(prefix tag:5)"])
        text = f"(and {rng.choice(TERMS)} {others} (nn {rng.choice('xy')} :radius {rng.choice([0.4, 0.9])}))"
        limit = rng.choice([0, 1, 10])
        expected = collection.search(text, vectors, limit, explain=True, snapshot=at)
        quick = collection.search(text, vectors, limit, snapshot=at)
        assert (quick.ids, quick.total) == (expected.ids, expected.total), text
        assert quick.scores.tobytes() == expected.scores.tobytes(), text
        not_empty += quick.total > 0
    assert not_empty > 50
