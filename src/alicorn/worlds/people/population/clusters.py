"""Social clusters: groups of people who are friends with each other, found in the graph.

Label propagation with a bound on the size of a cluster (Meyerhenke, Sanders, Schulz 2014): everyone starts alone; in a
few rounds, in random order, each person moves to the cluster in which most of the friends are and which has room. A
person is then described by the clusters of the friends, with the share of friends in each as weight.
"""

import numpy as np
from numba import types

from alicorn.compiled import kernel
from alicorn.worlds.people.population.graph import OFFSETS, PEOPLE, FriendGraph

MAX_CLUSTER_SIZE = 100
ROUNDS = 6


def social_clusters(rng: np.random.Generator, graph: FriendGraph) -> np.ndarray:
    """int32 (num_people,): the cluster of each person, numbered from 0 without gaps."""
    order = rng.permutation(graph.num_people).astype(np.int32)
    labels = np.arange(graph.num_people, dtype=np.int32)
    for _ in range(ROUNDS):
        propagate_labels(graph.offsets, graph.friends, labels, order, MAX_CLUSTER_SIZE)
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


@kernel(types.void(OFFSETS, PEOPLE, types.int32[::1], PEOPLE, types.int64))
def propagate_labels(
    offsets: np.ndarray, friends: np.ndarray, labels: np.ndarray, order: np.ndarray, max_size: int
) -> None:
    """One round, in place: each person of `order` takes the label most common among the friends that has room.

    A tie keeps the present label, else goes to the label met first. labels: int32 (num_people,).
    """
    sizes = np.zeros(len(labels), np.int32)
    for label in labels:
        sizes[label] += 1
    votes = np.zeros(len(labels), np.int32)
    for person in order:
        start, stop = offsets[person], offsets[person + 1]
        mine = labels[person]
        for k in range(start, stop):
            votes[labels[friends[k]]] += 1
        best, best_votes = mine, votes[mine]
        for k in range(start, stop):
            label = labels[friends[k]]
            if votes[label] > best_votes and sizes[label] < max_size:
                best, best_votes = label, votes[label]
        for k in range(start, stop):
            votes[labels[friends[k]]] = 0
        sizes[mine] -= 1
        sizes[best] += 1
        labels[person] = best


@kernel(types.Tuple((types.int32[:, ::1], types.float32[:, ::1]))(OFFSETS, PEOPLE, PEOPLE, types.int64))
def clusters_of_friends(
    offsets: np.ndarray, friends: np.ndarray, labels: np.ndarray, top: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `top` clusters with most of a person's circle (the friends and the person), and their share of it.

    Returns int32 and float32 (num_people, top), largest share first; unused places hold -1 and 0.
    """
    num_people = len(labels)
    chosen = np.full((num_people, top), -1, np.int32)
    shares = np.zeros((num_people, top), np.float32)
    votes = np.zeros(num_people, np.int32)
    for person in range(num_people):
        start, stop = offsets[person], offsets[person + 1]
        votes[labels[person]] += 1
        for k in range(start, stop):
            votes[labels[friends[k]]] += 1
        for place in range(top):
            best, most = np.int32(-1), 0
            if votes[labels[person]] > most:
                best, most = labels[person], votes[labels[person]]
            for k in range(start, stop):
                label = labels[friends[k]]
                if votes[label] > most:
                    best, most = label, votes[label]
            if best < 0:
                break
            chosen[person, place] = best
            shares[person, place] = np.float32(most) / np.float32(stop - start + 1)
            votes[best] = 0
        votes[labels[person]] = 0
        for k in range(start, stop):
            votes[labels[friends[k]]] = 0
    return chosen, shares
