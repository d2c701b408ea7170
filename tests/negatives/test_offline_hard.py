"""A window of ranks of the whole corpus is found on a shard, in proportion."""

import numpy as np
import pytest

from alicorn.negatives import Shard, hard_of


@pytest.mark.parametrize(
    ("share", "ranks", "window"),
    [
        (1.0, (101, 500), (101, 500)),
        (0.1, (101, 500), (11, 50)),
        (0.1, (1, 100), (1, 10)),
        (0.01, (1, 3), (1, 1)),
        (0.1, (900, 5000), (91, 100)),
    ],
)
def test_the_window_is_in_proportion_and_never_empty(
    share: float, ranks: tuple[int, int], window: tuple[int, int]
) -> None:
    shard = Shard.drawn(1000, share, ranks, np.random.default_rng(0))
    assert (shard.first, shard.last) == window
    assert len(shard.documents) == 1000 * share
    assert len(np.unique(shard.documents)) == len(shard.documents)
    assert shard.documents.min() >= 0
    assert shard.documents.max() < 1000


def test_candidates_have_about_those_ranks_in_the_whole_corpus() -> None:
    rng = np.random.default_rng(0)
    shard = Shard.drawn(20_000, 0.1, (101, 500), rng)
    order = rng.random((200, 20_000)).argsort(axis=1)
    ranks = order.argsort(axis=1) + 1  # of each document, for each request
    ranked = ranks[:, shard.documents].argsort(axis=1)[:, : shard.last]
    requests, documents = hard_of(ranked, shard, rng)
    assert np.bincount(requests).tolist() == [16] * 200
    found = ranks[requests, documents]
    assert np.isin(documents, shard.documents).all()
    assert (np.quantile(found, 0.1) > 90, np.quantile(found, 0.9) < 560) == (True, True)
    assert 250 < np.median(found) < 350


def test_what_a_search_did_not_find_is_no_candidate() -> None:
    shard = Shard(np.array([4, 8, 9]), first=2, last=3)
    requests, documents = hard_of(np.array([[0, 2, 1], [1, -1, -1]]), shard, np.random.default_rng(0))
    assert requests.tolist() == [0, 0]
    assert sorted(documents.tolist()) == [8, 9]
