"""The terms in more than one document of 32 have their documents as bitmaps, the others have none."""

import numpy as np

from alicorn.index.segment.parts.frequent import FrequentTerms


def test_the_bitmaps_hold_the_postings_of_the_frequent_terms():
    rng = np.random.default_rng(0)
    num_docs = 1_000
    lists = [np.sort(rng.choice(num_docs, count, replace=False)) for count in (31, 32, 1, 1_000, 500)]
    starts = np.concatenate([[0], np.cumsum(list(map(len, lists)))])
    frequent = FrequentTerms.of(starts, np.concatenate(lists).astype(np.uint32), num_docs)
    assert frequent.numbers.tolist() == [1, 3, 4]
    for number, postings in enumerate(lists):
        words = frequent.words_of(number)
        if number in (0, 2):
            assert words is None
        else:
            found = np.unpackbits(words.view(np.uint8), bitorder="little")
            assert np.flatnonzero(found).tolist() == postings.tolist()
