"""Names, languages, schools and employers of the people of a world, as numbers into vocabularies."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.worlds.people.population.communities import Population, segments_of
from alicorn.worlds.people.population.names import (
    ORIGINS,
    first_name_vocabulary,
    last_name_vocabulary,
    nickname_table,
    sample_names,
)
from alicorn.worlds.people.population.places import Places

NAMED_ELSEWHERE = 0.10  # share of people whose names come from another country than the home town's
FAMILY_NAME_SHARED = 0.70  # a member of a family bears the family's last name
PROFILE_NICKNAME = 0.06  # a profile shows a nickname as first name
ENGLISH_SPEAKERS = 0.10  # of people whose country's language is another

_SCHOOLS = (
    "High School", "Central High School", "St Mary's School", "North High School", "Grammar School",
    "South High School", "Technical College", "Lincoln School", "West High School", "East High School",
    "Sacred Heart School", "City College",
)  # fmt: skip
_TRADES = (
    "Logistics", "Foods", "Health", "Motors", "Software", "Insurance", "Construction", "Energy", "Media", "Textiles",
    "Bank", "Airways", "Hotels", "Chemicals", "Design", "Telecom", "Pharmacy", "Books", "Farms", "Consulting",
)  # fmt: skip


@dataclass(frozen=True)
class Identities:
    """Numbers per person (int32) and the vocabularies they point into."""

    first: np.ndarray
    last: np.ndarray
    language: np.ndarray
    name_key: np.ndarray  # int64 (num_people,): equal exactly where full names are equal, case aside
    first_vocabulary: pa.StringArray
    last_vocabulary: pa.StringArray
    languages: pa.StringArray
    schools: pa.StringArray
    employers: pa.StringArray

    def full_names(self, rows: slice) -> pa.StringArray:
        first = self.first_vocabulary.take(pa.array(self.first[rows]))
        return pc.binary_join_element_wise(first, self.last_vocabulary.take(pa.array(self.last[rows])), " ")

    def namesakes(self) -> np.ndarray:
        """int64 (num_people,): how many other people have exactly this full name."""
        _, inverse, count = np.unique(self.name_key, return_inverse=True, return_counts=True)
        return count[inverse] - 1


def draw_identities(rng: np.random.Generator, population: Population, places: Places) -> Identities:
    """Names by the country of the home town, family names along families, nicknames, and languages."""
    codes = sorted(ORIGINS)
    country_of_place = np.array([codes.index(code) for code in places.country], np.int32)
    home_country = country_of_place[population.home]
    share = np.bincount(home_country, minlength=len(codes)) / len(population)

    elsewhere = rng.random(len(population)) < NAMED_ELSEWHERE
    named_in = np.where(elsewhere, rng.choice(len(codes), len(population), p=share), home_country)
    given = first_name_vocabulary()
    short = sorted({nickname.capitalize() for others in nickname_table().values() for nickname in others} - set(given))
    first_vocabulary, last_vocabulary = given + short, last_name_vocabulary()
    first = sample_names(rng, named_in, codes, "first", first_vocabulary)
    first = _show_nicknames(rng, first, first_vocabulary)
    last = sample_names(rng, named_in, codes, "last", last_vocabulary)
    last = _share_family_names(rng, last, population.family)

    languages = sorted({origin.language for origin in ORIGINS.values()})
    main = np.array([languages.index(ORIGINS[code].language) for code in codes], np.int32)
    english = rng.random(len(population)) < ENGLISH_SPEAKERS
    language = np.where(english, np.int32(languages.index("en")), main[home_country])

    return Identities(
        first=first,
        last=last,
        language=language,
        name_key=_caseless(first_vocabulary)[first] * len(last_vocabulary) + _caseless(last_vocabulary)[last],
        first_vocabulary=pa.array(first_vocabulary),
        last_vocabulary=pa.array(last_vocabulary),
        languages=pa.array(languages),
        schools=pa.array(_school_names(population.school_place, places)),
        employers=pa.array(
            _employer_names(rng, population.employer, len(population.employer_place), last, last_vocabulary)
        ),
    )


def _share_family_names(rng: np.random.Generator, last: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Most members of a family take the last name that its first member drew, so the frequencies stay the lists'."""
    order = np.argsort(family, kind="stable")
    starts, sizes = segments_of(family[order])
    of_family = np.empty_like(last)
    of_family[order] = np.repeat(last[order[starts]], sizes)
    return np.where(rng.random(len(last)) < FAMILY_NAME_SHARED, of_family, last)


def _show_nicknames(rng: np.random.Generator, first: np.ndarray, vocabulary: list[str]) -> np.ndarray:
    number = {name: i for i, name in enumerate(vocabulary)}
    shown = first.copy()
    rows = np.flatnonzero(rng.random(len(first)) < PROFILE_NICKNAME)
    for row, chance in zip(rows, rng.random(len(rows)), strict=True):
        nicknames = nickname_table().get(vocabulary[first[row]].lower(), ())
        if nicknames:
            shown[row] = number[nicknames[int(chance * len(nicknames))].capitalize()]
    return shown


def _caseless(vocabulary: list[str]) -> np.ndarray:
    """int64: names that differ in case only get one number."""
    return np.unique([name.casefold() for name in vocabulary], return_inverse=True)[1].astype(np.int64)


def _school_names(school_place: np.ndarray, places: Places) -> list[str]:
    names = []
    first_of_place: dict[int, int] = {}
    for number, place in enumerate(school_place.tolist()):
        rank = number - first_of_place.setdefault(place, number)
        again = f" {rank // len(_SCHOOLS) + 1}" if rank >= len(_SCHOOLS) else ""
        names.append(f"{places.city[place]} {_SCHOOLS[rank % len(_SCHOOLS)]}{again}")
    return names


def _employer_names(
    rng: np.random.Generator, employer: np.ndarray, num_employers: int, last: np.ndarray, last_vocabulary: list[str]
) -> list[str]:
    """The last name of one who works there, and a trade; firms of different towns may share a name."""
    founders = np.zeros(num_employers, np.int32)
    founders[employer] = last
    trades = rng.integers(0, len(_TRADES), num_employers)
    return [f"{last_vocabulary[f]} {_TRADES[t]}" for f, t in zip(founders.tolist(), trades.tolist(), strict=True)]
