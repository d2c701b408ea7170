"""The counts of a result: by the ordinals of a column or the postings of terms in each segment, then together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import Segment, Snapshot
from alicorn.index.segment.parts.frequent import are_dense
from alicorn.query.facets import counting
from alicorn.query.facets.checking import is_list_of_strings
from alicorn.query.facets.facet import Bucket, Counts, Facet
from alicorn.query.facets.ranges import Counted, between, histogram
from alicorn.query.order.ordinals import Ordinals, ordinals_of, string_ordinals
from alicorn.query.sets import bits, docset
from alicorn.query.sets.docset import Bitmap, DocSet
from alicorn.query.wanted import check_wanted
from alicorn.tables import one_chunk, python_values


class ValueCounts(NamedTuple):
    """Of one segment, or of several: distinct values, ascending, and how many documents have each, (values,) int64.

    missing: how many documents have none; None where that is not counted.
    """

    values: pa.Array
    counts: np.ndarray
    missing: int | None


_AT_ONCE = 1 << 17  # documents, or places of lists, that are counted in less than a millisecond on a free core
_listed: WeakKeyDictionary[Segment, dict[str, tuple[np.ndarray, Ordinals]]] = WeakKeyDictionary()


def count_facets(snapshot: Snapshot, found: Sequence[DocSet], facets: Mapping[str, Facet]) -> dict[str, Counts]:
    """The counts of each facet. found: live documents of each segment; the facets fit (checking.py).

    Raises ConfigError for an interval that the values of the result do not fit (histogram.py).
    """
    return {name: _count(f"facet {name!r}", snapshot, found, facet) for name, facet in facets.items()}


def _count(what: str, snapshot: Snapshot, found: Sequence[DocSet], facet: Facet) -> Counts:
    check_wanted()
    if not facet.edges and facet.interval is None:
        return most_frequent(values_of(snapshot, found, facet), facet.top)
    ranges = ranges_of(snapshot, found, facet)
    return between(ranges, facet.edges) if facet.interval is None else histogram(what, ranges, facet.interval)


def values_of(snapshot: Snapshot, found: Sequence[DocSet], facet: Facet) -> list[ValueCounts]:
    """The values of a facet without edges and interval, of each segment."""
    segments = [view.segment for view in snapshot.segments]
    if facet.prefix is not None:
        return [_terms(segment, part, facet.prefix) for segment, part in zip(segments, found, strict=True)]
    assert facet.column is not None
    kind = snapshot.columns[facet.column]
    if is_list_of_strings(kind):
        return [_lists(segment, part, facet.column) for segment, part in zip(segments, found, strict=True)]
    ordinals = [ordinals_of(segment, facet.column, kind) for segment in segments]
    counts = [_by_ordinal(part, one) for part, one in zip(found, ordinals, strict=True)]
    return [ValueCounts(one.values, own[:-1], int(own[-1])) for one, own in zip(ordinals, counts, strict=True)]


def ranges_of(snapshot: Snapshot, found: Sequence[DocSet], facet: Facet) -> list[Counted]:
    """The values of a facet with edges or an interval, of each segment."""
    assert facet.column is not None
    segments = [view.segment for view in snapshot.segments]
    ordinals = [ordinals_of(segment, facet.column, snapshot.columns[facet.column]) for segment in segments]
    counts = [_by_ordinal(part, one) for part, one in zip(found, ordinals, strict=True)]
    return [Counted(*of, facet.column) for of in zip(segments, ordinals, counts, strict=True)]


def _by_ordinal(documents: DocSet, ordinals: Ordinals) -> np.ndarray:
    """How many documents have each ordinal; the last is that of null. (values + 1,) int64."""
    counts = np.zeros(len(ordinals.values) + 1, dtype=np.int64)
    if isinstance(documents, Bitmap):
        for start in range(0, len(documents.words), words := max(1, _AT_ONCE // 64)):
            check_wanted()
            part = documents.words[start : start + words]
            counting.count_bits(part, ordinals.numbers[64 * start :], counts)
    else:
        numbers = docset.as_array(documents)
        for some in _in_parts(numbers, len(numbers)):
            counting.count_array(some, ordinals.numbers, counts)
    return counts


def _terms(segment: Segment, documents: DocSet, prefix: str) -> ValueCounts:
    """The terms of a prefix, by the documents' lists of terms where the result has few, otherwise term by term."""
    low, high = segment.terms.prefix(prefix)
    starts = np.ascontiguousarray(segment.posting_starts[low : high + 1])
    sizes = np.diff(starts)
    is_frequent = are_dense(sizes, segment.num_docs)
    lists, size = segment.term_lists, docset.size(documents)
    postings = int(sizes[~is_frequent].sum()) + np.count_nonzero(is_frequent) * segment.num_docs // 64
    if 2 * size * len(lists.codes) < postings * segment.num_docs:  # an ordinal costs some two tests of a bit
        counts = np.zeros(high - low, dtype=np.int64)
        places = size * len(lists.codes) // segment.num_docs
        for some in _in_parts(docset.as_array(documents), places, at_once=max(_AT_ONCE, high - low)):
            counting.count_terms(some, lists.starts, lists.codes, low, counts)
    elif size == segment.num_docs:
        counts = sizes
    else:
        counts = np.zeros(high - low, dtype=np.int64)
        words = docset.as_words(documents, segment.num_docs)
        for some in _in_parts(np.flatnonzero(~is_frequent), int(sizes[~is_frequent].sum())):
            counting.count_postings(words, segment.postings, starts, some, counts)
        for at in np.flatnonzero(is_frequent).tolist():
            check_wanted()
            counts[at] = bits.count_both(words, segment.frequent.words_of(low + at))
    shown = np.flatnonzero(counts)
    values = segment.terms.terms.slice(low, high - low).take(pa.array(shown))
    return ValueCounts(pc.utf8_slice_codeunits(values, start=len(prefix)), counts[shown], None)


def _in_parts(numbers: np.ndarray, size: int, at_once: int | None = None) -> Iterator[np.ndarray]:
    """Numbers of documents or terms, in parts that are counted soon, as long as the answer is wanted.

    size: of the lists of all of them. at_once: of those of a part, `_AT_ONCE` unless given.
    """
    at_once = at_once or _AT_ONCE
    if size < at_once:
        yield numbers
        return
    for part in np.array_split(numbers, 1 + size // at_once):
        check_wanted()
        yield part


def _lists(segment: Segment, documents: DocSet, column: str) -> ValueCounts:
    """The strings of a column of lists; a document without one is missing."""
    if column not in segment.fields.column_names:
        return ValueCounts(pa.array([], pa.string()), np.empty(0, dtype=np.int64), docset.size(documents))
    made = _listed.setdefault(segment, {})
    if column not in made:
        made[column] = _distinct(one_chunk(segment.fields.column(column)))
    starts, ordinals = made[column]
    counts = np.zeros(len(ordinals.values), dtype=np.int64)
    numbers, holders = docset.as_array(documents), 0
    for some in _in_parts(numbers, len(numbers) * len(ordinals.numbers) // max(1, segment.num_docs)):
        holders += counting.count_lists(some, starts, ordinals.numbers, counts)
    return ValueCounts(ordinals.values, counts, docset.size(documents) - holders)


def _distinct(lists: pa.ListArray) -> tuple[np.ndarray, Ordinals]:
    """Lists of strings as ordinals, one that a list has twice once: list i has ordinals[starts[i]:starts[i + 1]]."""
    ordinals = string_ordinals(lists.flatten().cast(pa.string()))
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    each = len(ordinals.values) + 1
    pairs = docset.distinct(np.repeat(np.arange(len(lists)), sizes) * each + ordinals.numbers.astype(np.int64))
    pairs = pairs[pairs % each < len(ordinals.values)]  # without null
    starts = np.searchsorted(pairs, np.arange(len(lists) + 1) * each).astype(np.int32)
    return starts, Ordinals((pairs % each).astype(np.uint32), ordinals.values)


def most_frequent(parts: Sequence[ValueCounts], top: int) -> Counts:
    """The `top` most frequent values of all parts, ties by value."""
    values, counts, missing = together(parts)
    places = np.arange(len(counts))
    if top < len(counts):
        bound = np.partition(counts, len(counts) - top)[len(counts) - top]
        above = np.flatnonzero(counts > bound)
        places = np.concatenate([above, np.flatnonzero(counts == bound)[: top - len(above)]])
    places = places[np.lexsort((places, -counts[places]))]
    shown = python_values(values.take(pa.array(places)))
    buckets = tuple(Bucket(value, count) for value, count in zip(shown, counts[places].tolist(), strict=True))
    return Counts(buckets, len(counts), missing)


def together(parts: Sequence[ValueCounts]) -> ValueCounts:
    """All parts as one: the values that any document has, each once, with the sum of their counts."""
    missing = [part.missing for part in parts if part.missing is not None]
    present = [part.counts > 0 for part in parts]
    values, counts = _together(
        [part.values.filter(pa.array(has)) for part, has in zip(parts, present, strict=True) if has.any()],
        [part.counts[has] for part, has in zip(parts, present, strict=True) if has.any()],
    )
    return ValueCounts(values, counts, sum(missing) if missing else None)


def _together(values: Sequence[pa.Array], counts: Sequence[np.ndarray]) -> tuple[pa.Array, np.ndarray]:
    """Distinct values, ascending, and the sum of their counts. values: of each segment, distinct and ascending."""
    if not values:
        return pa.array([], pa.string()), np.empty(0, dtype=np.int64)
    if len(values) == 1:
        return values[0], counts[0]
    joined = pa.concat_arrays(values)
    comparable = joined.cast(pa.float32()) if pa.types.is_float16(joined.type) else joined
    ranks = np.asarray(pc.rank(comparable, sort_keys="ascending", tiebreaker="dense")).astype(np.int64) - 1
    totals = np.zeros(int(ranks.max()) + 1, dtype=np.int64)
    np.add.at(totals, ranks, np.concatenate(counts))
    some = np.empty(len(totals), dtype=np.int64)
    some[ranks] = np.arange(len(ranks))
    return joined.take(pa.array(some)), totals
