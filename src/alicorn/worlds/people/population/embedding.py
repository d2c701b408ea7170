"""A vector of each person's place in the friend graph. Made from graph.py alone, never from the communities behind it.

Random projections of random walks, as in FastRP (Chen et al., CIKM 2019): every person gets a Gaussian vector, and one,
two and three steps of averaging over friends give vectors whose cosine estimates how much the walks of two people
overlap. The three, each of unit length, are added. It needs no labels and no training, its cost is linear in the
friendships, and its vectors tell thousands of small communities apart, which 32 singular vectors cannot.
"""

import numpy as np
from numba import types

from alicorn.compiled import kernel
from alicorn.worlds.people.population.graph import OFFSETS, PEOPLE, FriendGraph

STEPS = 3


def social_embedding(rng: np.random.Generator, graph: FriendGraph, dim: int) -> np.ndarray:
    """float32 (num_people, dim), rows of unit length. A person without friends keeps a random direction."""
    vectors = rng.standard_normal((graph.num_people, dim), dtype=np.float32)
    alone = graph.degrees() == 0
    total = np.where(alone[:, None], vectors, np.float32(0))
    for _ in range(STEPS):
        vectors = average_of_friends(graph.offsets, graph.friends, vectors)
        total += _unit(vectors)
    return _unit(total)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.sum(vectors * vectors, axis=1, keepdims=True))
    result: np.ndarray = vectors / np.maximum(lengths, np.float32(1e-12))
    return result


_VECTORS = types.Array(types.float32, 2, "C", readonly=True)


@kernel(types.float32[:, ::1](OFFSETS, PEOPLE, _VECTORS))
def average_of_friends(offsets: np.ndarray, friends: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Row i: the mean of the rows of i's friends; zeros where there are none. float32, shape of `vectors`."""
    result = np.zeros_like(vectors)
    for person in range(len(offsets) - 1):
        start, stop = offsets[person], offsets[person + 1]
        for k in range(start, stop):
            friend = friends[k]
            for column in range(vectors.shape[1]):
                result[person, column] += vectors[friend, column]
        if stop > start:
            for column in range(vectors.shape[1]):
                result[person, column] /= np.float32(stop - start)
    return result
