"""Who lives, studied and works where? Communities of the people world, from which graph.py draws friendships.

A person has a home town, a present town, a school with a graduation year, and an employer; inside these, four small
groups: family (of the home town), class (of the school, by year), team (of the employer), circle (of the present town).
Every number that is an assumption is a field of `CommunityModel` and is listed in docs/people-world.md.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.worlds.people.population.places import Places


@dataclass(frozen=True)
class CommunityModel:
    """Sizes of groups in people; rates in [0, 1]."""

    family_size: float = 4.0
    class_size: float = 24.0
    team_size: float = 10.0
    circle_size: float = 12.0
    people_per_school: int = 600
    people_per_employer: int = 60
    moved: float = 0.35  # present town differs from the home town
    moved_within_country: float = 0.85  # of those who moved
    works_elsewhere: float = 0.15  # employer of another town of the same country
    youngest: int = 18
    oldest: int = 70
    newest_year: int = 2025


@dataclass(frozen=True)
class Population:
    """Memberships of every person, int32 (num_people,) each: numbers of places, schools, employers and groups."""

    home: np.ndarray
    city: np.ndarray
    school: np.ndarray
    graduation_year: np.ndarray
    employer: np.ndarray
    family: np.ndarray
    class_: np.ndarray
    team: np.ndarray
    circle: np.ndarray
    school_place: np.ndarray  # (num_schools,)
    employer_place: np.ndarray  # (num_employers,)

    def __len__(self) -> int:
        return len(self.home)


def form_communities(rng: np.random.Generator, num_people: int, places: Places, model: CommunityModel) -> Population:
    """Draw every membership. Towns are drawn in proportion to their real population."""
    by_population = np.cumsum(places.population / places.population.sum())
    home = _draw(rng, by_population, num_people)
    city = _move(rng, home, places, by_population, model)
    first_school, school_place = _institutions(np.bincount(home, minlength=len(places)), model.people_per_school)
    first_employer, employer_place = _institutions(np.bincount(city, minlength=len(places)), model.people_per_employer)

    school = _choose_institution(rng, home, first_school, skew=1.0)
    age = model.youngest + (model.oldest - model.youngest) * rng.beta(1.3, 2.6, num_people)
    graduation_year = (model.newest_year - age + model.youngest).astype(np.int32)
    work_place = _work_place(rng, city, places, by_population, model)
    employer = _choose_institution(rng, work_place, first_employer, skew=1.7)

    return Population(
        home=home,
        city=city,
        school=school,
        graduation_year=graduation_year,
        employer=employer,
        family=cut_into_groups(rng, home, rng.random(num_people), model.family_size),
        class_=cut_into_groups(rng, school, graduation_year + rng.random(num_people), model.class_size),
        team=cut_into_groups(rng, employer, rng.random(num_people), model.team_size),
        circle=cut_into_groups(rng, city, rng.random(num_people), model.circle_size),
        school_place=school_place,
        employer_place=employer_place,
    )


def cut_into_groups(rng: np.random.Generator, within: np.ndarray, along: np.ndarray, mean_size: float) -> np.ndarray:
    """Cut the members of each community, ordered along a key, into neighbouring groups.

    within: int (n,), community of each person; along: float (n,), order inside the community (a year, or chance).
    Group sizes vary from community to community (log-normal, sigma 0.3). Returns int32 (n,), group numbers from 0.
    """
    order = np.lexsort((along, within))
    starts, sizes = segments_of(within[order])
    means = mean_size * np.exp(rng.normal(-0.045, 0.3, len(starts)))  # -sigma^2 / 2 keeps the mean
    num_groups = np.maximum(1, np.rint(sizes / means)).astype(np.int64)
    first_group = np.cumsum(num_groups) - num_groups
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    group = np.repeat(first_group, sizes) + rank * np.repeat(num_groups, sizes) // np.repeat(sizes, sizes)
    result = np.empty(len(order), np.int32)
    result[order] = group
    return result


def segments_of(sorted_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and sizes of the runs of equal keys, int64."""
    starts = np.flatnonzero(np.r_[True, sorted_keys[1:] != sorted_keys[:-1]])
    return starts, np.diff(np.r_[starts, len(sorted_keys)])


def _draw(rng: np.random.Generator, cumulative: np.ndarray, size: int) -> np.ndarray:
    drawn = np.searchsorted(cumulative, rng.random(size), side="right")
    return np.minimum(drawn, len(cumulative) - 1).astype(np.int32)


def _in_same_country(rng: np.random.Generator, of: np.ndarray, places: Places, by_population: np.ndarray) -> np.ndarray:
    """For each place another draw by population among the places of its country (possibly the same place)."""
    codes = np.unique(places.country, return_inverse=True)[1]
    drawn = np.empty(len(of), np.int32)
    share = np.diff(np.r_[0.0, by_population])
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        rows = np.flatnonzero(codes[of] == code)
        drawn[rows] = members[_draw(rng, np.cumsum(share[members] / share[members].sum()), len(rows))]
    return drawn


def _move(
    rng: np.random.Generator, home: np.ndarray, places: Places, by_population: np.ndarray, model: CommunityModel
) -> np.ndarray:
    moved = rng.random(len(home)) < model.moved
    abroad = rng.random(len(home)) >= model.moved_within_country
    near = _in_same_country(rng, home, places, by_population)
    far = _draw(rng, by_population, len(home))
    return np.where(moved, np.where(abroad, far, near), home)


def _work_place(
    rng: np.random.Generator, city: np.ndarray, places: Places, by_population: np.ndarray, model: CommunityModel
) -> np.ndarray:
    elsewhere = rng.random(len(city)) < model.works_elsewhere
    return np.where(elsewhere, _in_same_country(rng, city, places, by_population), city)


def _institutions(people_of_place: np.ndarray, people_each: int) -> tuple[np.ndarray, np.ndarray]:
    """At least one school or employer a place. Returns first number of each place (num_places + 1,), place of each."""
    count = np.maximum(1, people_of_place // people_each)
    first = np.r_[0, np.cumsum(count)]
    return first, np.repeat(np.arange(len(count), dtype=np.int32), count)


def _choose_institution(rng: np.random.Generator, place: np.ndarray, first: np.ndarray, skew: float) -> np.ndarray:
    """One institution of each person's place; skew > 1 makes the first ones of a place the larger ones."""
    count = first[place + 1] - first[place]
    result: np.ndarray = (first[place] + np.floor(count * rng.random(len(place)) ** skew)).astype(np.int32)
    return result
