"""BM25F: BM25 of words that several fields of a document may have, each field with a weight.

A field is a prefix of terms: `title:shoe` is the word `shoe` in the field `title`. Of a word, the frequencies in all
fields are added, each divided by the normalised length of its field and multiplied by its weight, before the sum is
saturated:

    tf = sum over fields of weight * tf_field / (1 - b + b * length_field / average_field)
    score = sum over words of idf * tf / (tf + k1)

with idf, k1 and b as in bm25.py, where df counts the live documents that have the word in any of the fields. So a word
in two fields is one word that occurs more often, not two words. One field of weight 1 is BM25. The best of many
documents are found as by BM25, without scoring all (field_lists.py). Source: Robertson and Zaragoza 2009, section 3.6.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alicorn.index import Snapshot
from alicorn.index.segment.parts.impacts import K1, B
from alicorn.index.segment.parts.terms import TEXT
from alicorn.query.sets import kernels
from alicorn.query.text.bm25 import scores_of
from alicorn.query.text.fields import field_lengths, field_statistics_of


def scores_by_fields(
    snapshot: Snapshot, terms: Sequence[str], fields: Sequence[tuple[str, float]], numbers: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """BM25F of given documents. The words are the terms `text:<word>`; all other terms are scored by BM25.

    terms: sorted. fields: prefixes without their colon, and weights. numbers: ascending, per segment -> (n,) float64
    each.
    """
    scores = scores_of(snapshot, [term for term in terms if not term.startswith(TEXT)], numbers)
    for word in [term.removeprefix(TEXT) for term in terms if term.startswith(TEXT)]:
        idf = field_statistics_of(snapshot).idf(snapshot, tuple(f"{prefix}:{word}" for prefix, _ in fields))
        for frequencies, own in zip(_frequencies(snapshot, word, fields, numbers), scores, strict=True):
            own += idf * (frequencies / (frequencies + K1))
    return scores


def _frequencies(
    snapshot: Snapshot, word: str, fields: Sequence[tuple[str, float]], numbers: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The weighted, normalised frequencies of a word, summed over the fields -> (n,) float64 of each segment."""
    frequencies = [np.zeros(len(part)) for part in numbers]
    for prefix, weight in fields:
        average = field_statistics_of(snapshot).average(snapshot, prefix)
        for view, part, own in zip(snapshot.segments, numbers, frequencies, strict=True):
            segment = view.segment
            span = segment.span_of(f"{prefix}:{word}")
            if span.start < span.stop:
                lengths = field_lengths(segment, prefix)
                postings, counts = segment.postings[span], segment.frequencies[span]
                kernels.add_frequency(own, part, postings, counts, lengths, weight, 1.0 - B, B / average)
    return frequencies
