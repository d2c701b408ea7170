"""What people do outside search: reach a person whom a search failed to find, and visit others.

Hard positives are mined from these rows; background visits make that mining imperfect, as in a real log.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.worlds.people.population.graph import FriendGraph, random_friends
from alicorn.worlds.people.searching.wants import KINDS

ACTIONS = ("visited", "added")
HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True)
class ActivityModel:
    """Rates in [0, 1]; times in hours."""

    reached: float = 0.35  # a search without a click is followed by reaching the wanted person another way
    mean_delay_h: float = 2.0  # exponential, cut at longest_delay_h
    longest_delay_h: float = 20.0
    added: float = 0.40  # of those reached who were not friends, added as friend; else visited
    background: float = 0.5  # visits unrelated to a search, per search
    background_friend: float = 0.6
    background_friend_of_friend: float = 0.25  # the rest: anyone


@dataclass(frozen=True)
class Activity:
    """Rows of the activity table; one entry each."""

    searcher: np.ndarray  # int64, person numbers
    document: np.ndarray  # int64, person numbers
    time: np.ndarray  # int64, microseconds since 1970
    action: np.ndarray  # int8, index into ACTIONS


def follow_ups(
    rng: np.random.Generator,
    searcher: np.ndarray,
    wanted: np.ndarray,
    kind: np.ndarray,
    time: np.ndarray,
    model: ActivityModel,
) -> Activity:
    """For searches that had no click: the wanted person is reached some time later, at the rate `reached`."""
    rows = np.flatnonzero(rng.random(len(searcher)) < model.reached)
    longest = 1 - np.exp(-model.longest_delay_h / model.mean_delay_h)
    delay_h = -model.mean_delay_h * np.log1p(-longest * rng.random(len(rows)))
    added = (rng.random(len(rows)) < model.added) & (kind[rows] != KINDS.index("friend"))
    later = time[rows] + 1 + (delay_h * HOUR).astype(np.int64)
    return Activity(searcher[rows], wanted[rows].astype(np.int64), later, added.astype(np.int8))


def background(
    rng: np.random.Generator, graph: FriendGraph, actors: np.ndarray, start: int, stop: int, model: ActivityModel
) -> Activity:
    """Visits of people by `actors`, int64 (n,), at any time in [start, stop) microseconds; no search behind them."""
    who = rng.random(len(actors))
    visited = rng.integers(0, graph.num_people, len(actors))
    steps = np.where(who < model.background_friend, 1, 0)
    steps[(who >= model.background_friend) & (who < model.background_friend + model.background_friend_of_friend)] = 2
    steps[graph.degrees()[actors] == 0] = 0
    near = np.flatnonzero(steps > 0)
    visited[near] = random_friends(rng, graph, actors[near])
    two = np.flatnonzero(steps == 2)
    visited[two] = random_friends(rng, graph, visited[two])
    kept = visited != actors
    time = rng.integers(start, stop, len(actors))
    return Activity(actors[kept], visited[kept], time[kept], np.zeros(int(kept.sum()), np.int8))
