"""The relevance of PinnerSage: how many targets have something like them among the first."""

import numpy as np

from alicorn.evaluation.metrics.ranking import Targets


def test_likeness_counts_targets_with_something_like_them_among_the_first() -> None:
    from lab.likeness import likeness_at

    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(40, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    run = np.array([[5, 9, 2, 7, -1], [1, 0, 3, 4, 6], [8, 9, 10, 11, 12]], dtype=np.int32)
    wanted = [[5, 20, 21], [-1, 0, 30], []]
    targets = Targets.of(wanted)
    for k, least in ((1, 0.3), (4, 0.3), (5, 0.999)):
        expected = [
            np.mean([any(n >= 0 and d >= 0 and vectors[d] @ vectors[n] >= least for n in row[:k]) for d in own])
            for row, own in zip(run.tolist(), wanted[:2], strict=False)
        ]
        found = likeness_at(run, targets, vectors, k, least)
        np.testing.assert_allclose(found[:2], expected)
        assert np.isnan(found[2])
    assert likeness_at(run, targets, vectors, 5, 0.999)[:2].tolist() == [1 / 3, 1 / 3]
