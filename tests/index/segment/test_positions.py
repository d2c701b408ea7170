"""Positions of terms against plain Python lists. Of index/segment/parts/positions.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.index.segment.building.builder import build_segment
from alicorn.index.segment.building.documents import POSITIONS, Documents
from alicorn.index.segment.parts.positions import BLOCK, MANY
from alicorn.index.segment.segment import Segment
from alicorn.index.writer.checks.documents import check_documents

Row = list[tuple[str, int]]
"""The terms of a document, each with its position; 0 for a term whose position is not kept."""
KEPT = ("text", "title")


@st.composite
def rows(draw: st.DrawFn) -> Row:
    free = dict.fromkeys(KEPT, 0)
    found: Row = []
    for prefix in draw(st.lists(st.sampled_from([*KEPT, "tag"]), max_size=12)):
        if prefix in free:
            free[prefix] += draw(st.sampled_from([0, 1, 1, 1, 300, 70_000]))
        found.append((f"{prefix}:{draw(st.sampled_from('abc'))}", free.get(prefix, 0)))
    return found


def documents_of(lists: list[Row], first: int = 0) -> Documents:
    table = pa.table(
        {
            "doc_id": [f"d{first + i}" for i in range(len(lists))],
            "terms": pa.array([[term for term, _ in row] for row in lists], pa.list_(pa.string())),
            POSITIONS: pa.array([[position for _, position in row] for row in lists], pa.list_(pa.int32())),
        }
    )
    [piece] = check_documents(table, {}, {}, KEPT)
    return piece


def rows_of(documents: Documents) -> list[Row]:
    terms = documents.terms
    assert terms.positions is not None
    flat = list(zip(terms.array.flatten().to_pylist(), terms.positions.tolist(), strict=True))
    return [flat[start:stop] for start, stop in pairwise(terms.starts.tolist())]


def by_posting(segment: Segment, prefix: str) -> dict[tuple[str, int], list[int]]:
    """(term, document number) -> positions, read from the part as it is described."""
    postings, lists = segment.postings_of(prefix), segment.positions[prefix]
    found, at = {}, 0
    for term in range(postings.low, postings.high):
        for posting in range(segment.posting_starts[term], segment.posting_starts[term + 1]):
            if (posting - postings.first) % BLOCK == 0:
                assert lists.blocks[(posting - postings.first) // BLOCK] == at
            count = int(segment.frequencies[posting])
            if count == MANY:
                count, at = int(lists.numbers[at]), at + 1
            key = segment.terms.term(term), int(segment.postings[posting])
            found[key] = lists.numbers[at : at + count].tolist()
            at += count
    assert at == len(lists.numbers)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(rows(), min_size=1, max_size=6), min_size=1, max_size=3))
def test_positions_survive_building_and_taking_apart(parts: list[list[Row]]) -> None:
    sizes = np.cumsum([0, *map(len, parts)])
    segment = build_segment([documents_of(part, first) for part, first in zip(parts, sizes, strict=False)], {})
    all_rows = [row for part in parts for row in part]
    in_order = [all_rows[int(doc_id[1:])] for doc_id in segment.doc_ids.to_pylist()]
    for prefix in KEPT:
        expected: dict[tuple[str, int], list[int]] = {}
        for number, row in enumerate(in_order):
            for term, position in row:
                if term.startswith(f"{prefix}:"):
                    expected.setdefault((term, number), []).append(position)
        assert by_posting(segment, prefix) == expected
    assert rows_of(Documents.of_segment(segment, None)) == in_order
    chosen = np.random.default_rng(len(all_rows)).permutation(segment.num_docs)[: max(1, segment.num_docs // 2)]
    assert rows_of(Documents.at(segment, chosen)) == [in_order[number] for number in chosen]
    deleted = np.arange(segment.num_docs) % 2 == 1
    assert rows_of(Documents.of_segment(segment, deleted)) == in_order[::2]
    from_journal = Documents.from_table(documents_of(all_rows).to_table(), {}, KEPT)
    assert rows_of(from_journal) == all_rows


@pytest.mark.parametrize("count", [MANY - 1, MANY, MANY + 1, 70_000])
def test_a_term_may_occur_any_number_of_times(count: int) -> None:
    """Frequencies end at 255, positions do not."""
    lists: list[Row] = [[("text:a", i) for i in range(count)], [("text:a", 3), ("text:b", 4)]]
    segment = build_segment([documents_of(lists)], {})
    assert by_posting(segment, "text")["text:a", 0] == list(range(count))
    assert rows_of(Documents.of_segment(segment, None)) == lists
    assert rows_of(Documents.at(segment, np.array([1, 0]))) == lists[::-1]


@pytest.mark.parametrize(("largest", "size"), [(255, 1), (256, 2), (65_535, 2), (65_536, 4)])
def test_numbers_take_the_bytes_that_the_largest_needs(largest: int, size: int) -> None:
    segment = build_segment([documents_of([[("text:a", 0), ("text:a", largest)]])], {})
    assert segment.positions["text"].numbers.itemsize == size


def test_blocks_begin_where_the_numbers_of_their_postings_do() -> None:
    lists: list[Row] = [[(f"text:{word}", i) for i, word in enumerate("abca")] for _ in range(3 * BLOCK)]
    segment = build_segment([documents_of(lists)], {})
    assert len(segment.positions["text"].blocks) == 9
    assert set(map(tuple, by_posting(segment, "text").values())) == {(0, 3), (1,), (2,)}


def test_positions_of_few_of_many_documents() -> None:
    """Whose postings are in several blocks, with others in between."""
    rng = np.random.default_rng(5)
    lists: list[Row] = [
        [(f"text:{word}", at) for at, word in enumerate(rng.integers(0, 9, 6))] for _ in range(20 * BLOCK)
    ]
    segment = build_segment([documents_of(lists)], {})
    in_order = [lists[int(doc_id[1:])] for doc_id in segment.doc_ids.to_pylist()]
    for count in (1, 10, 300):
        chosen = rng.choice(len(lists), count, replace=False)
        assert rows_of(Documents.at(segment, chosen)) == [in_order[number] for number in chosen]
