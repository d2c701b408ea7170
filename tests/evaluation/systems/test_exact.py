import math

import numpy as np
import pytest

from alicorn.errors import VectorError
from alicorn.evaluation.systems.exact import exact_top_k


def oracle(requests, documents, k):
    """Exactly rounded inner products, sorted by (score descending, document number)."""
    rows = []
    for q in requests.astype(np.float64):
        scores = [math.fsum(q * d) for d in documents.astype(np.float64)]
        rows.append(sorted(range(len(documents)), key=lambda number: (-scores[number], number))[:k])
    return np.array(rows)


def unit(rng, rows, dim):
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 10, 300])
def test_same_as_the_oracle(k):
    rng = np.random.default_rng(1)
    requests, documents = unit(rng, 20, 24), unit(rng, 500, 24)
    numbers, scores = exact_top_k(requests, documents, k)
    assert (numbers == oracle(requests, documents, k)).all()
    assert scores == pytest.approx(np.einsum("qd,qkd->qk", requests, documents[numbers]), abs=1e-6)
    assert (np.diff(scores) <= 0).all()


def test_equal_documents_come_by_number_even_when_hundreds_tie_at_the_border():
    rng = np.random.default_rng(2)
    distinct = unit(rng, 7, 48)
    documents = distinct[rng.integers(0, 7, 3000)]
    requests = unit(rng, 9, 48)
    for k in (1, 50, 700):
        assert (exact_top_k(requests, documents, k)[0] == oracle(requests, documents, k)).all()


def test_near_equal_documents_are_settled_beyond_float32():
    rng = np.random.default_rng(3)
    base = unit(rng, 1, 32)
    documents = (base + rng.integers(-3, 4, (400, 32)) * np.float32(2**-24)).astype(np.float32)
    assert (exact_top_k(base, documents, 20)[0] == oracle(base, documents, 20)).all()


def test_fewer_documents_than_k_are_padded():
    documents = np.eye(3, dtype=np.float32)
    numbers, scores = exact_top_k(np.array([[0.0, 1.0, 0.5]], dtype=np.float32), documents, 5)
    assert numbers.tolist() == [[1, 2, 0, -1, -1]]
    assert scores.tolist() == [[1.0, 0.5, 0.0, -np.inf, -np.inf]]


def test_no_documents_and_no_requests():
    assert exact_top_k(np.ones((2, 4), np.float32), np.empty((0, 4), np.float32), 3)[0].tolist() == [[-1] * 3] * 2
    assert exact_top_k(np.empty((0, 4), np.float32), np.ones((2, 4), np.float32), 3)[0].shape == (0, 3)


def test_bad_vectors_are_refused():
    good = np.ones((4, 3), np.float32)
    bad = good.copy()
    bad[2, 1] = np.nan
    with pytest.raises(VectorError, match="documents, row 2"):
        exact_top_k(good, bad, 1)
    bad[2, 1] = 3e38
    with pytest.raises(VectorError, match=r"documents, row 2: a vector of length 3e\+38 overflows"):
        exact_top_k(good, bad, 1)
    with pytest.raises(VectorError, match="dimension 3 and documents 5"):
        exact_top_k(good, np.ones((4, 5), np.float32), 1)
    with pytest.raises(VectorError, match="matrix"):
        exact_top_k(good[0], good, 1)
    with pytest.raises(ValueError, match="k must be 1 or more"):
        exact_top_k(good, good, 0)
