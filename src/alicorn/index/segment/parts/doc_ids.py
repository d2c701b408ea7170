"""The document numbers of doc_ids: hashes of ids, and the index of every segment.

A 32-bit hash finds the candidates by binary search; the string itself decides, so a collision costs a second comparison
and never gives a wrong answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from alicorn.compiled import kernel

_FEW = 8  # ids: from so many on, a call of a compiled loop pays
_LONG = 1024  # bytes
_MANY = 256  # ids: from so many on, Arrow makes the strings sooner


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
        """The document number of each wanted id, -1 for one not found -> (len(wanted),) int64."""
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
        """The doc_ids of document numbers, (n,) integers."""
        if len(numbers) < _FEW:
            starts, text = self._views
            return [str(text[starts[number] : starts[number + 1]], "utf-8") for number in numbers.tolist()]
        if len(numbers) < _MANY and self._longest < _LONG:
            offsets, data = self.buffers
            gathered = np.empty(len(numbers) * self._longest, dtype=np.uint8)
            size = _gather.entry(offsets, data, numbers.astype(np.uint32, copy=False), gathered)
            split = str(gathered.data[:size], "utf-8").split("\0")
            if len(split) == len(numbers):  # else an id has this character too
                return split
        found: list[str] = self.doc_ids.take(pa.array(numbers)).to_pylist()
        return found

    @cached_property
    def _longest(self) -> int:
        """The bytes of the longest doc_id, and one."""
        lengths = np.diff(self.buffers[0][: len(self.doc_ids) + 1])
        return int(lengths.max()) + 1 if len(lengths) else 1

    @cached_property
    def buffers(self) -> tuple[np.ndarray, np.ndarray]:
        """The offsets, (n + 1,) int32, and the bytes of the doc_ids."""
        _, offsets, data = self.doc_ids.buffers()
        cut = np.frombuffer(offsets, np.int32)[self.doc_ids.offset :] if offsets else np.zeros(1, np.int32)
        return cut, np.frombuffer(data or b"", np.uint8)

    @cached_property
    def _views(self) -> tuple[memoryview, memoryview]:
        offsets, data = self.buffers
        return offsets.data, data.data

    def number_of(self, doc_id: str) -> int:
        """The document number of one id, -1 if it is not found."""
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


_OFFSETS = numba.types.Array(numba.int32, 1, "C", readonly=True)
_BYTES = numba.types.Array(numba.uint8, 1, "C", readonly=True)


@kernel(numba.int64(_OFFSETS, _BYTES, numba.uint32[::1], numba.uint8[::1]))
def _gather(offsets, data, numbers, gathered):
    """Write the strings of some numbers, at least one, a 0 between each two -> how many bytes they are."""
    at = 0
    for i in range(len(numbers)):
        if i:
            gathered[at] = 0
            at += 1
        for place in range(offsets[numbers[i]], offsets[numbers[i] + 1]):
            gathered[at] = data[place]
            at += 1
    return at
