"""Text as a bag of hashed n-grams: character trigrams of each word, words, and word bigrams (EBR 3).

The text is normalised and cut into words by alicorn.text. The word `john` has the trigrams `<jo joh ohn hn>`, where <
and > are marks that no word contains, so beginnings and ends differ from middles. Bigrams are neighbouring words in
order. A null, an empty string and a text without any word are the empty bag. Every n-gram has a
bucket, seen before or not.

Rows of Latin letters are decoded, folded, cut and hashed in one pass over Arrow's own buffer; others go through
alicorn.text and then through the same loop over code points.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from numba import types
from pydantic import Field, model_validator

from alicorn.compiled import kernel
from alicorn.config import Config
from alicorn.features.arrays import Bag, Sequences, string_buffers
from alicorn.features.kinds.hashing import BIGRAM_SEED, TRIGRAM_SEED, WORD_SEED, absorb, bucket, mix
from alicorn.text import normalize, words
from alicorn.vertical import TextFeature

_START, _END = 1, 2  # control characters: no part of any word

_LATIN = 0x250  # code points below it: ASCII, Latin-1, Latin Extended-A and -B; one or two bytes each


def _folded(character: str) -> int:
    """What a character is to alicorn.text: its folded form within a word, 0 between words, -1 if that takes more than
    one character. Below _LATIN there are no combining marks and nothing but the soft hyphen (-1) is dropped, so a
    text is folded character by character."""
    folded = normalize(character)
    if len(folded) != 1:
        return -1
    return ord(folded) if words(folded) else 0


_FOLDED = np.array([_folded(chr(point)) for point in range(_LATIN)], dtype=np.int64)


class TextSettings(Config):
    """Which n-grams a text is read as. word_ngrams: 0 none, 1 words, 2 words and word bigrams."""

    trigrams: bool = True
    word_ngrams: Literal[0, 1, 2] = 2

    @model_validator(mode="after")
    def _check(self) -> "TextSettings":
        if not self.trigrams and self.word_ngrams == 0:
            raise ValueError("text needs trigrams, words, or both: set trigrams: true or word_ngrams: 1")
        return self


class OrderedText(Config):
    """A channel of a text's tokens in order: words, or character trigrams, the first `most` of them."""

    feature: TextFeature
    tokens: Literal["words", "trigrams"]
    most: Annotated[int, Field(ge=1)]


def text_tokens(column: pa.Array, buckets: int, wanted: OrderedText) -> Sequences:
    """column: large_string, nulls allowed. The tokens of each row, each with the bucket that it has in `text_bags`."""
    words_alone, trigrams = TextSettings(trigrams=False, word_ngrams=1), TextSettings(trigrams=True, word_ngrams=0)
    bags = text_bags(column, buckets, words_alone if wanted.tokens == "words" else trigrams)
    kept = np.minimum(np.diff(bags.offsets), wanted.most)
    offsets = np.zeros(len(bags.offsets), dtype=np.int64)
    np.cumsum(kept, out=offsets[1:])
    at = np.arange(offsets[-1]) + np.repeat(bags.offsets[:-1] - offsets[:-1], kept)
    return Sequences(offsets, bags.indices[at, None])


def text_bags(column: pa.Array, buckets: int, settings: TextSettings) -> Bag:
    """column: large_string, nulls allowed. The n-grams of each row in the order of the text."""
    data, offsets = string_buffers(column)
    return _bags(data, offsets, lambda rows: word_points(column, rows), buckets, settings)


def text_bag(text: str, buckets: int, settings: TextSettings) -> np.ndarray:
    """int32: the n-grams of one text, those of its row in `text_bags`. Half the time of a column of one row."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    offsets = np.array([0, len(data)], dtype=np.int64)
    return _bags(data, offsets, lambda rows: _points([text][: len(rows)]), buckets, settings).indices


def _bags(
    data: np.ndarray,
    offsets: np.ndarray,
    points_of: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    buckets: int,
    settings: TextSettings,
) -> Bag:
    """Of texts as UTF-8, uint8 bytes and int64 (rows + 1,) offsets. points_of: `word_points` of rows."""
    trigrams, word_ngrams = settings.trigrams, settings.word_ngrams
    rows = len(offsets) - 1
    counts = np.zeros(rows + 1, dtype=np.int64)
    _count_bytes(data, offsets, trigrams, word_ngrams, counts)
    others = np.flatnonzero(counts < 0) - 1
    if len(others):
        points, starts = points_of(others)
        sizes = np.zeros(len(others) + 1, dtype=np.int64)
        _count_points(points, starts, trigrams, word_ngrams, sizes)
        counts[others + 1] = sizes[1:]
    out = np.cumsum(counts)
    indices = np.empty(out[-1], dtype=np.int32)
    latin = np.arange(rows) if len(others) == 0 else np.setdiff1d(np.arange(rows), others)
    _hash_bytes(data, offsets[latin], offsets[latin + 1], out[latin], trigrams, word_ngrams, buckets, indices)
    if len(others):
        _hash_points(points, starts[:-1], starts[1:], out[others], trigrams, word_ngrams, buckets, indices)
    return Bag(out, indices)


def word_points(column: pa.Array, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The words of the given rows, one blank apart, as uint32 code points; and int64 (len(rows) + 1,) offsets."""
    return _points(column.take(pa.array(rows)).to_pylist() if len(rows) else [])


def _points(texts: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """As word_points."""
    cut = [" ".join(words(text or "")) for text in texts]
    starts = np.zeros(len(cut) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in cut], out=starts[1:])
    return np.frombuffer("".join(cut).encode("utf-32-le"), dtype=np.uint32), starts


@kernel(inline="always")
def _next(symbols, i, end):
    """The folded character at i, 0 between words, -1 where this loop cannot tell; and how many symbols it takes.

    Code points come from alicorn.text and are ready.
    """
    symbol = np.int64(symbols[i])
    if symbols.itemsize > 1:
        return (symbol if symbol != 32 else 0), 1
    if symbol < 0x80:
        return _FOLDED[symbol], 1
    point = ((symbol & 0x1F) << 6) | (np.int64(symbols[i + 1]) & 0x3F) if i + 1 < end else _LATIN
    if symbol >= 0xE0 or point >= _LATIN:
        return -1, 1
    return _FOLDED[point], 2


def _count(symbols, offsets, trigrams, word_ngrams, counts):
    """counts[r + 1] = n-grams of row r, or -1 where a row of bytes must come as code points."""
    for row in range(len(offsets) - 1):
        characters = 0
        num_words = 0
        within = False
        i = offsets[row]
        while i < offsets[row + 1]:
            symbol, width = _next(symbols, i, offsets[row + 1])
            if symbol < 0:
                characters = -1
                break
            num_words += symbol != 0 and not within
            within = symbol != 0
            characters += within
            i += width
        count = characters if trigrams else 0
        count += num_words if word_ngrams >= 1 else 0
        count += max(num_words - 1, 0) if word_ngrams >= 2 else 0
        counts[row + 1] = count if characters >= 0 else -1


def _hash(symbols, starts, ends, targets, trigrams, word_ngrams, buckets, out):
    """Write the n-grams of symbols[starts[r]:ends[r]] from out[targets[r]] on."""
    size = np.uint64(buckets)
    for row in range(len(starts)):
        at = targets[row]
        length = 0
        before = np.uint64(0)
        first = np.uint64(0)
        second = np.uint64(0)
        word = np.uint64(0)
        num_words = 0
        i = starts[row]
        while i <= ends[row]:  # the end of the row counts as a blank
            folded, width = _next(symbols, i, ends[row]) if i < ends[row] else (0, 1)
            symbol = np.uint64(folded)
            i += width
            if symbol != 0:
                if length == 0:
                    first = np.uint64(_START)
                    word = np.uint64(WORD_SEED)
                else:
                    if trigrams:
                        out[at] = bucket(_trigram(first, second, symbol), size)
                        at += 1
                    first = second
                second = symbol
                word = absorb(word, symbol)
                length += 1
            elif length > 0:
                if trigrams:
                    out[at] = bucket(_trigram(first, second, np.uint64(_END)), size)
                    at += 1
                if word_ngrams >= 1:
                    out[at] = bucket(mix(word), size)
                    at += 1
                if word_ngrams >= 2 and num_words > 0:
                    out[at] = bucket(mix(absorb(before ^ np.uint64(BIGRAM_SEED), word)), size)
                    at += 1
                before = mix(word)
                num_words += 1
                length = 0


@kernel("uint64(uint64, uint64, uint64)", inline="always")
def _trigram(first, second, third):
    """Three code points of 21 bits fit 64 bits: no two trigrams share a key before the bucket."""
    return mix((first | (second << np.uint64(21)) | (third << np.uint64(42))) ^ np.uint64(TRIGRAM_SEED))


def _readonly(dtype):
    return types.Array(dtype, 1, "C", readonly=True)


def _kernel(function, *signature):
    return kernel(types.void(*signature))(function)


_I64 = _readonly(types.int64)
_count_bytes = _kernel(_count, _readonly(types.uint8), _I64, types.boolean, types.int64, types.int64[::1])
_count_points = _kernel(_count, _readonly(types.uint32), _I64, types.boolean, types.int64, types.int64[::1])
_HASH = (_I64, _I64, _I64, types.boolean, types.int64, types.int64, types.int32[::1])
_hash_bytes = _kernel(_hash, _readonly(types.uint8), *_HASH)
_hash_points = _kernel(_hash, _readonly(types.uint32), *_HASH)
