"""A block's impact bounds BM25 of every posting in it, whatever the mean length of the collection."""

import numpy as np
import pytest

from alicorn.index.segment.parts.impacts import BLOCK, impacts_of, mean_length, scaled, shape
from alicorn.query.text.lists import bound_of


def factors(frequencies, lengths, saturation, per_length):
    return frequencies / (frequencies + saturation + per_length * lengths.astype(float))


@pytest.fixture(scope="module")
def postings():
    rng = np.random.default_rng(0)
    lengths = np.concatenate([rng.integers(1, 40, 900), rng.integers(60_000, 80_000, 100)]).astype(np.uint32)
    numbers = np.concatenate([np.sort(rng.choice(1_000, count, replace=False)) for count in (700, 3, 90, 500)])
    frequencies = np.minimum(rng.geometric(0.7, len(numbers)), 255).astype(np.uint8)
    return numbers.astype(np.uint32), frequencies, lengths, rng.permutation(1_000).astype(np.uint32)


@pytest.mark.parametrize("drift", [1.0, 0.5, 0.98, 1.02, 3.0])
def test_no_posting_has_more_than_its_block(postings, drift):
    numbers, frequencies, lengths, id_order = postings
    mean = mean_length(lengths)
    of_words = shape(mean * drift)
    blocks = impacts_of(numbers, frequencies, lengths, id_order)
    assert len(blocks) == -(-len(numbers) // BLOCK)
    for at, word in enumerate(blocks):
        part = slice(at * BLOCK, (at + 1) * BLOCK)
        own = factors(frequencies[part], lengths[numbers[part]], *of_words)
        bound = bound_of(word, *scaled(mean, *of_words))
        assert bound >= own.max()
        if drift == 1.0 and lengths[numbers[part]][own.argmax()] < 65_535:
            assert bound == own.max()
        assert bound_of(word, 1.2, 0.0) == (frequencies[part] / (frequencies[part] + 1.2)).max()
        assert int(word) >> 32 == id_order[numbers[part]].min()


def test_a_segment_without_a_text_has_a_mean_length_to_divide_by():
    assert mean_length(np.zeros(3, dtype=np.uint32)) == 1.0
