"""A text at several granularities: its characters, its segments in order, the segments of each text of a list.

MGDSPR reads queries so. Segments are words (alicorn.text), or what jieba cuts Chinese text into, which
has no blanks between words; a segment has the bucket that it has as a word in text.py. Characters are those of the
words, and two are neighbours within a word. jieba is imported for the first text.
"""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.analysis.chinese import jieba
from alicorn.config import Config
from alicorn.extras import check_installed
from alicorn.features.arrays import Bag, Sequences
from alicorn.features.kinds.hashing import CHARACTER_SEED, hashed_keys
from alicorn.features.kinds.text import TextSettings, text_bags, word_points
from alicorn.text import normalize
from alicorn.vertical import TextFeature

Granule = Literal["unigrams", "bigrams", "segments", "sequence", "lists"]
Segmenter = Literal["words", "jieba"]

_WORDS = TextSettings(trigrams=False, word_ngrams=1)
_BLANK = 32


class GranularText(Config):
    """A channel that reads a text feature at one granularity.

    unigrams, bigrams: a Bag of characters. segments: a Bag. sequence: the segments as Sequences of one part. lists: of
    a list of texts, the last one the newest, the segments of its `newest` last ones, as Sequences of two parts
    (segment_lists).
    """

    feature: TextFeature
    granule: Granule
    segmenter: Segmenter = "words"
    newest: int = 1


def granular(column: pa.Array, buckets: int, wanted: GranularText) -> Bag | Sequences:
    """column: large_string, or for lists large_list<large_string>; nulls allowed."""
    match wanted.granule:
        case "unigrams":
            return character_bags(column, buckets, 1)
        case "bigrams":
            return character_bags(column, buckets, 2)
        case "segments":
            return text_bags(segmented(column, wanted.segmenter), buckets, _WORDS)
        case "sequence":
            bags = text_bags(segmented(column, wanted.segmenter), buckets, _WORDS)
            return Sequences(bags.offsets, bags.indices[:, None])
        case "lists":
            return segment_lists(column, buckets, wanted.segmenter, wanted.newest)


def character_bags(column: pa.Array, buckets: int, length: Literal[1, 2]) -> Bag:
    """The characters of each row in their order, or each two neighbours."""
    points, starts = word_points(column, np.arange(len(column)))
    keys = points.astype(np.uint64)
    found = points != _BLANK
    if length == 2:
        following = np.append(points[1:], np.uint32(_BLANK))
        ends = starts[1:][starts[1:] > starts[:-1]] - 1
        following[ends] = _BLANK  # a row's last character has no neighbour in the next row
        found &= following != _BLANK
        keys |= following.astype(np.uint64) << np.uint64(21)
    before = np.zeros(len(points) + 1, dtype=np.int64)
    np.cumsum(found, out=before[1:])
    return Bag(before[starts], hashed_keys(keys[found] ^ np.uint64(CHARACTER_SEED), buckets))


def segment_lists(column: pa.Array, buckets: int, segmenter: Segmenter, newest: int) -> Sequences:
    """column: large_list<large_string>. ids: (segments, 2), the bucket of a segment and which text it is of: 1 for the
    last, 2 for the one before, up to `newest`. A text without a segment keeps its number."""
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.cumsum(sizes)
    numbers = np.repeat(ends, sizes) - np.arange(ends[-1] if len(ends) else 0)
    kept = np.flatnonzero(numbers <= newest)
    texts = column.flatten().take(pa.array(kept))
    bags = text_bags(segmented(texts, segmenter), buckets, _WORDS)
    of_text = np.repeat(numbers[kept], np.diff(bags.offsets)).astype(np.int32)
    firsts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(np.minimum(sizes, newest), out=firsts[1:])
    return Sequences(bags.offsets[firsts], np.stack([bags.indices, of_text], axis=1))


def segmented(column: pa.Array, segmenter: Segmenter) -> pa.Array:
    """large_string whose words are the segments; with the words of the text themselves it is the text."""
    if segmenter == "words":
        return column
    cut = jieba().lcut
    coded = column.dictionary_encode()
    texts = [" ".join(cut(normalize(text))) for text in coded.dictionary.to_pylist()]
    return pa.array(texts, pa.large_string()).take(coded.indices)


def check_segmenter(segmenter: Segmenter) -> None:
    """Raises ConfigError where its extra is missing."""
    if segmenter == "jieba":
        check_installed("recipe, towers.fusion.segmenter", "jieba", otherwise=", or take words")
