"""`:scan N` looks in the nearest clusters that hold N allowed documents, whatever segments and deletions there are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import alicorn

DIM, NUM_DOCS = 16, 3_000


@pytest.fixture(scope="module", params=["one segment", "segments and deletions"])
def collection(request, tmp_path_factory):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, DIM))
    vectors = centres[rng.integers(60, size=NUM_DOCS)] + 0.3 * rng.normal(size=(NUM_DOCS, DIM))
    rare = rng.random(NUM_DOCS) < 0.02
    with alicorn.Collection.create(tmp_path_factory.mktemp("scan") / "c", {"x": DIM}) as made:
        for start, stop in ((0, 2_000), (2_000, 2_900), (2_900, NUM_DOCS)):
            made.upsert(
                pa.table(
                    {
                        "doc_id": [f"d{number}" for number in range(start, stop)],
                        "terms": [["tag:all", "tag:rare"] if rare[i] else ["tag:all"] for i in range(start, stop)],
                        "embedding:x": pa.array(vectors[start:stop].astype(np.float32).tolist()),
                    }
                )
            )
            if request.param == "one segment" or start == 0:
                made.flush()
            if start == 0:
                made.train(num_clusters=40)
        if request.param == "one segment":
            made.merge()
        else:
            made.delete([f"d{number}" for number in range(0, NUM_DOCS, 5)])
        yield made


def query(seed: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed).normal(size=DIM)}


def test_with_at_most_n_allowed_documents_the_answer_is_exact(collection):
    for seed in range(20):
        exact = collection.search("(nn x :k 10 :filter tag:rare)", query(seed))
        scanned = collection.search("(nn x :k 10 :scan 100 :filter tag:rare)", query(seed))
        assert scanned.ids == exact.ids


def test_more_documents_scanned_never_lose_a_neighbour_and_all_lose_none(collection):
    for seed in range(10):
        exact = collection.search("(nn x :k 20)", query(seed)).ids
        recalls = [
            len(set(collection.search(f"(nn x :k 20 :scan {scan})", query(seed), limit=20).ids) & set(exact))
            for scan in (1, 50, 200, 800, NUM_DOCS)
        ]
        assert recalls == sorted(recalls)
        assert recalls[-1] == len(exact)


def test_clusters_are_whole_and_hold_at_least_n(collection):
    """A radius that takes everything shows which documents were looked at."""
    for seed in range(10):
        for scan in (1, 37, 400):
            looked = collection.search(f"(nn x :radius 2 :scan {scan})", query(seed), limit=0).total
            by_clusters = [
                collection.search(f"(nn x :radius 2 :nprobe {nprobe})", query(seed), limit=0).total
                for nprobe in range(1, 41)
            ]
            assert looked == next(total for total in by_clusters if total >= scan)


def test_few_of_many_clusters_are_read(collection):
    explained = collection.search("(nn x :k 10 :scan 100)", query(1), explain=True).explanation
    assert explained.counters.documents_scanned < NUM_DOCS / 4


def test_many_searches_equal_single_ones(collection):
    expressions = ["(nn x :k 5 :scan 60)", "(nn x :k 5 :scan 60 :filter tag:rare)"] * 8
    vectors = np.stack([query(seed)["x"] for seed in range(16)])
    for i, result in enumerate(collection.search_many(expressions, {"x": vectors}, limit=5)):
        assert result.ids == collection.search(expressions[i], {"x": vectors[i]}, limit=5).ids
