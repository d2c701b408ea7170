"""A featurised table: bags (CSR), matrices, lists of vectors and of ids, row for row. From featurizer.py to towers/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types

from alicorn.compiled import kernel
from alicorn.features.channel_id import ChannelId


@dataclass(frozen=True, eq=False)
class Bag:
    """For each row a bag of table rows: those of row r are `indices[offsets[r]:offsets[r + 1]]`.

    offsets: int64 (rows + 1,), from 0. indices: int32, each 1 or more. weights: float32 as long as indices, or None.
    """

    offsets: np.ndarray
    indices: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> "Bag":
        """The bags of the given rows, int64 (n,), in their order; a row may repeat."""
        offsets = np.empty(len(rows) + 1, dtype=np.int64)
        _taken_offsets(self.offsets, rows, offsets)
        indices = np.empty(offsets[-1], dtype=np.int32)
        _take_int32(self.offsets, self.indices, rows, offsets, indices)
        if self.weights is None:
            return Bag(offsets, indices)
        weights = np.empty(offsets[-1], dtype=np.float32)
        _take_float32(self.offsets, self.weights, rows, offsets, weights)
        return Bag(offsets, indices, weights)

    def at_unit_length(self) -> "Bag":
        """With weights 1 / sqrt(sum of squared counts): the length of a bag of orthonormal rows is then 1, however
        often a row repeats. Without weights (towers/channels/tensors.py) that holds only where no row repeats."""
        weights = np.empty(len(self.indices), dtype=np.float32)
        _unit_weights(self.offsets, self.indices, weights)
        return Bag(self.offsets, self.indices, weights)

    def thinned(self, kept: np.ndarray) -> "Bag":
        """The bags without the entries where `kept`, bool (entries,), is false."""
        before = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum(kept, out=before[1:])
        weights = None if self.weights is None else self.weights[kept]
        return Bag(before[self.offsets], self.indices[kept], weights)


@dataclass(frozen=True, eq=False)
class Tokens:
    """For each row a list of vectors: those of row r are `vectors[offsets[r]:offsets[r + 1]]`.

    offsets: int64 (rows + 1,), from 0. vectors: float16 (tokens, width).
    """

    offsets: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray], width: int) -> "Tokens":
        """rows: for each row its vectors, (tokens, width)."""
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(vectors) for vectors in rows], out=offsets[1:])
        vectors = np.concatenate([np.zeros((0, width), dtype=np.float16), *rows], dtype=np.float16)
        return cls(offsets, vectors)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> "Tokens":
        """The lists of the given rows, int64 (n,), in their order; a row may repeat."""
        offsets, at = _gathered(self.offsets, rows)
        return Tokens(offsets, self.vectors[at])


@dataclass(frozen=True, eq=False)
class Sequences:
    """For each row a list of elements, the oldest first: those of row r are `ids[offsets[r]:offsets[r + 1]]`.

    offsets: int64 (rows + 1,), from 0. ids: int32 (elements, parts), for each part the row of its table, 0 for none.
    """

    offsets: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> "Sequences":
        """The lists of the given rows, int64 (n,), in their order; a row may repeat."""
        offsets, at = _gathered(self.offsets, rows)
        return Sequences(offsets, self.ids[at])


def _gathered(offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of the lists of the given rows, and the present place of each of their elements."""
    taken = np.empty(len(rows) + 1, dtype=np.int64)
    _taken_offsets(offsets, rows, taken)
    within = np.arange(taken[-1]) - np.repeat(taken[:-1], np.diff(taken))
    return taken, np.repeat(offsets[rows], np.diff(taken)) + within


Channel = Bag | Tokens | Sequences | np.ndarray


@dataclass(frozen=True, eq=False)
class Features:
    """A featurised table: channel -> Bag, Tokens, Sequences, or float32 (rows, width)."""

    channels: Mapping[ChannelId, Channel]
    num_rows: int

    def __len__(self) -> int:
        return self.num_rows

    def take(self, rows: np.ndarray) -> "Features":
        """The given rows, int64 (n,), in their order. This is how a shuffled batch is made."""
        return Features(
            {
                name: channel[rows] if isinstance(channel, np.ndarray) else channel.take(rows)
                for name, channel in self.channels.items()
            },
            len(rows),
        )


def string_buffers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 bytes uint8 and the int64 (rows + 1,) offsets of a large_string array; a null is empty."""
    if column.null_count:
        column = pc.fill_null(column, "")
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64) if offsets is not None else np.zeros(1, dtype=np.int64)
    return (
        np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8),
        ends[column.offset : column.offset + len(column) + 1],
    )


def _readonly(dtype: types.Type, ndim: int = 1) -> types.Array:
    """The type of a C-contiguous argument that is only read, so that memory-mapped and Arrow arrays are welcome."""
    return types.Array(dtype, ndim, "C", readonly=True)


@kernel(types.void(_readonly(types.int64), _readonly(types.int64), types.int64[::1]))
def _taken_offsets(offsets, rows, out):
    out[0] = 0
    for i in range(len(rows)):
        out[i + 1] = out[i] + offsets[rows[i] + 1] - offsets[rows[i]]


def _take(offsets, values, rows, out_offsets, out):
    for i in range(len(rows)):
        source = offsets[rows[i]]
        target = out_offsets[i]
        for j in range(out_offsets[i + 1] - target):
            out[target + j] = values[source + j]


@kernel(types.void(_readonly(types.int64), _readonly(types.int32), types.float32[::1]))
def _unit_weights(offsets, indices, out):
    for row in range(len(offsets) - 1):
        ascending = np.sort(indices[offsets[row] : offsets[row + 1]])
        squares = 0
        count = 0
        for i in range(len(ascending)):
            count = count + 1 if i > 0 and ascending[i] == ascending[i - 1] else 1
            squares += 2 * count - 1  # the sum of the first n odd numbers is n squared
        out[offsets[row] : offsets[row + 1]] = np.float32(1.0 / np.sqrt(max(squares, 1)))


_I64 = _readonly(types.int64)
_take_int32 = kernel(types.void(_I64, _readonly(types.int32), _I64, _I64, types.int32[::1]))(_take)
_take_float32 = kernel(types.void(_I64, _readonly(types.float32), _I64, _I64, types.float32[::1]))(_take)
