"""Which data was this? A fingerprint of the bytes of the log files. Stored in pairs/, models and indexes by mine.py."""

from pathlib import Path

import xxhash

_CHUNK_BYTES = 1 << 22


def data_fingerprint(files: dict[str, tuple[Path, ...]]) -> str:
    """128 bits, as hex, of table names and file contents, in order; the folder's place and file times do not count."""
    hasher = xxhash.xxh3_128()
    for name in sorted(files):
        for file in files[name]:
            hasher.update(f"{name}/{file.name}:{file.stat().st_size}\n".encode())
            with file.open("rb") as source:
                while chunk := source.read(_CHUNK_BYTES):
                    hasher.update(chunk)
    return hasher.hexdigest()
