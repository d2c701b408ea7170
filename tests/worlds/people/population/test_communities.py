"""Places, memberships and small groups."""

import numpy as np
import pytest

from alicorn.worlds.people.population.communities import CommunityModel, Population, cut_into_groups, form_communities
from alicorn.worlds.people.population.places import DATA, load_places

NUM_PEOPLE = 20_000


@pytest.fixture(scope="module")
def population() -> Population:
    return form_communities(np.random.default_rng(0), NUM_PEOPLE, load_places(100), CommunityModel())


def test_the_table_of_places_is_small_and_ordered() -> None:
    assert (DATA / "places.parquet").stat().st_size < 100_000
    places = load_places(2000)
    assert len(places) == 2000
    assert (np.diff(places.population) <= 0).all()
    assert places.region[0].startswith(places.country[0] + ".")


def test_home_towns_follow_the_real_population(population: Population) -> None:
    places = load_places(100)
    expected = NUM_PEOPLE * places.population / places.population.sum()
    z = (np.bincount(population.home, minlength=100) - expected) / np.sqrt(expected)
    assert np.abs(z).max() < 5


def test_most_people_stay_and_most_movers_stay_in_the_country(population: Population) -> None:
    country = np.array(load_places(100).country)
    moved = population.home != population.city
    assert 0.25 < moved.mean() < 0.36
    assert (country[population.home] == country[population.city])[moved].mean() > 0.75


@pytest.mark.parametrize(
    ("group", "community", "size"),
    [("family", "home", 4), ("class_", "school", 24), ("team", "employer", 10), ("circle", "city", 12)],
)
def test_small_groups_lie_inside_their_community(population: Population, group: str, community: str, size: int) -> None:
    numbers, outer = getattr(population, group), getattr(population, community)
    assert len(np.unique(np.stack([numbers, outer]), axis=1)[0]) == len(np.unique(numbers))
    assert 0.7 * size < np.bincount(numbers).mean() < 1.3 * size


def test_a_class_graduates_within_few_years(population: Population) -> None:
    order = np.lexsort((population.graduation_year, population.class_))
    starts = np.flatnonzero(np.r_[True, np.diff(population.class_[order]) > 0])
    years = population.graduation_year[order]
    span = years[np.r_[starts[1:], NUM_PEOPLE] - 1] - years[starts]
    assert np.median(span) < 10  # against 50 for a class drawn at random


def test_institutions_stand_in_the_right_town(population: Population) -> None:
    assert (population.school_place[population.school] == population.home).all()
    assert (population.employer_place[population.employer] == population.city).mean() > 0.8


def test_groups_are_neighbours_along_the_key() -> None:
    groups = cut_into_groups(np.random.default_rng(0), np.zeros(100, int), np.arange(100.0), 10)
    assert (np.diff(groups) >= 0).all()
    assert groups[0] == 0
    assert set(groups) == set(range(groups.max() + 1))
