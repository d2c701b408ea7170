"""The term dictionary against a sorted Python list. Of index/segment/parts/terms.py."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from alicorn.index.segment.parts.terms import TermDictionary, TermLists

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)


@given(st.sets(words), words)
def test_find_and_prefix_agree_with_a_sorted_list(terms: set[str], wanted: str) -> None:
    ordered = sorted(terms, key=str.encode)
    dictionary = TermDictionary(pa.array(ordered, pa.string()))
    assert len(dictionary) == len(ordered)
    for text in [*ordered, wanted]:
        assert dictionary.find(text) == (ordered.index(text) if text in terms else -1)
        for size in range(len(text) + 1):
            low, high = dictionary.prefix(text[:size])
            assert ordered[low:high] == [term for term in ordered if term.startswith(text[:size])]
    assert [dictionary.term(i) for i in range(len(dictionary))] == ordered


def test_a_lone_surrogate_is_found_nowhere() -> None:
    dictionary = TermDictionary(pa.array(["a", "\U0010ffff"]))
    assert dictionary.find("\ud800") == -1
    low, high = dictionary.prefix("\ud800")
    assert low == high


lists = st.lists(st.lists(words, max_size=4), max_size=5)


@given(st.lists(lists, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_lists_keep_their_order_when_concatenated_taken_and_sorted(parts: list[list[list[str]]], random) -> None:
    encoded = [TermLists.encode(pa.array(part, pa.list_(pa.string()))) for part in parts]
    rows = [row for part in parts for row in part]
    joined = TermLists.concatenate(encoded)
    assert joined.array.to_pylist() == rows
    chosen = [i for i in range(len(rows)) if random.random() < 0.6]
    random.shuffle(chosen)
    import numpy as np

    taken = joined.take(np.array(chosen, dtype=np.int64)).sorted()
    assert taken.array.to_pylist() == [rows[i] for i in chosen]
    used = {term for i in chosen for term in rows[i]}
    assert taken.dictionary.to_pylist() == sorted(used, key=str.encode)
