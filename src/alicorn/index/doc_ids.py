"""Which document number has a doc_id? Hashes of ids, and the lookup every segment keeps. Used by segment.py.

A 32-bit hash finds the candidates by binary search; the string itself decides, so a collision costs a second look
and never a wrong answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

_FEW = 32  # ids; more are faster through Arrow, whose calls cost some 10 us each


def hash_ids(doc_ids: pa.StringArray) -> np.ndarray:
    """xxh32 of the UTF-8 bytes of each id -> (n,) uint32."""
    encoded = doc_ids.cast(pa.binary()).to_pylist()
    return np.fromiter(map(xxhash.xxh32_intdigest, encoded), dtype=np.uint32, count=len(encoded))


@dataclass(frozen=True, eq=False)
class IdIndex:
    """hashes: (n,) uint32 ascending; docs: (n,) uint32, the document that has the hash; doc_ids: row = document."""

    hashes: np.ndarray
    docs: np.ndarray
    doc_ids: pa.StringArray

    @classmethod
    def build(cls, doc_ids: pa.StringArray, hashes: np.ndarray) -> IdIndex:
        """hashes: (n,) uint32, row = document."""
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], order.astype(np.uint32), doc_ids)

    def find(self, wanted: pa.StringArray, wanted_hashes: np.ndarray) -> np.ndarray:
        """The document number of each wanted id, -1 where there is none -> (len(wanted),) int64."""
        numbers = np.full(len(wanted), -1, dtype=np.int64)
        at = np.searchsorted(self.hashes, wanted_hashes)
        pending = np.flatnonzero(at < len(self.hashes))
        while True:
            pending = pending[self.hashes[at[pending]] == wanted_hashes[pending]]
            if not len(pending):
                return numbers
            candidates = self.docs[at[pending]]
            same = pc.equal(self.doc_ids.take(pa.array(candidates)), wanted.take(pa.array(pending)))
            hit = same.to_numpy(zero_copy_only=False).astype(bool)
            numbers[pending[hit]] = candidates[hit]
            pending = pending[~hit]  # another id with the same hash: look at the next entry
            at[pending] += 1
            pending = pending[at[pending] < len(self.hashes)]

    def of(self, numbers: np.ndarray) -> list[str]:
        """The doc_ids of document numbers."""
        if len(numbers) > _FEW:
            return self.doc_ids.take(pa.array(numbers)).to_pylist()
        offsets, data = self._buffers
        stops = offsets[numbers + 1].tolist()
        return [str(data[a:b], "utf-8") for a, b in zip(offsets[numbers].tolist(), stops, strict=True)]

    @cached_property
    def _buffers(self) -> tuple[np.ndarray, memoryview]:
        _, offsets, data = self.doc_ids.buffers()
        return np.frombuffer(offsets, np.int32)[self.doc_ids.offset :], memoryview(data or b"")

    def number_of(self, doc_id: str) -> int:
        """The document number of one id, -1 where there is none."""
        try:
            wanted = np.uint32(xxhash.xxh32_intdigest(doc_id.encode()))
        except UnicodeEncodeError:  # a lone surrogate: no stored id can have one
            return -1
        at = int(np.searchsorted(self.hashes, wanted))
        while at < len(self.hashes) and self.hashes[at] == wanted:
            number = int(self.docs[at])
            if self.doc_ids[number].as_py() == doc_id:
                return number
            at += 1
        return -1
