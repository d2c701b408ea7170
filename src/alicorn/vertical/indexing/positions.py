"""The positions of the terms of documents: the words of a value one after the other, values too far apart for a phrase.

A value is a string of a column, or an element where the column is a list. Between two values of a document, of one
column or of several whose terms have the same prefix, GAP positions are left out.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.analysis import Analyzer
from alicorn.language.values import MAX_SLOP
from alicorn.vertical.indexing.terms import ascii_words, strings_of

GAP = MAX_SLOP + 1
"""More than any slop of a phrase makes up for."""


class Positioned(NamedTuple):
    """Terms with their positions in their values.

    rows: (values,) int64 ascending, of each value; lengths: (values,) int64, how many positions it has; values, terms,
    positions: (terms,), of each term, in order, the value it is of, the term, and its position in it.
    """

    rows: np.ndarray
    lengths: np.ndarray
    values: np.ndarray
    terms: pa.Array
    positions: np.ndarray

    @classmethod
    def of_values(cls, rows: np.ndarray, terms: pa.Array) -> "Positioned":
        """Values that are one term each."""
        count = len(rows)
        return cls(rows, np.ones(count, np.int64), np.arange(count), terms, np.zeros(count, np.int64))

    def placed(self, free: np.ndarray) -> np.ndarray:
        """The positions of the terms in their documents, (terms,) int64.

        free: (rows of the table,) int64, the first free position of each; moved behind these values.
        """
        room = np.where(self.lengths > 0, self.lengths + GAP, 0)
        before = np.cumsum(room) - room
        firsts = np.searchsorted(self.rows, self.rows)  # the first value of the same row
        begins = free[self.rows] + before - before[firsts]
        np.add.at(free, self.rows, room)
        placed: np.ndarray = begins[self.values] + self.positions
        return placed


def positioned_words(column: pa.ChunkedArray, prefix: str, analyzer: Analyzer) -> Positioned:
    """`prefix:<term>` for each of the analyzer's terms of each value, at each of its positions.

    ASCII is handled as one array of bytes where a term is a word; other values one by one.
    """
    rows, strings = strings_of(column)
    at_once = np.zeros(len(rows), dtype=bool)
    if analyzer.stems_alone:
        at_once = pc.string_is_ascii(strings).to_numpy(zero_copy_only=False).astype(bool)
    values, words = ascii_words(np.flatnonzero(at_once), strings.filter(pa.array(at_once)))
    lengths = np.bincount(values, minlength=len(rows))
    positions = np.arange(len(values)) - (np.cumsum(lengths) - lengths)[values]
    coded = words.dictionary_encode()
    found = pa.array(analyzer.stemmed(coded.dictionary.to_pylist()), pa.string()).take(coded.indices)
    others = np.flatnonzero(~at_once)
    read = [analyzer.positioned_terms(text) for text in strings.filter(pa.array(~at_once)).to_pylist()]
    lengths[others] = [length for _, length in read]
    values = np.concatenate([values, np.repeat(others, [len(terms) for terms, _ in read])])
    positions = np.concatenate([positions, np.array([at for terms, _ in read for _, at in terms], dtype=np.int64)])
    found = pa.concat_arrays([found, pa.array([term for terms, _ in read for term, _ in terms], pa.string())])
    order = np.argsort(values, kind="stable")
    terms = pc.binary_join_element_wise(prefix, found.take(pa.array(order)), ":")
    return Positioned(rows, lengths, values[order], terms, positions[order])
