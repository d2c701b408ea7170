"""The compiled comparison of positions against all choices of positions, tried one by one."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.index.segment.building.builder import build_segment
from alicorn.index.segment.parts.positions import BLOCK, MANY
from alicorn.index.segment.segment import Segment
from alicorn.index.writer.checks.documents import check_documents
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, Ranges
from alicorn.query.text.in_order import in_order

Row = list[tuple[str, int]]


def segment_of(rows: list[Row]) -> Segment:
    """Document numbers are those of the rows."""
    table = pa.table(
        {
            "doc_id": [f"d{number:04}" for number in range(len(rows))],
            "terms": pa.array([[f"t:{word}" for word, _ in row] for row in rows], pa.list_(pa.string())),
            "term_positions": pa.array([[at for _, at in row] for row in rows], pa.list_(pa.int64())),
        }
    )
    return build_segment(check_documents(table, {}, {}, ("t",)), {})


def found(segment: Segment, words: str, slop: int) -> list[int]:
    documents, _ = in_order(segment, "t", [f"t:{word}" for word in words], slop)
    return documents.tolist()


def expected(rows: list[Row], words: str, slop: int) -> list[int]:
    return [number for number, row in enumerate(rows) if least_slop(row, words) <= slop]


def least_slop(row: Row, words: str) -> float:
    """Over all choices of a position for each word, no position being given to two equal words."""
    choices = [[at for known, at in row if known == word] for word in words]
    return min(
        (
            max(moved) - min(moved)
            for chosen in product(*choices)
            if not any(words[a] == words[b] and chosen[a] == chosen[b] for a, b in combinations(range(len(words)), 2))
            for moved in [[at - place for place, at in enumerate(chosen)]]
        ),
        default=float("inf"),
    )


@st.composite
def rows(draw: st.DrawFn) -> Row:
    at = draw(st.sampled_from([0, 0, 3, 250, 65_530]))
    found = []
    for word in draw(st.text("abc", max_size=9)):
        found.append((word, at))
        at += draw(st.sampled_from([0, 1, 1, 1, 2, 4]))
    return found


@settings(max_examples=250, deadline=None)
@given(st.lists(rows(), min_size=1, max_size=8), st.text("abc", min_size=1, max_size=5), st.integers(0, 8))
def test_a_phrase_is_found_where_some_choice_of_positions_has_it(lists: list[Row], words: str, slop: int) -> None:
    assert found(segment_of(lists), words, slop) == expected(lists, words, slop)


def zipf_rows() -> list[Row]:
    rng = np.random.default_rng(3)
    return [
        [
            (word, at)
            for at, word in enumerate(
                rng.choice(list("abcdef"), rng.integers(0, 8), p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05])
            )
        ]
        for _ in range(20 * BLOCK)
    ]


def test_many_documents_with_words_by_a_zipf_law() -> None:
    """Through many blocks, with documents in between that lack a word."""
    lists = zipf_rows()
    segment = segment_of(lists)
    for words, slop in (("ab", 0), ("ba", 1), ("fe", 2), ("aa", 0), ("abca", 3), ("fab", 0)):
        assert found(segment, words, slop) == expected(lists, words, slop)
        assert expected(lists, words, slop)  # or the test would show nothing


@pytest.mark.parametrize("count", [MANY - 1, MANY, MANY + 1, 1000])
def test_a_word_that_occurs_more_often_than_its_frequency_says(count: int) -> None:
    often = [("a", at) for at in range(count)]
    lists: list[Row] = [[("b", 0), ("a", 1)], [*often, ("b", count)], [("a", 5), ("b", 6)], [*often, ("b", count + 3)]]
    segment = segment_of(lists)
    assert found(segment, "ab", 0) == [1, 2]
    assert found(segment, "ab", 3) == [0, 1, 2, 3]
    assert found(segment, "ba", 0) == [0]
    assert found(segment, "a" * 200, 0) == [1, 3]


def test_what_a_slop_is() -> None:
    """The examples of docs/query-language.md."""
    row = [(word, at) for at, word in enumerate("abxcd")]
    costs = {"ab": 0, "ba": 2, "bc": 1, "cb": 3, "ad": 3, "abcd": 1, "bb": float("inf")}
    assert {words: least_slop(row, words) for words in costs} == costs
    segment = segment_of([row])
    for words, cost in costs.items():
        assert [slop for slop in range(9) if found(segment, words, slop)] == [slop for slop in range(9) if slop >= cost]


def test_only_given_documents_are_looked_at() -> None:
    """The documents as an array, as a bitmap, and as ranges; the words frequent and rare."""
    lists = zipf_rows()
    segment, rng = segment_of(lists), np.random.default_rng(5)
    for words in ("ab", "fe", "fa", "aba"):
        terms, everywhere = [f"t:{word}" for word in words], found(segment, words, 2)
        for share in (0.0, 0.02, 0.6):
            chosen = np.flatnonzero(rng.random(len(lists)) < share).astype(np.uint32)
            bitmap = Bitmap.of_words(docset.as_words(chosen, len(lists)))
            ranges = Ranges.of(chosen.astype(np.int64), chosen.astype(np.int64) + 1)
            expected = [number for number in everywhere if number in chosen]
            for inside in (chosen, bitmap, ranges):
                documents, looked = in_order(segment, "t", terms, 2, inside)
                assert docset.as_array(documents).tolist() == expected
                assert len(expected) <= looked
