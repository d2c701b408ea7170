"""What are people called? Weighted real first and last names, and nicknames.

Names and their frequencies are those of Faker's weighted providers (package `faker`, MIT), sampled with NumPy. A
country takes the list of its own locale, or of the nearest one that has weights. `data/nicknames.parquet` (name,
nickname; lower case) is a subset of carltonnorthern/nicknames, Apache-2.0, made by `derive_tables.py`.
"""

import importlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow.parquet as pq

from alicorn.worlds.people.population.places import DATA


@dataclass(frozen=True)
class Origin:
    """Where the names of a country come from (Faker locales), and the language most of its people use."""

    language: str
    first: str
    last: str


# Countries of the world: those whose locale has weighted first and last names, and the English-speaking ones, which
# borrow: Faker has no weights for the first names of en_GB, and none at all for en_AU and en_CA.
ORIGINS = {
    "US": Origin("en", "en_US", "en_US"),
    "GB": Origin("en", "en_NZ", "en_GB"),
    "CA": Origin("en", "en_US", "en_US"),
    "AU": Origin("en", "en_NZ", "en_NZ"),
    "NZ": Origin("en", "en_NZ", "en_NZ"),
    "KE": Origin("sw", "en_KE", "en_KE"),
    "AR": Origin("es", "es_AR", "es_AR"),
    "CL": Origin("es", "es_CL", "es_CL"),
    "CO": Origin("es", "es_CO", "es_CO"),
    "BE": Origin("nl", "nl_BE", "nl_BE"),
    "SE": Origin("sv", "sv_SE", "sv_SE"),
    "FI": Origin("fi", "fi_FI", "fi_FI"),
}


@cache
def weighted_names(locale: str, attribute: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and probabilities (float64, sum 1) of one list of one Faker locale, in the list's order.

    attribute: "first_names_female", "first_names_male" or "last_names".
    """
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    frequencies = getattr(provider, attribute)
    weights = np.array(list(frequencies.values()), np.float64)
    return tuple(frequencies), weights / weights.sum()


def first_names(locale: str) -> tuple[list[str], np.ndarray]:
    """First names of women and men with probabilities, half of the people being women. Names of both occur once."""
    female, female_p = weighted_names(locale, "first_names_female")
    male, male_p = weighted_names(locale, "first_names_male")
    probability: dict[str, float] = {}
    for names, p in ((female, female_p), (male, male_p)):
        for name, share in zip(names, p, strict=True):
            probability[name] = probability.get(name, 0.0) + share / 2
    return list(probability), np.array(list(probability.values()))


def last_names(locale: str) -> tuple[list[str], np.ndarray]:
    names, probability = weighted_names(locale, "last_names")
    return list(names), probability


def first_name_vocabulary() -> list[str]:
    """Every first name of the world, sorted."""
    return sorted({name for origin in ORIGINS.values() for name in first_names(origin.first)[0]})


def last_name_vocabulary() -> list[str]:
    """Every last name of the world, sorted."""
    return sorted({name for origin in ORIGINS.values() for name in last_names(origin.last)[0]})


def sample_names(
    rng: np.random.Generator, countries: np.ndarray, country_codes: list[str], which: str, vocabulary: list[str]
) -> np.ndarray:
    """One name per person from the weighted list of the person's country of origin.

    countries: int (n,), indices into `country_codes`; which: "first" or "last".
    Returns int32 (n,), indices into `vocabulary`.
    """
    number = {name: i for i, name in enumerate(vocabulary)}
    chosen = np.empty(len(countries), np.int32)
    uniform = rng.random(len(countries))
    for index, code in enumerate(country_codes):
        origin = ORIGINS[code]
        names, probability = first_names(origin.first) if which == "first" else last_names(origin.last)
        numbers = np.array([number[name] for name in names], np.int32)
        rows = np.flatnonzero(countries == index)
        drawn = np.searchsorted(np.cumsum(probability), uniform[rows], side="right")
        chosen[rows] = numbers[np.minimum(drawn, len(numbers) - 1)]
    return chosen


@cache
def nickname_table() -> dict[str, tuple[str, ...]]:
    """Lower-case name -> other names of the person, in both directions (michael -> mike, mike -> michael)."""
    table = pq.read_table(DATA / "nicknames.parquet").to_pydict()
    related: dict[str, set[str]] = {}
    for name, nickname in zip(table["name"], table["nickname"], strict=True):
        related.setdefault(name, set()).add(nickname)
        related.setdefault(nickname, set()).add(name)
    return {name: tuple(sorted(others)) for name, others in sorted(related.items())}
