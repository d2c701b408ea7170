"""The friend graph is a graph, and looks like a social network."""

import numpy as np
import pytest
from lab.people_properties import local_clustering

from alicorn.worlds import PeopleWorld
from alicorn.worlds.people.population.graph import (
    FriendGraph,
    dense_pairs,
    from_pairs,
    loose_pairs,
    random_friends,
)


def edges_of(graph: FriendGraph) -> set[tuple[int, int]]:
    sources = np.repeat(np.arange(graph.num_people), graph.degrees())
    return set(zip(sources.tolist(), graph.friends.tolist(), strict=True))


def test_friendship_is_mutual_without_loops_or_repetition(world: PeopleWorld) -> None:
    edges = edges_of(world.graph)
    assert len(edges) == len(world.graph.friends)
    assert all((b, a) in edges and a != b for a, b in edges)
    inside = np.ones(len(world.graph.friends) - 1, bool)
    inside[world.graph.offsets[1:-1] - 1] = False
    assert (np.diff(world.graph.friends)[inside] > 0).all()


def test_clustering_is_that_of_a_social_network_and_not_of_chance(world: PeopleWorld) -> None:
    everyone = np.arange(world.num_people, dtype=np.int32)
    clustering = np.nanmean(local_clustering(world.graph, everyone))
    assert 0.1 < clustering < 0.4
    assert clustering > 10 * world.graph.degrees().mean() / world.num_people  # a random graph of the same density


def test_degree_is_heavy_tailed(world: PeopleWorld) -> None:
    degree = world.graph.degrees()
    assert 20 < degree.mean() < 50
    assert np.percentile(degree, 99) > 2 * np.median(degree)
    assert degree.max() > 5 * np.median(degree)
    assert degree.max() > degree.mean() + 10 * np.sqrt(degree.mean())  # far beyond Poisson


def test_from_pairs_drops_loops_and_repetition() -> None:
    graph = from_pairs(np.array([[0, 1, 0, 2, 3], [1, 0, 2, 2, 0]], np.int32), 5)
    assert graph.friends.tolist() == [1, 2, 3, 0, 0, 0]
    assert graph.offsets.tolist() == [0, 3, 4, 5, 6, 6]


def test_dense_pairs_reach_the_density_inside_groups_only() -> None:
    group = np.repeat(np.arange(200), 10)
    pairs = dense_pairs(np.random.default_rng(0), group, 0.5)
    assert (group[pairs[0]] == group[pairs[1]]).all()
    assert len(edges_of(from_pairs(pairs, 2000))) / (200 * 90) == pytest.approx(0.5, abs=0.02)


def test_loose_pairs_go_to_the_sociable_of_the_same_community() -> None:
    community = np.arange(1000) % 10
    weight = np.where(np.arange(1000) < 100, 10.0, 1.0)
    pairs = loose_pairs(np.random.default_rng(0), community, weight, 20.0)
    assert pairs.shape == (2, 10_000)
    assert (community[pairs[0]] == community[pairs[1]]).all()
    assert (pairs < 100).mean() == pytest.approx(1000 / 1900, abs=0.02)


def test_local_clustering_equals_counting() -> None:
    rng = np.random.default_rng(0)
    graph = from_pairs(rng.integers(0, 40, (2, 200)).astype(np.int32), 41)  # person 40 is alone
    edges = edges_of(graph)
    measured = local_clustering(graph, np.arange(41))
    for person in range(40):
        mine = graph.friends[graph.offsets[person] : graph.offsets[person + 1]].tolist()
        pairs = [(a, b) for a in mine for b in mine if a != b]
        assert measured[person] == pytest.approx(np.mean([pair in edges for pair in pairs]))
    assert np.isnan(measured[40])


def test_random_friends_are_friends(world: PeopleWorld) -> None:
    people = np.flatnonzero(world.graph.degrees() > 0)
    edges = edges_of(world.graph)
    drawn = random_friends(np.random.default_rng(0), world.graph, people)
    assert set(zip(people.tolist(), drawn.tolist(), strict=True)) <= edges
