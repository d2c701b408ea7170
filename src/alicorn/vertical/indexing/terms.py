"""Terms of the inverted index, from columns: `text:<word>`, `city:<value>`, `name:<phrase>`.

ASCII, which most rows are, is handled as one array of bytes; rows with other characters go through alicorn.text one by
one. Both give exactly alicorn.text.document_terms and alicorn.text.normalize, which a test checks.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.analysis import Analyzer
from alicorn.text import document_terms, normalize, phrase

AS_IT_IS = Analyzer()
"""Words as alicorn.text has them."""

_WORD_BYTES = np.zeros(256, dtype=bool)
_WORD_BYTES[np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789_", dtype=np.uint8)] = True


def word_terms(column: pa.ChunkedArray, prefix: str, analyzer: Analyzer = AS_IT_IS) -> tuple[np.ndarray, pa.Array]:
    """`prefix:<term>` for each of the analyzer's terms of each row, in order, with repetition: without an analyzer,
    those of alicorn.text.document_terms. Returns (rows int64, terms string)."""
    rows, strings = strings_of(column)
    if not analyzer.stems_alone:
        word_rows, found = _terms_by_text(rows, strings, analyzer.document_terms)
        return word_rows, pc.binary_join_element_wise(prefix, found, ":")
    ascii_only = pc.string_is_ascii(strings).to_numpy(zero_copy_only=False)
    parts = [
        ascii_words(rows[ascii_only], strings.filter(pa.array(ascii_only))),
        _terms_by_text(rows[~ascii_only], strings.filter(pa.array(~ascii_only)), document_terms),
    ]
    word_rows, found = interleave(parts)
    if analyzer.stem is not None:
        coded = found.dictionary_encode()
        found = pa.array(analyzer.stemmed(coded.dictionary.to_pylist()), pa.string()).take(coded.indices)
    return word_rows, pc.binary_join_element_wise(prefix, found, ":")


def value_terms(column: pa.ChunkedArray, prefix: str) -> tuple[np.ndarray, pa.Array]:
    """`prefix:<normalised value>` for each value; empty ones give none. Returns (rows int64, terms string)."""
    return _mapped_terms(column, prefix, normalize)


def phrase_terms(column: pa.ChunkedArray, prefix: str) -> tuple[np.ndarray, pa.Array]:
    """`prefix:<alicorn.text.phrase of the value>` for each value; those without a word give none."""
    return _mapped_terms(column, prefix, phrase)


def _mapped_terms(column: pa.ChunkedArray, prefix: str, form: Callable[[str], str]) -> tuple[np.ndarray, pa.Array]:
    rows, strings = strings_of(column)
    coded = strings.dictionary_encode()
    values = pa.array([form(value) for value in coded.dictionary.to_pylist()], pa.string())
    values = values.take(coded.indices)
    given = pc.not_equal(values, "")
    return rows[given.to_numpy(zero_copy_only=False)], pc.binary_join_element_wise(prefix, values.filter(given), ":")


def interleave(parts: list[tuple[np.ndarray, pa.Array]]) -> tuple[np.ndarray, pa.Array]:
    """Several (rows, values) as one, ordered by row; within a row the order of `parts`, then of the values."""
    rows = np.concatenate([part_rows for part_rows, _ in parts])
    values = pa.concat_arrays([part_values for _, part_values in parts])
    if (np.diff(rows) >= 0).all():
        return rows, values
    order = np.argsort(rows, kind="stable")
    return rows[order], values.take(pa.array(order))


def as_lists(rows: np.ndarray, values: pa.Array, num_rows: int) -> pa.ListArray:
    """(rows ascending, values) as one list per row, of `num_rows` rows."""
    offsets = np.zeros(num_rows + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=num_rows), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def strings_of(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """A column of strings, lists of strings or integers as (row of each string, the strings); nulls are left out."""
    data_type = column.type
    if pa.types.is_list(data_type):
        rows = pc.list_parent_indices(column).to_numpy().astype(np.int64)
        column = pc.list_flatten(column)
    else:
        rows = np.arange(len(column), dtype=np.int64)
    strings = column.cast(pa.string()).combine_chunks()
    if isinstance(strings, pa.ChunkedArray):  # what combine_chunks gives for no chunk at all
        strings = pa.concat_arrays([*strings.chunks, pa.array([], pa.string())])
    return rows[strings.is_valid().to_numpy(zero_copy_only=False)], strings.drop_null()


def ascii_words(rows: np.ndarray, strings: pa.Array) -> tuple[np.ndarray, pa.Array]:
    if len(strings) == 0:
        return np.zeros(0, dtype=np.int64), pa.array([], pa.string())
    lower = pc.ascii_lower(strings)
    _, offset_buffer, data_buffer = lower.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[lower.offset : lower.offset + len(lower) + 1]
    text = np.frombuffer(data_buffer or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    starts_of_rows = (offsets[:-1] - offsets[0])[np.diff(offsets) > 0]
    is_word = _WORD_BYTES[text]
    begins = is_word.copy()
    begins[1:] &= ~is_word[:-1]
    begins[starts_of_rows] = is_word[starts_of_rows]
    positions = np.flatnonzero(begins)
    # The letters of all words, one after the other, are the string array's buffer: a word ends where the next begins.
    letters_before = np.cumsum(is_word, dtype=np.int32)
    word_offsets = np.append(letters_before[positions] - 1, letters_before[-1:]).astype(np.int32)
    if len(positions) == 0:
        return np.zeros(0, dtype=np.int64), pa.array([], pa.string())
    found = pa.StringArray.from_buffers(len(positions), pa.py_buffer(word_offsets), pa.py_buffer(text[is_word]))
    row_of_position = np.searchsorted(offsets - offsets[0], positions, side="right") - 1
    return rows[row_of_position], found


def _terms_by_text(
    rows: np.ndarray, strings: pa.Array, terms: Callable[[str], list[str]]
) -> tuple[np.ndarray, pa.Array]:
    found = [terms(text) for text in strings.to_pylist()]
    counts = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
    return np.repeat(rows, counts), pa.array([word for row in found for word in row], pa.string())
