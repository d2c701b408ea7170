"""Arrays by name in a file of the format safetensors, which is read without torch and holds no code.

8 bytes     N, little endian
N bytes     JSON: {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [from, to]}}
the rest    the arrays one after another, C order, little endian; offsets count from here
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alicorn.errors import ModelError, cause
from alicorn.folders import whole_file

_KINDS = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items()}
_ALIGNED = 64  # bytes: where the arrays begin


def write_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """The file is whole or as it was. Names are kept in their order; wide numbers come first, so that all are aligned.

    Raises OSError.
    """
    header: dict[str, dict[str, object]] = {name: {} for name in arrays}
    end = 0
    placed = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    for name, array in placed:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-(len(text) + 8) % _ALIGNED)
    with whole_file(path, overwrite=True) as place, place.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in placed:
            file.write(np.ascontiguousarray(array).data)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """In the order in which they were written, memory-mapped: processes share what they read. Raises ModelError."""
    try:
        file = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        size = int.from_bytes(file[:8].tobytes(), "little")
        header = json.loads(file[8 : 8 + size].tobytes().decode())
        return {name: _array(file[8 + size :], one) for name, one in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is no file of weights ({cause(error)}): train or copy the model again") from error


def _array(data: np.ndarray, described: Mapping[str, Any]) -> np.ndarray:
    start, end = described["data_offsets"]
    array: np.ndarray = data[start:end].view(_KINDS[described["dtype"]]).reshape(described["shape"])
    return array if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("="))
