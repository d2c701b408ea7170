"""Looking up ids, also when hashes collide. Of index/segment/parts/doc_ids.py."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.index.segment.parts.doc_ids import IdIndex, hash_ids


def test_every_id_is_found_and_no_other() -> None:
    ids = pa.array([f"d{i}" for i in range(1000)] + ["é", "𝒳"])
    index = IdIndex.build(ids, hash_ids(ids))
    wanted = pa.array(["d999", "nope", "𝒳", "d0", ""])
    assert index.find(wanted, hash_ids(wanted)).tolist() == [999, -1, 1001, 0, -1]
    assert [index.number_of(one) for one in ("d999", "nope", "é", "", "\ud800")] == [999, -1, 1000, -1, -1]


def test_colliding_hashes_are_told_apart_by_the_string(monkeypatch) -> None:
    ids = pa.array(["a", "b", "c", "d", "e"])
    same = np.array([7, 7, 7, 9, 7], dtype=np.uint32)
    index = IdIndex.build(ids, same)
    wanted = pa.array(["e", "x", "a", "d", "c"])
    hashes = np.array([7, 7, 7, 9, 7], dtype=np.uint32)
    assert index.find(wanted, hashes).tolist() == [4, -1, 0, 3, 2]
    monkeypatch.setattr("xxhash.xxh32_intdigest", lambda _: 7)
    assert [index.number_of(one) for one in "abcex"] == [0, 1, 2, 4, -1]


IDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), unique=True, min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(IDS, st.data())
def test_ids_of_numbers_are_those_stored(ids: list[str], data: st.DataObject) -> None:
    """Any characters, the empty id, repeated numbers, none, and so many that Arrow gathers them."""
    stored = pa.array(ids, pa.string())
    index = IdIndex.build(stored, hash_ids(stored))
    numbers = data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=20)) * data.draw(st.sampled_from([1, 1, 300]))
    for kind in (np.uint32, np.int64):
        assert index.of(np.array(numbers, dtype=kind)) == [ids[number] for number in numbers]
    assert [index.number_of(one) for one in ids] == list(range(len(ids)))


def test_ids_of_a_slice_are_those_of_the_slice() -> None:
    stored = pa.array(["a", "bé", "", "𝒳", "d4"], pa.string()).slice(1, 3)
    index = IdIndex.build(stored, hash_ids(stored))
    assert index.of(np.array([2, 0, 1])) == ["𝒳", "bé", ""]


def test_no_document_has_no_ids() -> None:
    empty = pa.array([], pa.string())
    index = IdIndex.build(empty, hash_ids(empty))
    assert index.of(np.array([], dtype=np.uint32)) == []
    assert index.number_of("a") == -1
