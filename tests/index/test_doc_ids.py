"""Looking up ids, also when hashes collide. Of index/doc_ids.py."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from alicorn.index.doc_ids import IdIndex, hash_ids


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
