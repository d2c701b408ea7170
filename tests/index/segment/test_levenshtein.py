"""The walk of a sorted dictionary finds the terms near a word, as the table of edits says."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicorn.index.segment.parts.terms import TermDictionary

# One to four bytes in UTF-8, neighbours in one block, and what sorts first and last.
LETTERS = st.sampled_from("abc\x01\x7féèß日本𐐷😀\U0010ffff")
WORDS = st.text(LETTERS, max_size=7) | st.text("ab", max_size=9)
BEGINNINGS = st.sampled_from(["", "text:", "text:a", "日", "tex"])


def num_edits(first: str, second: str) -> int:
    """Optimal string alignment, cell by cell."""
    table = {}
    for i in range(len(first) + 1):
        for j in range(len(second) + 1):
            ways = [i + j]
            if i:
                ways.append(table[i - 1, j] + 1)
            if j:
                ways.append(table[i, j - 1] + 1)
            if i and j:
                ways.append(table[i - 1, j - 1] + (first[i - 1] != second[j - 1]))
            if i > 1 and j > 1 and first[i - 2 : i] == second[j - 2 : j][::-1]:
                ways.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(ways)
    return table[len(first), len(second)]


@given(st.sets(st.builds(str.__add__, BEGINNINGS, WORDS), max_size=80), BEGINNINGS, WORDS, st.integers(1, 2))
def test_the_terms_near_a_word_are_those_that_the_table_says(terms, exact, word, edits):
    ordered = sorted(terms, key=str.encode)
    numbers, distances = TermDictionary(pa.array(ordered, pa.string())).near(exact, word, edits)
    expected = [
        (number, distance)
        for number, term in enumerate(ordered)
        if term.startswith(exact) and (distance := num_edits(term.removeprefix(exact), word)) <= edits
    ]
    assert list(zip(numbers.tolist(), distances.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [("ca", "abc", 3), ("ca", "ac", 1), ("日本", "本日", 1), ("é", "e\u0301", 2), ("a", "a", 0)],
)
def test_the_edits_of_two_words_by_hand(first, second, edits):
    assert num_edits(first, second) == edits
    _, distances = TermDictionary(pa.array([second])).near("", first, 2)
    assert distances.tolist() == ([edits] if edits <= 2 else [])


def test_a_word_of_a_lone_surrogate_is_near_to_what_it_would_be_without():
    numbers, _ = TermDictionary(pa.array(["a", "ab", "abc"])).near("", "ab\ud800", 1)
    assert numbers.tolist() == [1, 2]
