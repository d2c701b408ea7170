"""A digest of all the source that is compiled into a kernel.

A kernel holds the compiled code of the functions that it calls, and the constants that it reads, wherever they are
written: in its own file, in the alicorn modules that this imports, and so on.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import xxhash

import alicorn

_IMPORTS = re.compile(r"^(?:from (alicorn[\w.]*) import (\([^)]*\)|.*)|import (alicorn[\w.]*).*)$", re.MULTILINE)


@cache
def digest(file: str) -> str:
    """Of a source file, and of the alicorn modules that it imports, and so on.

    Asked when the file is imported: later, an upgrade may have put another one there.
    """
    sources: dict[Path, bytes] = {}
    pending = [Path(file)]
    while pending:
        path = pending.pop()
        if path not in sources:
            sources[path], imported = _read(path)
            pending += imported
    total = xxhash.xxh3_128()
    for source in sorted(sources.values()):  # wherever they are installed
        total.update(source)
    return total.hexdigest()


@cache
def _read(path: Path) -> tuple[bytes, list[Path]]:
    """A source, and the files of the alicorn modules that it imports at its top level."""
    source = path.read_bytes() if path.is_file() else b""  # in an archive there is no file to read
    return source, [file for file in map(_file, _imported(source.decode())) if file]


def _imported(source: str) -> Iterator[str]:
    for package, names, plain in _IMPORTS.findall(source):
        if plain:
            yield plain
        for name in re.findall(r"\w+", names):
            inner = f"{package}.{name}"
            yield inner if _file(inner) else package


@cache
def _file(module: str) -> Path | None:
    _, *inner = module.split(".")
    for root in alicorn.__path__:
        place = Path(root, *inner)
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None
