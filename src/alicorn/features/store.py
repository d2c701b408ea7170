"""A featurised table on disk: written once, part by part, then memory-mapped; training slices, it does not tokenise.

    features.json             {"format": 1, "rows": n, "channels": {channel: "bag" | "weighted" | "dense" | "tokens" |
                              "sequences"}}, a channel as channel_id.py spells it
    <channel>.offsets.npy     int64 (rows + 1,)        of a bag, of tokens, or of sequences
    <channel>.indices.npy     int32 (entries,)
    <channel>.weights.npy     float32 (entries,)       of a weighted bag
    <channel>.values.npy      float32 (rows, width)    of a dense channel
    <channel>.vectors.npy     float16 (tokens, width)  of tokens
    <channel>.ids.npy         int32 (elements, parts)  of sequences

features.json is written last: without it the folder is unfinished.
"""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from alicorn.errors import ModelError
from alicorn.features.arrays import Bag, Channel, Features, Sequences, Tokens
from alicorn.features.channel_id import ChannelId

_FORMAT = 1


def write_features(folder: Path, parts: Iterable[Features]) -> int:
    """Write the rows of all parts, in order; memory holds one part at a time. Returns the number of rows.

    There is at least one part (perhaps of no rows), and all have the same channels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, _GrowingArray] = {}
    kinds: dict[str, str] = {}
    rows = 0
    try:
        for part in parts:
            for channel_id, channel in part.channels.items():
                kinds[str(channel_id)] = _append(folder, files, str(channel_id), channel)
            rows += part.num_rows
        for file in files.values():
            file.complete()
    finally:
        for file in files.values():
            file.close()
    unfinished = folder / ".features.json"
    unfinished.write_text(json.dumps({"format": _FORMAT, "rows": rows, "channels": kinds}, allow_nan=False))
    unfinished.replace(folder / "features.json")
    return rows


def is_written(folder: Path) -> bool:
    return (folder / "features.json").exists()


def open_features(folder: Path) -> Features:
    """The stored features, memory-mapped: nothing is read until rows are taken. Raises ModelError for other formats."""
    path = folder / "features.json"
    header = json.loads(path.read_text())
    if header["format"] != _FORMAT:
        raise ModelError(
            f"{path} has format {header['format']}, and this alicorn reads format {_FORMAT}: train into a new folder"
        )
    channels: dict[ChannelId, Channel] = {}
    for name, kind in header["channels"].items():
        channel = ChannelId.parse(name)
        assert channel is not None, name
        channels[channel] = _opened(folder, name, kind)
    return Features(channels, header["rows"])


def _opened(folder: Path, name: str, kind: str) -> Channel:
    def mapped(part: str) -> np.ndarray:
        return _mapped(folder / f"{name}.{part}.npy")

    match kind:
        case "dense":
            return mapped("values")
        case "tokens":
            return Tokens(mapped("offsets"), mapped("vectors"))
        case "sequences":
            return Sequences(mapped("offsets"), mapped("ids"))
        case _:
            return Bag(mapped("offsets"), mapped("indices"), mapped("weights") if kind == "weighted" else None)


def _append(folder: Path, files: dict[str, "_GrowingArray"], name: str, channel: Channel) -> str:
    def grow(part: str, values: np.ndarray) -> None:
        key = f"{name}.{part}"
        if key not in files:
            files[key] = _GrowingArray(folder / f"{key}.npy", values.dtype, values.shape[1:])
        files[key].append(values)

    if isinstance(channel, np.ndarray):
        grow("values", channel)
        return "dense"
    content, values = _content(channel)
    if f"{name}.offsets" not in files:
        grow("offsets", np.zeros(1, dtype=np.int64))
        grow(content, values[:0])
    grow("offsets", channel.offsets[1:] - channel.offsets[0] + files[f"{name}.{content}"].rows)
    grow(content, values)
    if not isinstance(channel, Bag):
        return "tokens" if isinstance(channel, Tokens) else "sequences"
    if channel.weights is None:
        return "bag"
    grow("weights", channel.weights)
    return "weighted"


def _content(channel: Bag | Tokens | Sequences) -> tuple[str, np.ndarray]:
    """Name and values of what the offsets point into."""
    match channel:
        case Bag():
            return "indices", channel.indices
        case Tokens():
            return "vectors", channel.vectors
        case Sequences():
            return "ids", channel.ids


class _GrowingArray:
    """A .npy file written from front to back; the header is completed when the number of rows is known."""

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self.rows = 0
        self._dtype = dtype
        self._shape = shape
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def append(self, values: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
        self.rows += len(values)

    def complete(self) -> None:
        """Write the number of rows into the header. Raises OSError where the disk is full."""
        self._file.seek(0)
        self._write_header()
        self._file.flush()

    def close(self) -> None:
        """Of a file that is not complete, what is still in memory is dropped where the disk has no room for it."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _write_header(self) -> None:
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.rows, *self._shape)}
        text = repr(header).ljust(117) + "\n"  # 10 bytes of magic and length before it: 128, a multiple of 64
        self._file.write(np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode("latin1"))


def _mapped(path: Path) -> np.ndarray:
    """A plain array over the mapped file: subclasses of ndarray are slower to pass to kernels."""
    return np.asarray(np.load(path, mmap_mode="r"))
