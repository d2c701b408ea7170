"""The search of a shard against brute force."""

import numpy as np

from alicorn.publishing.shard_search import search_shard


def test_it_is_the_brute_force_ranking() -> None:
    rng = np.random.default_rng(0)
    documents, requests = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (60, 9))
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    requests /= np.linalg.norm(requests, axis=1, keepdims=True)
    ranked = np.argsort(-(requests @ documents.T), axis=1)
    assert search_shard(documents, requests, 20).tolist() == ranked[:, :20].tolist()
    more = search_shard(documents[:5], requests, 7)
    assert (more[:, 5:] == -1).all()
    assert np.sort(more[:, :5], axis=1).tolist() == [[0, 1, 2, 3, 4]] * 9
