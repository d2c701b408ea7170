"""The bag of n-grams is what the slow oracle says, for any text."""

import pyarrow as pa
import pytest
from hashing_oracle import text_grams
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.features.kinds.text import OrderedText, TextSettings, text_bags, text_tokens
from alicorn.vertical import TextFeature

BOTH = TextSettings()
texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.characters(max_codepoint=0x2FF),
        st.sampled_from("aAbZ _-ßİﬁ9éÉŉ¨\u0301"),
    ),
    max_size=40,
)
any_settings = st.sampled_from(
    [BOTH, TextSettings(word_ngrams=0), TextSettings(word_ngrams=1), TextSettings(trigrams=False)]
)


def bags_of(strings: list[str | None], buckets: int = 10_000, settings: TextSettings = BOTH) -> list[list[int]]:
    bag = text_bags(pa.array(strings, pa.large_string()), buckets, settings)
    return [bag.indices[a:b].tolist() for a, b in zip(bag.offsets, bag.offsets[1:], strict=False)]


@given(st.lists(st.none() | texts, max_size=8), st.integers(1, 2**31 - 1), any_settings)
@settings(max_examples=300, deadline=None)
def test_the_kernel_equals_the_oracle(strings: list[str | None], buckets: int, settings: TextSettings) -> None:
    assert bags_of(strings, buckets, settings) == [text_grams(text, buckets, settings) for text in strings]


def test_every_latin_character_beside_every_neighbour_of_its_kind() -> None:
    strings = [f"a{chr(point)}b {chr(point)}{chr(other)}" for point in range(1, 0x260) for other in (0x49, 0xE9, 0x308)]
    assert bags_of(strings) == [text_grams(text, 10_000, BOTH) for text in strings]


def test_a_slice_of_a_column_reads_its_own_rows() -> None:
    column = pa.array(["no", "john smith", "Émile", None, "no"], pa.large_string()).slice(1, 3)
    bag = text_bags(column, 10_000, BOTH)
    assert bag.indices.tolist() == text_grams("john smith", 10_000, BOTH) + text_grams("Émile", 10_000, BOTH)


@pytest.mark.parametrize("text", [None, "", "   ", "!?", "—"])
def test_a_text_without_words_is_the_empty_bag(text: str | None) -> None:
    assert bags_of([text]) == [[]]


def test_counts_by_hand() -> None:
    # john: <jo joh ohn hn>, bo: <bo bo>; two words, one bigram
    assert [len(bag) for bag in bags_of(["john bo"])] == [4 + 2 + 2 + 1]


def test_case_and_compatible_forms_do_not_matter_and_order_does() -> None:
    upper, lower, wide, swapped = bags_of(["JOHN Smith", "john smith", "ｊｏｈｎ ｓｍｉｔｈ", "smith john"])
    assert upper == lower == wide
    assert set(lower) - set(swapped) != set()  # the bigram


def test_a_misspelling_keeps_most_trigrams() -> None:
    right, wrong = (set(bag) for bag in bags_of(["katherine", "kathrine"], settings=TextSettings(word_ngrams=0)))
    assert len(right & wrong) >= 6


def test_buckets_start_at_one_and_stay_inside() -> None:
    seen = {index for bag in bags_of([chr(i) * 3 for i in range(0x4E00, 0x5E00)], buckets=7) for index in bag}
    assert seen == set(range(1, 8))


@pytest.mark.parametrize("tokens", ["words", "trigrams"])
def test_tokens_are_the_first_words_or_trigrams_in_order(tokens) -> None:  # type: ignore[no-untyped-def]
    strings = ["ada lovelace", None, "", "die schöne müllerin op 25 d 795", "красный башмак", "x"]
    column = pa.array(strings, pa.large_string())
    feature = TextFeature(kind="text", column="name")
    found = text_tokens(column, 1000, OrderedText(feature=feature, tokens=tokens, most=4))
    read_as = TextSettings(trigrams=tokens == "trigrams", word_ngrams=1 if tokens == "words" else 0)
    for row, text in enumerate(strings):
        ids = found.ids[found.offsets[row] : found.offsets[row + 1], 0]
        assert ids.tolist() == text_grams(text, 1000, read_as)[:4]
