"""Whom searchers want, what they click, and what they do outside search."""

import numpy as np
import pytest

from alicorn.worlds import PeopleWorld
from alicorn.worlds.people.population.graph import FriendGraph
from alicorn.worlds.people.searching.activity import HOUR, ActivityModel, background, follow_ups
from alicorn.worlds.people.searching.clicks import ClickModel, click
from alicorn.worlds.people.searching.wants import KINDS, WantModel, Wants

SIZE = 40_000


def are_friends(graph: FriendGraph, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    sources = np.repeat(np.arange(graph.num_people), graph.degrees())
    return np.isin(left * graph.num_people + right, sources * graph.num_people + graph.friends)


@pytest.fixture(scope="module")
def wanted(world: PeopleWorld) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    searchers = rng.integers(0, world.num_people, SIZE)
    people, kind = Wants(world.population, world.graph, world.popularity, WantModel()).draw(rng, searchers)
    return searchers, people, kind


def test_wants_mix_as_documented(wanted: tuple) -> None:
    searchers, people, kind = wanted
    model = WantModel()
    assert sum(model.shares) == pytest.approx(1)
    measured = np.bincount(kind, minlength=len(KINDS)) / SIZE
    assert measured == pytest.approx(model.shares, abs=0.03)  # wants of oneself turn into "anyone"
    assert (searchers != people).all()


def test_wanted_people_are_what_the_kind_says(world: PeopleWorld, wanted: tuple) -> None:
    searchers, people, kind = wanted
    population = world.population

    def of(name: str) -> tuple[np.ndarray, np.ndarray]:
        rows = kind == KINDS.index(name)
        return searchers[rows], people[rows]

    assert are_friends(world.graph, *of("friend")).all()
    left, right = of("city")
    assert (population.city[left] == population.city[right]).all()
    left, right = of("community")
    assert (
        (population.school[left] == population.school[right])
        | (population.employer[left] == population.employer[right])
    ).all()
    left, right = of("friend_of_friend")
    graph = world.graph
    for a, b in list(zip(left, right, strict=True))[:200]:
        mine = graph.friends[graph.offsets[a] : graph.offsets[a + 1]]
        assert np.isin(mine, graph.friends[graph.offsets[b] : graph.offsets[b + 1]]).any()
    assert world.popularity[of("popular")[1]].mean() > 1.5 * world.popularity.mean()
    assert are_friends(graph, *of("anyone")).mean() < 0.05


def test_position_bias_is_recovered_from_clicks() -> None:
    """The wanted person at a random rank: click rates are examination times recognition."""
    rng = np.random.default_rng(0)
    model = ClickModel()
    target = np.zeros((200_000, 10), bool)
    target[np.arange(200_000), rng.integers(0, 10, 200_000)] = True
    clicked = click(np.ones_like(target), target, np.zeros_like(target), model, rng.random(target.shape))
    rate = (clicked & target).sum(axis=0) / target.sum(axis=0)
    assert rate == pytest.approx(model.recognised * model.examination(10), abs=0.015)
    slope = np.polyfit(np.log(np.arange(1, 11)), np.log(rate), 1)[0]
    assert slope == pytest.approx(-model.exponent, abs=0.02)


def test_wrong_clicks_fall_on_namesakes_more_than_on_others() -> None:
    rng = np.random.default_rng(0)
    model = ClickModel()
    namesake = np.zeros((200_000, 2), bool)
    namesake[:100_000] = True
    nobody = np.zeros_like(namesake)
    clicked = click(np.ones_like(namesake), nobody, namesake, model, rng.random(namesake.shape))
    assert clicked[:100_000, 0].mean() == pytest.approx(model.mistaken_namesake, abs=0.003)
    assert clicked[100_000:, 0].mean() == pytest.approx(model.mistaken_other, abs=0.001)


def test_a_searcher_stops_at_the_wanted_person_and_clicks_nothing_unseen() -> None:
    everything = np.zeros((1, 4))
    shown = np.array([[True, True, True, False]])
    wanted = np.array([[False, True, False, False]])
    clicked = click(shown, wanted, np.zeros_like(shown), ClickModel(), everything)
    assert clicked.tolist() == [[True, True, False, False]]
    nothing = click(shown, np.zeros_like(shown), np.zeros_like(shown), ClickModel(), everything)
    assert nothing.tolist() == [[True, True, True, False]]


def test_failed_searches_are_followed_at_the_documented_rate_within_the_window() -> None:
    rng = np.random.default_rng(0)
    model = ActivityModel()
    searcher, person = np.arange(SIZE), np.arange(SIZE) + 1
    kind = np.full(SIZE, KINDS.index("anyone"), np.int8)
    later = follow_ups(rng, searcher, person, kind, np.full(SIZE, HOUR), model)
    assert len(later.time) / SIZE == pytest.approx(model.reached, abs=0.01)
    assert (later.document == later.searcher + 1).all()
    delay_h = (later.time - HOUR) / HOUR
    assert delay_h.min() > 0
    assert delay_h.max() < model.longest_delay_h
    assert delay_h.mean() == pytest.approx(model.mean_delay_h, abs=0.1)
    assert later.action.mean() == pytest.approx(model.added, abs=0.01)
    friends = follow_ups(rng, searcher, person, np.zeros(SIZE, np.int8), np.full(SIZE, HOUR), model)
    assert friends.action.sum() == 0  # a friend is visited, not added again


def test_background_goes_mostly_to_friends(world: PeopleWorld) -> None:
    actors = np.random.default_rng(0).integers(0, world.num_people, SIZE)
    rows = background(np.random.default_rng(1), world.graph, actors, 0, HOUR, ActivityModel())
    assert (rows.searcher != rows.document).all()
    assert (rows.time >= 0).all()
    assert (rows.time < HOUR).all()
    assert 0.6 < are_friends(world.graph, rows.searcher, rows.document).mean() < 0.75
