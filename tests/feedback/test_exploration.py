"""Neighbours are swapped as often as is said, and the probability that is logged is the one of being shown there."""

import random
from collections import Counter

import numpy as np
import pytest

from alicorn.feedback.exploration import swapped


@pytest.mark.parametrize("num_hits", [1, 2, 5, 6])
def test_hits_are_shown_at_a_place_as_often_as_its_probability_says(num_hits):
    rng, times = random.Random(0), 20_000
    seen, said = Counter(), {}
    for _ in range(times):
        found = swapped(num_hits, 0.2, rng.random)
        assert sorted(found.places) == list(range(num_hits))
        assert np.abs(found.places - np.arange(num_hits)).max() <= 1
        for shown_at, (was_at, probability) in enumerate(zip(*found, strict=True)):
            seen[was_at, shown_at] += 1
            assert said.setdefault((was_at, shown_at), probability) == probability
    for one, probability in said.items():
        assert seen[one] / times == pytest.approx(probability, abs=4 * (probability * (1 - probability) / times) ** 0.5)
    for was_at in range(num_hits):
        assert sum(of for (was, _), of in said.items() if was == was_at) == pytest.approx(1.0)


def test_a_page_without_hits_is_one():
    assert swapped(0, 0.2, random.random).places.tolist() == []
