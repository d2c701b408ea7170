"""Who knows whom? The friend graph of the people world, drawn from communities.py; read by everything after it.

Three kinds of friendship: dense ties inside small groups (family, class, team, circle), loose ties inside a school, an
employer, a town and the whole world, which sociable people have more of, and closed triangles (a friend of a friend).
Dense groups and triangles give the clustering of a social network, sociability (Pareto) the heavy tail of the degree.
"""

from dataclasses import dataclass

import numpy as np
from numba import types

from alicorn.worlds.people.population.communities import Population, segments_of

OFFSETS = types.Array(types.int64, 1, "C", readonly=True)  # as kernels take the arrays of a FriendGraph
PEOPLE = types.Array(types.int32, 1, "C", readonly=True)


@dataclass(frozen=True)
class FriendshipModel:
    """Densities: share of a group's pairs who are friends. Loose ties and triangles: mean number per person."""

    family_density: float = 0.9
    class_density: float = 0.8
    team_density: float = 0.9
    circle_density: float = 0.85
    engagement_shape: float = 2.0  # engagement is Beta(shape, 1): a dense tie exists on line with e_i * e_j
    school_ties: float = 2.0
    employer_ties: float = 2.0
    city_ties: float = 4.0
    world_ties: float = 3.0
    closed_triangles: float = 6.0
    sociability_exponent: float = 2.2  # tail of the Pareto distribution of sociability (at least 1)


@dataclass(frozen=True)
class FriendGraph:
    """Undirected friendships as CSR: the friends of person i are friends[offsets[i]:offsets[i + 1]], ascending."""

    offsets: np.ndarray  # int64 (num_people + 1,)
    friends: np.ndarray  # int32 (2 * num_friendships,)

    @property
    def num_people(self) -> int:
        return len(self.offsets) - 1

    def degrees(self) -> np.ndarray:
        """int64 (num_people,): number of friends."""
        return np.diff(self.offsets)


def befriend(
    rng: np.random.Generator, population: Population, sociability: np.ndarray, model: FriendshipModel
) -> FriendGraph:
    """Draw the friend graph. sociability: float64 (num_people,), how readily a person makes loose ties."""
    num_people = len(population)
    everyone = np.zeros(num_people, np.int32)
    dense = [
        dense_pairs(rng, population.family, model.family_density),
        dense_pairs(rng, population.class_, model.class_density),
        dense_pairs(rng, population.team, model.team_density),
        dense_pairs(rng, population.circle, model.circle_density),
    ]
    engagement = rng.beta(model.engagement_shape, 1.0, num_people)
    pairs = [
        keep_engaged(rng, np.concatenate(dense, axis=1), engagement),
        loose_pairs(rng, population.school, sociability, model.school_ties),
        loose_pairs(rng, population.employer, sociability, model.employer_ties),
        loose_pairs(rng, population.city, sociability, model.city_ties),
        loose_pairs(rng, everyone, sociability, model.world_ties),
    ]
    acquainted = from_pairs(np.concatenate(pairs, axis=1), num_people)
    closing = triangle_pairs(rng, acquainted, sociability, model.closed_triangles)
    sources = np.repeat(np.arange(num_people, dtype=np.int32), acquainted.degrees())
    return from_pairs(np.concatenate([np.stack([sources, acquainted.friends]), closing], axis=1), num_people)


def draw_sociability(rng: np.random.Generator, num_people: int, model: FriendshipModel) -> np.ndarray:
    """float64 (num_people,), Pareto with minimum 1."""
    return (1.0 - rng.random(num_people)) ** (-1.0 / model.sociability_exponent)


def from_pairs(pairs: np.ndarray, num_people: int) -> FriendGraph:
    """Symmetric graph of the pairs, int32 (2, n); loops and repeated pairs count once or not at all."""
    low, high = pairs.min(axis=0).astype(np.int64), pairs.max(axis=0).astype(np.int64)
    keys = np.sort((low * num_people + high)[low != high])
    keys = keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys  # np.unique hashes, 5 times slower here
    low, high = np.divmod(keys, num_people)
    both = np.sort(np.concatenate([keys, high * num_people + low]))
    sources, friends = np.divmod(both, num_people)
    offsets = np.searchsorted(sources, np.arange(num_people + 1))
    return FriendGraph(offsets.astype(np.int64), friends.astype(np.int32))


def dense_pairs(rng: np.random.Generator, group: np.ndarray, density: float) -> np.ndarray:
    """Pairs inside each group, drawn with replacement so often that `density` of a group's pairs is expected drawn."""
    order = np.argsort(group, kind="stable").astype(np.int32)
    starts, sizes = segments_of(group[order])
    wanted = -np.log1p(-density) * sizes * (sizes - 1) / 2
    count = rng.poisson(wanted)
    start, size = np.repeat(starts, count), np.repeat(sizes, count)
    first = (rng.random(len(start)) * size).astype(np.int64)
    second = (first + 1 + (rng.random(len(start)) * (size - 1)).astype(np.int64)) % size
    return np.stack([order[start + first], order[start + second]])


def keep_engaged(rng: np.random.Generator, pairs: np.ndarray, engagement: np.ndarray) -> np.ndarray:
    """Not everyone adds everyone: a pair stays with the product of both people's engagement, each in [0, 1]."""
    kept = rng.random(pairs.shape[1]) < engagement[pairs[0]] * engagement[pairs[1]]
    return pairs[:, kept]


def loose_pairs(rng: np.random.Generator, community: np.ndarray, weight: np.ndarray, mean_ties: float) -> np.ndarray:
    """Pairs inside each community, both ends drawn by weight. mean_ties: pairs' ends per person, before duplicates."""
    num_people = len(community)
    order = np.argsort(community, kind="stable").astype(np.int32)
    starts, sizes = segments_of(community[order])
    cumulative = np.r_[0.0, np.cumsum(weight[order])]
    segment = np.repeat(np.arange(len(starts)), sizes)
    first = _draw_between(rng, cumulative, np.zeros(int(num_people * mean_ties / 2), np.int64), num_people)
    low = starts[segment[first]]
    second = _draw_between(rng, cumulative, low, low + sizes[segment[first]])
    return np.stack([order[first], order[second]])


def triangle_pairs(
    rng: np.random.Generator, graph: FriendGraph, weight: np.ndarray, mean_triangles: float
) -> np.ndarray:
    """Pairs (person, friend of a friend): a person by weight, then two steps at random."""
    count = int(graph.num_people * mean_triangles / 2)
    cumulative = np.r_[0.0, np.cumsum(weight)]
    person = _draw_between(rng, cumulative, np.zeros(count, np.int64), graph.num_people)
    person = person[graph.degrees()[person] > 0]
    between = random_friends(rng, graph, person)
    return np.stack([person.astype(np.int32), random_friends(rng, graph, between)])


def random_friends(rng: np.random.Generator, graph: FriendGraph, people: np.ndarray) -> np.ndarray:
    """One friend at random of each person; everyone asked must have one. int32, same length."""
    degree = graph.offsets[people + 1] - graph.offsets[people]
    result: np.ndarray = graph.friends[graph.offsets[people] + (rng.random(len(people)) * degree).astype(np.int64)]
    return result


def _draw_between(
    rng: np.random.Generator, cumulative: np.ndarray, low: np.ndarray, high: np.ndarray | int
) -> np.ndarray:
    """Positions in [low, high) by weight, given the cumulative weights with a leading 0. int64."""
    target = cumulative[low] + rng.random(len(low)) * (cumulative[high] - cumulative[low])
    result: np.ndarray = np.clip(np.searchsorted(cumulative, target, side="right") - 1, low, np.asarray(high) - 1)
    return result
