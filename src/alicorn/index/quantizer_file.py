"""The quantizers of a collection as a folder of files. Between quantization/ and store.py.

The container is that of checked_folder.py, with magic "alicorn quantizers". header.json's content:
    keys    list of {key, arrays}: the embedding keys, and the names of the arrays that KeyQuantizer.to_arrays gave
The array number j of key number i is <i>-<j>.npy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alicorn.index.checked_folder import FolderReader, FolderWriter
from alicorn.quantization import KeyQuantizer

MAGIC = "alicorn quantizers"


def write_quantizers(quantizers: Mapping[str, KeyQuantizer], folder: Path) -> str:
    """Write them durably into a folder that does not exist yet -> the header's checksum."""
    writer = FolderWriter(folder, MAGIC)
    keys = []
    for i, (key, quantizer) in enumerate(quantizers.items()):
        arrays = quantizer.to_arrays()
        for j, array in enumerate(arrays.values()):
            writer.array(f"{i}-{j}", array)
        keys.append({"key": key, "arrays": list(arrays)})
    return writer.finish({"keys": keys})


def open_quantizers(folder: Path, header_checksum: str) -> dict[str, KeyQuantizer]:
    """Raises CorruptionError, and CollectionError for a newer format."""
    reader = FolderReader(folder, MAGIC, header_checksum)
    return {
        entry["key"]: KeyQuantizer.from_arrays(
            {name: reader.array(f"{i}-{j}") for j, name in enumerate(entry["arrays"])}
        )
        for i, entry in enumerate(reader.content["keys"])
    }
