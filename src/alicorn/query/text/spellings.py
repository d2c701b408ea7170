"""BM25 of fuzzy terms: a fuzzy term is one word that is spelt in several ways.

The frequencies of all terms to which it expands are added, each multiplied by how like the word the term is,
1 - edits / length, and saturated together, as BM25F adds fields (bm25f.py); idf counts the live documents that have any
of them. So a rare misspelling in the documents, whose own idf would be high, does not outweigh the word. The factor is
that of Lucene's FuzzyQuery; length: characters of the shorter of the two after the prefix, such as `text:`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import Segment, SegmentView, Snapshot
from alicorn.index.segment.parts.impacts import K1, B
from alicorn.index.segment.parts.terms import TEXT
from alicorn.language import tree
from alicorn.query.expansion.expansion import Expansion
from alicorn.query.sets import kernels
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.per_segment import Sets
from alicorn.query.sets.postings import having_any
from alicorn.query.text.fields import field_lengths, field_statistics_of, idf_of


def add_spellings(
    snapshot: Snapshot,
    node: tree.Fuzzy,
    expansion: Expansion,
    fields: Sequence[tuple[str, float]],
    numbers: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
) -> None:
    """Add the BM25 of a fuzzy term, in these fields if it is one of `text:`, to the scores of given documents.

    numbers, scores: as of scores_by_fields.
    """
    holders = []
    frequencies = [np.zeros(len(part)) for part in numbers]
    for view, part, own in zip(snapshot.segments, numbers, frequencies, strict=True):
        segment, spelled = view.segment, list(_terms(view, node, expansion, fields))
        for prefix, terms, weights in spelled:
            kept, per_length, lengths = 1.0, 0.0, segment.doc_lengths  # of another prefix than `text:`, as in BM25
            if node.term.startswith(TEXT):
                kept, per_length = 1.0 - B, B / field_statistics_of(snapshot).average(snapshot, prefix)
                lengths = field_lengths(segment, prefix)
            starts, stops = segment.posting_starts[terms], segment.posting_starts[terms + 1]
            kernels.add_frequencies(
                own,
                part,
                segment.postings,
                segment.frequencies,
                starts,
                stops,
                weights,
                lengths,
                kept,
                per_length,
            )
        holders.append(_holders(segment, spelled))
    idf = idf_of(snapshot, ("spelled", str(node), *(prefix for prefix, _ in fields)), holders)
    for own, frequency in zip(scores, frequencies, strict=True):
        own += idf * (frequency / (frequency + K1))


def spelled_holders(snapshot: Snapshot, node: tree.Fuzzy, expansion: Expansion, fields: Sequence[str]) -> Sets:
    """The documents that have any spelling of a fuzzy term in these fields, deleted ones among them."""
    weighted = [(prefix, 1.0) for prefix in fields]
    return [_holders(view.segment, list(_terms(view, node, expansion, weighted))) for view in snapshot.segments]


def _holders(segment: Segment, spelled: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> DocSet:
    return having_any(segment, np.concatenate([np.empty(0, dtype=np.int64), *(terms for _, terms, _ in spelled)]))


def _terms(
    view: SegmentView, node: tree.Fuzzy, expansion: Expansion, fields: Sequence[tuple[str, float]]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each field, the numbers of the node's terms in it, and their weights. (n,) int64, (n,) float64."""
    numbers, start = expansion.numbers[view], node.term.find(":") + 1
    terms = view.segment.terms.terms.take(pa.array(numbers))
    lengths = pc.utf8_length(terms).to_numpy(zero_copy_only=False) - start
    likeness = np.maximum(1.0 - expansion.edits[view] / np.maximum(np.minimum(lengths, len(node.term) - start), 1), 0.0)
    if not fields or not node.term.startswith(TEXT):
        yield node.term[: max(start - 1, 0)], numbers, likeness
        return
    words = pc.binary_replace_slice(terms.cast(pa.binary()), 0, len(TEXT), b"")
    for prefix, weight in fields:
        beginning = pa.scalar(f"{prefix}:".encode(), pa.binary())
        found = view.segment.terms.find_many(pc.binary_join_element_wise(beginning, words, b""))
        yield prefix, found[found >= 0], weight * likeness[found >= 0]
