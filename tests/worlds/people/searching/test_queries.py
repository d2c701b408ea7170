"""What is typed: misspellings, and each error at its documented rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicorn.worlds.people.searching.misspelling import KINDS, NEIGHBOURS, SHARES, misspell, without_accents
from alicorn.worlds.people.searching.queries import QueryModel, type_query
from alicorn.worlds.people.searching.sessions import type_queries

UNIFORM = st.floats(0, 1, exclude_max=True)
MODEL = QueryModel()
EXTRAS = ["Springfield", "Acme", "J"]


def edit_distance(left: str, right: str) -> int:
    """Restricted Damerau-Levenshtein distance, the textbook table."""
    d = np.zeros((len(left) + 1, len(right) + 1), int)
    d[:, 0], d[0, :] = np.arange(len(left) + 1), np.arange(len(right) + 1)
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (left[i - 1] != right[j - 1]))
            if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return int(d[-1, -1])


@given(st.text("abcdefghijklmnopqrstuvwxyzéñ", min_size=3, max_size=12), UNIFORM, UNIFORM)
def test_a_misspelling_is_near_and_different(word: str, kind: float, where: float) -> None:
    wrong = misspell(word, kind, where)
    assert wrong != word
    assert edit_distance(word, wrong) <= 2


def test_every_kind_of_error_happens() -> None:
    def start(kind: str) -> float:
        return sum(SHARES[: KINDS.index(kind)]) + 1e-9

    assert misspell("philip", start("sound"), 0.0) == "filip"
    assert misspell("smith", start("doubling"), 0.0) == "smmith"
    assert misspell("smith", start("transposition"), 0.99) == "smiht"
    assert misspell("smith", start("deletion"), 0.3) == "smth"
    substituted = misspell("smith", start("neighbour"), 0.3)
    assert substituted[:2] + substituted[3:] == "smth"
    assert substituted[2] in NEIGHBOURS["i"]
    assert sum(SHARES) == pytest.approx(1)
    assert misspell("Jo", 0.5, 0.5) == "jo"


def test_neighbours_are_mutual() -> None:
    assert NEIGHBOURS["a"] == "sqz"
    assert all(key in NEIGHBOURS[near] for key, all_near in NEIGHBOURS.items() for near in all_near)


def test_accents_can_be_dropped() -> None:
    assert without_accents("Åsa Peña") == "Asa Pena"
    assert without_accents("Smith") == "Smith"


def chances(**wanted: float) -> list[float]:
    """No error and no lower-casing, but for the decisions given by position as `at0=0.0`."""
    chance = [0.999] * MODEL.draws
    for name, value in wanted.items():
        chance[int(name.removeprefix("at"))] = value
    return chance


@pytest.mark.parametrize(
    ("chance", "query", "errors"),
    [
        (chances(), "Michael Smith", ()),
        (chances(at10=0.0), "michael smith", ()),
        (chances(at2=0.0, at3=0.0), "Michael", ("missing_word",)),
        (chances(at2=0.0, at3=0.9), "Smith", ("missing_word",)),
        (chances(at4=0.0), "Smith Michael", ("swapped",)),
        (chances(at9=0.0), "Michael Smith Springfield", ("extra_word",)),
        (chances(at0=0.0, at1=0.75), "Mike Smith", ("nickname",)),
        (chances(at0=0.0, at1=0.75, at4=0.0), "Smith Mike", ("nickname", "swapped")),
    ],
)
def test_each_error_has_its_effect(chance: list[float], query: str, errors: tuple[str, ...]) -> None:
    typed = type_query("Michael", "Smith", EXTRAS, MODEL, chance)
    assert (typed.query, typed.errors) == (query, errors)


def test_a_misspelled_query_differs_from_the_name() -> None:
    typed = type_query("Michael", "Smith", EXTRAS, MODEL, chances(at6=0.0))
    assert typed.errors == ("misspelled",)
    assert 1 <= edit_distance(typed.query.lower(), "michael smith") <= 2
    assert type_query("José", "Peña", EXTRAS, MODEL, chances(at5=0.0)).query == "Jose Pena"


def test_errors_occur_at_the_documented_rates() -> None:
    size = 40_000
    rng = np.random.default_rng(0)
    typed = type_queries(rng, ["Michael"] * size, ["Smith"] * size, [EXTRAS] * size, MODEL)
    for error, rate in [
        ("misspelled", MODEL.misspelled),
        ("nickname", MODEL.nickname),
        ("missing_word", MODEL.missing_word),
        ("extra_word", MODEL.extra_word),
        ("swapped", MODEL.swapped * (1 - MODEL.missing_word)),
    ]:
        assert np.mean([error in t.errors for t in typed]) == pytest.approx(rate, abs=0.01), error
    exact = [t.query for t in typed if not t.errors]
    assert {query.lower() for query in exact} == {"michael smith"}
    assert np.mean([query.islower() for query in exact]) == pytest.approx(MODEL.lower_case, abs=0.01)
