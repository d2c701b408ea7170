"""Whom does a searcher want? Mostly people the searcher is likely to know.

The mixture determines how much a retriever can learn from the searcher's context. docs/people-world.md states it, and
each search keeps its kind as a segment.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.worlds.people.population.communities import Population, segments_of
from alicorn.worlds.people.population.graph import FriendGraph, random_friends

KINDS = ("friend", "friend_of_friend", "community", "city", "popular", "anyone")


@dataclass(frozen=True)
class WantModel:
    """Shares of the searches, in the order of KINDS; they sum to 1."""

    shares: tuple[float, ...] = (0.20, 0.35, 0.15, 0.10, 0.12, 0.08)


class Membership:
    """Members of each community of one kind, for drawing a random fellow."""

    def __init__(self, community: np.ndarray) -> None:
        self.community = community
        self.order = np.argsort(community, kind="stable").astype(np.int32)
        starts, sizes = segments_of(community[self.order])
        self.start = np.zeros(int(community.max()) + 1, np.int64)
        self.size = np.zeros(int(community.max()) + 1, np.int64)
        numbers = community[self.order[starts]]
        self.start[numbers], self.size[numbers] = starts, sizes

    def fellow(self, rng: np.random.Generator, people: np.ndarray) -> np.ndarray:
        """A random member of each person's community, possibly the person. int32, same length."""
        mine = self.community[people]
        result: np.ndarray = self.order[self.start[mine] + (rng.random(len(people)) * self.size[mine]).astype(np.int64)]
        return result


class Wants:
    """Draws the wanted person of each search."""

    def __init__(self, population: Population, graph: FriendGraph, popularity: np.ndarray, model: WantModel) -> None:
        self.graph = graph
        self.model = model
        self.communities = [Membership(population.school), Membership(population.employer)]
        self.city = Membership(population.city)
        # The probability of being looked up for fame: the square of popularity lets few people take most of it.
        self.fame = np.cumsum(popularity.astype(np.float64) ** 2)

    def draw(self, rng: np.random.Generator, searchers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """searchers: int (n,). Returns wanted person int32 (n,), never the searcher, and kind int8 (n,).

        A searcher for whom a kind is impossible (no friends, alone in a school) wants anyone, and has that kind.
        """
        num_people = self.graph.num_people
        kind = np.searchsorted(np.cumsum(self.model.shares), rng.random(len(searchers)), side="right")
        kind = np.minimum(kind, len(KINDS) - 1).astype(np.int8)
        kind[(self.graph.degrees()[searchers] == 0) & (kind < 2)] = KINDS.index("anyone")
        wanted = rng.integers(0, num_people, len(searchers)).astype(np.int32)

        def of(name: str) -> np.ndarray:
            return np.flatnonzero(kind == KINDS.index(name))

        rows = of("friend")
        wanted[rows] = random_friends(rng, self.graph, searchers[rows])
        rows = of("friend_of_friend")
        wanted[rows] = random_friends(rng, self.graph, random_friends(rng, self.graph, searchers[rows]))
        rows = of("community")
        which = rng.integers(0, len(self.communities), len(rows))
        for number, community in enumerate(self.communities):
            wanted[rows[which == number]] = community.fellow(rng, searchers[rows[which == number]])
        rows = of("city")
        wanted[rows] = self.city.fellow(rng, searchers[rows])
        rows = of("popular")
        wanted[rows] = np.searchsorted(self.fame, rng.random(len(rows)) * self.fame[-1], side="right")

        oneself = wanted == searchers
        kind[oneself] = KINDS.index("anyone")
        wanted[oneself] = (searchers[oneself] + 1 + rng.integers(0, num_people - 1, oneself.sum())) % num_people
        return wanted, kind
