"""Characters, segments and lists of texts: the same as by strings; jieba cuts what has no blanks."""

import sys

import pyarrow as pa
import pytest
from hashing_oracle import character_grams, text_grams
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.errors import ConfigError
from alicorn.features.kinds.granular import (
    GranularText,
    character_bags,
    check_segmenter,
    granular,
    segment_lists,
    segmented,
)
from alicorn.features.kinds.text import TextSettings
from alicorn.vertical import TextFeature

WORDS = TextSettings(trigrams=False, word_ngrams=1)
BUCKETS = 1 << 20
TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["red shoes", "ÉTÉ x", "红色 连衣裙"])))


def strings(texts: list[str | None]) -> pa.Array:
    return pa.array(texts, pa.large_string())


@settings(deadline=None)
@given(TEXTS, st.sampled_from([1, 2]))
def test_characters_are_those_of_the_words(texts: list[str | None], length: int) -> None:
    bags = character_bags(strings(texts), 1000, length)  # type: ignore[arg-type]
    rows = [bags.indices[a:b].tolist() for a, b in zip(bags.offsets, bags.offsets[1:], strict=False)]
    assert rows == [character_grams(text, 1000, length) for text in texts]  # type: ignore[arg-type]


def test_neighbours_are_of_one_word_and_ordered() -> None:
    ab, ba, split = (character_bags(strings([text]), BUCKETS, 2).indices.tolist() for text in ("ab", "ba", "a b"))
    assert len(ab) == len(ba) == 1
    assert ab != ba
    assert split == []


@settings(deadline=None)
@given(TEXTS)
def test_a_sequence_is_the_words_in_order(texts: list[str | None]) -> None:
    wanted = GranularText(feature=TextFeature(kind="text", column="query"), granule="sequence")
    found = granular(strings(texts), BUCKETS, wanted)
    rows = [found.ids[a:b, 0].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)]  # type: ignore[union-attr]
    assert rows == [text_grams(text, BUCKETS, WORDS) for text in texts]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS)), st.integers(1, 3))
def test_lists_number_their_texts_from_the_newest(lists: list[list[str | None] | None], newest: int) -> None:
    found = segment_lists(pa.array(lists, pa.large_list(pa.large_string())), BUCKETS, "words", newest)
    assert len(found) == len(lists)
    for row, texts in enumerate(lists):
        expected = [
            [word, number]
            for number, text in reversed([*enumerate(reversed(texts or []), 1)])
            if number <= newest
            for word in text_grams(text, BUCKETS, WORDS)
        ]
        assert found.ids[found.offsets[row] : found.offsets[row + 1]].tolist() == expected


def test_jieba_cuts_chinese_into_words_that_titles_and_queries_share() -> None:
    pytest.importorskip("jieba")
    cut = segmented(strings(["红色连衣裙女", None, "Nike 红色连衣裙", "红色连衣裙女"]), "jieba").to_pylist()
    assert cut[0] == cut[3] == "红色 连衣裙 女"
    assert cut[1] is None
    assert cut[2].split() == ["nike", "红色", "连衣裙"]


def test_a_segmenter_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_segmenter("words")
    with pytest.raises(ConfigError, match=r"alicorn\[chinese\]"):
        check_segmenter("jieba")
