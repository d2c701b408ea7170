"""Requests that share their choices: of one query, one searcher, and one context but for its numbers."""

import pyarrow as pa

from alicorn.training.examples.groups import request_groups

PAIRS = pa.table(
    {
        "search_id": ["s0", "s1", "s2", "s3", "s4", "s5", "s0"],
        "query": ["Red Shoes", "red shoes", "red shoes", None, "red shoes", "red shoes", "red shoes"],
        "searcher_id": ["u", "u", None, "u", None, "v", "u"],
    }
)
CONTEXT = pa.table(
    {
        "search_id": ["s5", "s4", "s3", "s2", "s1", "s0"],
        "device": [None, "desk", None, "phone", "desk", "desk"],
        "tags": pa.array([[], [], [], [], ["a"], ["a"]], pa.list_(pa.string())),
        "page": [1, 2, 3, 4, 5, 6],
    }
)


def partition(groups) -> set[frozenset[int]]:
    assert set(groups.tolist()) == set(range(groups.max() + 1))
    return {frozenset(row for row, own in enumerate(groups) if own == group) for group in groups.tolist()}


def test_they_have_one_query_and_one_searcher():
    together = {frozenset({0, 1, 6}), frozenset({2, 4}), frozenset({3}), frozenset({5})}
    assert partition(request_groups(PAIRS, None)) == together


def test_and_one_context_but_for_its_numbers():
    together = {frozenset({0, 1, 6}), frozenset({2}), frozenset({4}), frozenset({3}), frozenset({5})}
    assert partition(request_groups(PAIRS, CONTEXT)) == together
    other = CONTEXT.set_column(2, "tags", pa.array([[], [], [], [], ["a"], ["a", "b"]]))
    assert partition(request_groups(PAIRS, other)) == {*together} - {frozenset({0, 1, 6})} | {
        frozenset({0, 6}),
        frozenset({1}),
    }


def test_no_pairs_have_no_groups():
    assert len(request_groups(PAIRS.slice(0, 0), CONTEXT)) == 0
