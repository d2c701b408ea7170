"""A request with several vectors of one key: one list, by the greatest cosine, whatever the plan and the segments."""

import numpy as np
import pyarrow as pa
import pytest

from alicorn.query import Collection

NAMES = ("interest-1", "interest-2", "interest-3")
OR = "(or " + " ".join(f"(nn a :k 20 :vector {name})" for name in NAMES) + ")"
DIM = 8


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(400, DIM)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, vectors: np.ndarray) -> Collection:
    """Several segments; every tenth document has no embedding; some are deleted."""
    made = Collection.create(tmp_path_factory.mktemp("several") / "c", {"a": DIM})
    for start in range(0, 400, 100):
        rows = range(start, start + 100)
        column = [None if row % 10 == 0 else vectors[row].tolist() for row in rows]
        terms = [["even" if row % 2 == 0 else "odd"] for row in rows]
        table = {"doc_id": [f"d{row:03d}" for row in rows], "terms": terms, "embedding:a": column}
        made.upsert(pa.table(table))
        made.flush()
    made.delete([f"d{row:03d}" for row in range(3, 400, 17)])
    return made


def asked(seed: int) -> dict[str, np.ndarray]:
    drawn = np.random.default_rng((seed, 1)).normal(size=(3, DIM)).astype(np.float32)
    return dict(zip(NAMES, drawn / np.linalg.norm(drawn, axis=1, keepdims=True), strict=True))


def by_hand(vectors: np.ndarray, interests: dict[str, np.ndarray], k: int, kept=lambda row: True) -> list[str]:  # type: ignore[no-untyped-def]
    """The union of each vector's k nearest, by the greatest cosine, then doc_id."""
    live = [row for row in range(400) if row % 17 != 3 and row % 10 != 0]
    cosines = np.stack([vectors @ vector for vector in interests.values()])
    union = {row for each in cosines for row in sorted(live, key=lambda row: (-each[row], row))[:k]}
    ranked = sorted(filter(kept, union), key=lambda row: (-cosines[:, row].max(), row))
    return [f"d{row:03d}" for row in ranked]


@pytest.mark.parametrize("limit", [1, 7, 60])
def test_one_list_by_the_greatest_cosine(collection: Collection, vectors: np.ndarray, limit: int) -> None:
    for seed in range(5):
        interests = asked(seed)
        found = collection.search(OR, interests, limit=limit)
        expected = by_hand(vectors, interests, 20)
        assert found.ids == expected[:limit]
        assert found.total == len(expected)
        rows = [int(doc_id[1:]) for doc_id in found.ids]
        greatest = np.max([vectors[rows] @ vector for vector in interests.values()], axis=0)
        np.testing.assert_allclose(found.scores, greatest, atol=1e-6)


def test_beside_a_filter_and_in_sums(collection: Collection, vectors: np.ndarray) -> None:
    interests = asked(9)
    expected = by_hand(vectors, interests, 20, kept=lambda row: row % 2 == 0)
    assert collection.search(f"(and even {OR})", interests, limit=60).ids == expected
    summed = collection.search(f"(and even {OR})", interests, limit=60, order_by={"nn": 2.0})
    assert summed.ids == expected
    assert summed.scores[0] > 1.0


def test_what_has_no_vector_comes_last_and_many_is_one_at_a_time(collection: Collection, vectors: np.ndarray) -> None:
    requests = [asked(seed) for seed in range(4)]
    expression = f"(or (prefix d) even {OR})"
    matrices = {name: np.stack([request[name] for request in requests]) for name in NAMES}
    many = collection.search_many([expression] * 4, matrices, limit=400)
    for request, found in zip(requests, many, strict=True):
        alone = collection.search(expression, request, limit=400)
        assert found.ids == alone.ids
        without = [doc_id for doc_id, score in zip(found.ids, found.scores, strict=True) if score == -np.inf]
        assert found.ids[-len(without) :] == without == sorted(without)
        assert all(int(doc_id[1:]) % 10 == 0 for doc_id in without)


def test_an_nn_that_is_no_alternative_has_no_part_in_the_order(collection: Collection, vectors: np.ndarray) -> None:
    """Of an `and`, beside a `not` and in a filter only the first counts, as before."""
    interests = asked(3)
    first = vectors @ interests["interest-1"]
    for expression in (
        "(and (nn a :k 300 :vector interest-1) (nn a :k 300 :vector interest-2))",
        "(difference (nn a :k 300 :vector interest-1) (nn a :k 30 :vector interest-2))",
        "(nn a :k 30 :vector interest-1 :filter (nn a :k 100 :vector interest-2))",
    ):
        found = collection.search(expression, interests, limit=30)
        rows = [int(doc_id[1:]) for doc_id in found.ids]
        np.testing.assert_allclose(found.scores, first[rows], atol=1e-6)
