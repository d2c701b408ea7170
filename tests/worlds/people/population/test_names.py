"""Names occur as often as the weighted lists say."""

import numpy as np
import pytest

from alicorn.worlds.people.population.names import (
    ORIGINS,
    first_name_vocabulary,
    first_names,
    last_name_vocabulary,
    last_names,
    nickname_table,
    sample_names,
)


@pytest.mark.parametrize("country", ["US", "AR", "FI"])
@pytest.mark.parametrize("which", ["first", "last"])
def test_frequencies_match_the_weights(country: str, which: str) -> None:
    vocabulary = first_name_vocabulary() if which == "first" else last_name_vocabulary()
    size = 300_000
    rng = np.random.default_rng(0)
    drawn = sample_names(rng, np.zeros(size, np.int32), [country], which, vocabulary)
    origin = ORIGINS[country]
    names, probability = first_names(origin.first) if which == "first" else last_names(origin.last)
    expected = np.zeros(len(vocabulary))
    expected[[vocabulary.index(name) for name in names]] = probability
    count = np.bincount(drawn, minlength=len(vocabulary))
    assert count[expected == 0].sum() == 0
    common = expected * size > 50
    z = (count - expected * size)[common] / np.sqrt(expected * (1 - expected) * size)[common]
    assert np.abs(z).max() < 5
    assert 0.8 < z.std() < 1.2


def test_every_country_has_its_own_names() -> None:
    rng = np.random.default_rng(0)
    vocabulary = last_name_vocabulary()
    drawn = sample_names(rng, np.repeat([0, 1], 1000), ["US", "FI"], "last", vocabulary)
    assert {vocabulary[i] for i in drawn[:1000]} <= set(last_names("en_US")[0])
    assert {vocabulary[i] for i in drawn[1000:]} <= set(last_names("fi_FI")[0])


def test_probabilities_are_probabilities() -> None:
    for origin in ORIGINS.values():
        assert first_names(origin.first)[1].sum() == pytest.approx(1)
        assert last_names(origin.last)[1].sum() == pytest.approx(1)


def test_nicknames_go_both_ways() -> None:
    table = nickname_table()
    assert "mike" in table["michael"]
    assert "michael" in table["mike"]
    assert all(name in table[other] for name, others in table.items() for other in others)
