"""Random documents are uniform, and recall@1 among n of them stands for recall@K among all, with K ~ N / n."""

import numpy as np
import pytest

from alicorn.negatives import RandomDocuments

NUM_DOCUMENTS = 10_000


def test_random_documents_are_uniform_and_for_everybody() -> None:
    drawn = RandomDocuments(10, 100_000).draw(np.arange(3), np.random.default_rng(3))
    np.testing.assert_allclose(np.bincount(drawn.documents, minlength=10) / 100_000, 0.1, atol=0.01)
    assert drawn.allowed.shape == (3, 100_000)
    assert drawn.allowed.all()


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_being_first_among_n_random_documents_stands_for_rank_n_th_of_all(n: int) -> None:
    """EBR chooses random negatives for this (EBR 2.2).

    Ranks of 4,000 targets are spread evenly over orders of magnitude, as those of a retriever are. Which targets beat n
    random documents is drawn, by the ranks of the documents drawn: that is what training with n negatives sees.
    """
    rng = np.random.default_rng(n)
    ranks = np.floor(10 ** rng.uniform(0, 4, 4000)).astype(np.int64)  # from 1; rank - 1 documents stand before
    ranks_drawn = RandomDocuments(NUM_DOCUMENTS, n * len(ranks)).draw(np.arange(1), rng).documents + 1
    best_drawn = ranks_drawn.reshape(len(ranks), n).min(axis=1)
    first_among_n = (best_drawn >= ranks).mean()
    k = NUM_DOCUMENTS / n
    assert first_among_n == pytest.approx(np.exp(-(ranks - 1) / k).mean(), abs=0.02)
    assert first_among_n == pytest.approx(
        (ranks <= k).mean(), abs=0.08
    )  # a soft edge at K, where recall@K has a hard one
    for wrong in (k / 10, 10 * k):
        assert abs(first_among_n - (ranks <= wrong).mean()) > 0.15
