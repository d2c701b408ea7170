"""The file of the quantizers of a collection.

The container is that of archive.py, with magic "alicorn quantizers". header.json's content:
    keys    list of {key, arrays}: the embedding keys, and the names of the arrays of KeyQuantizer.to_arrays
Array j of key i is the member <i>-<j>.npy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alicorn.index.durability.archive import ArchiveReader, ArchiveWriter
from alicorn.quantization import KeyQuantizer

MAGIC = "alicorn quantizers"


def quantizer_path(collection: Path, name: str) -> Path:
    return collection / "quantizers" / f"{name}.zip"


def write_quantizers(quantizers: Mapping[str, KeyQuantizer], path: Path) -> str:
    """Write quantizers to a new file, durably -> the checksum for the manifest."""
    with ArchiveWriter(path, MAGIC) as writer:
        keys = []
        for i, (key, quantizer) in enumerate(quantizers.items()):
            arrays = quantizer.to_arrays()
            for j, array in enumerate(arrays.values()):
                writer.array(f"{i}-{j}", array)
            keys.append({"key": key, "arrays": list(arrays)})
        return writer.finish({"keys": keys})


def open_quantizers(path: Path, checksum: str) -> dict[str, KeyQuantizer]:
    """Read the quantizers of a file. Raises CorruptionError, or CollectionError for a newer format."""
    reader = ArchiveReader(path, MAGIC, checksum)
    return {
        entry["key"]: KeyQuantizer.from_arrays(
            {name: reader.array(f"{i}-{j}") for j, name in enumerate(entry["arrays"])}
        )
        for i, entry in enumerate(reader.content["keys"])
    }
