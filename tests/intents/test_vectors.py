"""What is learned by bags is what is scored by means."""

import numpy as np
import torch

from alicorn.intents.vectors import Examples, learned_vectors


def test_the_scores_are_those_of_the_network_that_learned():
    rng = np.random.default_rng(0)
    starts = np.array([0, 3, 3, 5, 9])
    examples = Examples(rng.integers(0, 64, 9), starts, np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2, 4]))
    table, weights, bias = learned_vectors(examples, 3, 64, epochs=3, seed=1)
    indices, offsets = (torch.from_numpy(array) for array in examples.bags(np.array([3, 1, 0])))
    bags = torch.nn.functional.embedding_bag(indices, torch.from_numpy(table), offsets, mode="mean").numpy()
    np.testing.assert_allclose(examples.means(table)[[3, 1, 0]], bags, atol=1e-6)
    assert examples.dense_labels(np.array([3, 0, 2]), 3).tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    again = learned_vectors(examples, 3, 64, epochs=3, seed=1)
    for one, other in zip((table, weights, bias), again, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
