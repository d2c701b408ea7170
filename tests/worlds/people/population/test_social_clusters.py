"""Social clusters and the social embedding describe the graph, and nothing but the graph."""

from collections import Counter

import numpy as np
import pytest

from alicorn.worlds import PeopleWorld
from alicorn.worlds.people.population.clusters import MAX_CLUSTER_SIZE, clusters_of_friends, social_clusters
from alicorn.worlds.people.population.embedding import average_of_friends, social_embedding
from alicorn.worlds.people.population.graph import FriendGraph, from_pairs, random_friends


def cliques(count: int, size: int) -> FriendGraph:
    """`count` cliques in a ring, neighbours joined by one friendship."""
    inside = [(c * size + a, c * size + b) for c in range(count) for a in range(size) for b in range(a)]
    between = [(c * size, ((c + 1) % count) * size + 1) for c in range(count)]
    return from_pairs(np.array(inside + between, np.int32).T, count * size)


def cosines(vectors: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(vectors[left] * vectors[right], axis=1)


def test_clusters_find_cliques() -> None:
    labels = social_clusters(np.random.default_rng(0), cliques(20, 12))
    assert len(np.unique(labels)) == 20
    assert all(len(set(labels[c * 12 : c * 12 + 12])) == 1 for c in range(20))


def test_clusters_have_room_for_no_more_than_the_bound(world: PeopleWorld) -> None:
    labels = social_clusters(np.random.default_rng(0), world.graph)
    sizes = np.bincount(labels)
    assert sizes.min() >= 1
    assert sizes.max() <= MAX_CLUSTER_SIZE
    sources = np.repeat(np.arange(world.num_people), world.graph.degrees())
    assert (labels[sources] == labels[world.graph.friends]).mean() > 0.2  # by chance about 0.01


def test_clusters_of_friends_equal_counting(world: PeopleWorld) -> None:
    graph = world.graph
    labels = social_clusters(np.random.default_rng(0), graph)
    numbers, shares = clusters_of_friends(graph.offsets, graph.friends, labels, 3)
    for person in range(0, world.num_people, 97):
        circle = [person, *graph.friends[graph.offsets[person] : graph.offsets[person + 1]]]
        count = Counter(labels[circle].tolist())
        expected = [votes / len(circle) for _, votes in count.most_common(3)]
        present = numbers[person] >= 0
        assert shares[person][present] == pytest.approx(expected)
        assert [count[n] / len(circle) for n in numbers[person][present]] == pytest.approx(expected)
        assert (shares[person][~present] == 0).all()


def test_average_of_friends() -> None:
    graph = from_pairs(np.array([[0, 0], [1, 2]], np.int32), 4)
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    assert average_of_friends(graph.offsets, graph.friends, vectors).tolist() == [[3, 4], [0, 1], [0, 1], [0, 0]]


def test_friends_are_closer_than_strangers_and_than_fellow_townspeople(world: PeopleWorld) -> None:
    rng = np.random.default_rng(0)
    people = np.flatnonzero(world.graph.degrees() > 0)
    friend = cosines(world.social, people, random_friends(rng, world.graph, people)).mean()
    stranger = cosines(world.social, people, rng.permutation(people)).mean()
    assert friend > stranger + 0.3
    assert np.linalg.norm(world.social, axis=1) == pytest.approx(1, abs=1e-5)


def test_embedding_follows_the_graph_and_not_the_communities(world: PeopleWorld) -> None:
    """Give every person the friends of another one: the communities stay, and the vectors forget them."""
    rng = np.random.default_rng(0)
    other = rng.permutation(world.num_people)
    sources = np.repeat(np.arange(world.num_people), world.graph.degrees())
    shuffled = from_pairs(np.stack([other[sources], other[world.graph.friends]]), world.num_people)
    vectors = social_embedding(rng, shuffled, 32)
    same_class = np.argsort(world.population.class_, kind="stable")
    before = cosines(world.social, same_class[:-1], same_class[1:]).mean()
    after = cosines(vectors, same_class[:-1], same_class[1:]).mean()
    assert before > 0.4
    assert after < 0.2
    assert cosines(vectors, other[sources], other[world.graph.friends]).mean() > 0.4


def test_a_person_without_friends_has_a_vector() -> None:
    graph = from_pairs(np.array([[0], [1]], np.int32), 3)
    vectors = social_embedding(np.random.default_rng(0), graph, 8)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
