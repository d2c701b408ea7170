"""Is every byte of a collection still what was written? Used by store.py and by the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index import quantizer_file, segment_file
from alicorn.index.checked_folder import HEADER, FolderReader
from alicorn.index.journal import MANIFEST, Journal
from alicorn.index.seal import check_seal

_SHOWN = 20


@dataclass(frozen=True)
class Verification:
    """What was read and found intact. num_files, num_bytes: with the manifest; operations: of the journal."""

    num_files: int
    num_bytes: int
    operations: int


def verify(path: str | Path) -> Verification:
    """Verify a collection, also one that is open for writing, or too damaged to open.

    Raises one CorruptionError that names all damage.
    """
    journal = Journal(Path(path), read_only=True)
    try:
        while True:
            try:
                return _verify(Path(path), journal)
            except CorruptionError:
                read = journal.state
                if journal.read_state().generation == read.generation:  # else a writer replaced files meanwhile
                    raise
    finally:
        journal.close()


def _verify(path: Path, journal: Journal) -> Verification:
    """Everything that the manifest names, its own rows and pages included."""
    damage: list[str] = []
    sizes: list[int] = []

    def attempt(check: Callable[[], int]) -> None:
        try:
            sizes.append(check())
        except CollectionError as error:
            damage.append(str(error))

    operations = 0
    with journal.reading():
        attempt(lambda: _manifest(path, journal))
        try:
            operations = sum(1 for _ in journal.operations(journal.state.flushed))
        except CorruptionError as error:
            damage.append(str(error))
        folders = []
        try:
            folders = [
                (path / "segments" / one.name, segment_file.MAGIC, one.header_checksum) for one in journal.segments()
            ]
        except CorruptionError as error:
            damage.append(str(error))
        if journal.state.quantizers:
            name, checksum = journal.state.quantizers
            folders.append((path / "quantizers" / name, quantizer_file.MAGIC, checksum))
        for folder, magic, checksum in folders:
            try:
                reader = FolderReader(folder, magic, checksum)
            except CollectionError as error:
                damage.append(str(error))
                continue
            sizes.append((folder / HEADER).stat().st_size)
            for file in reader.names():
                attempt(lambda reader=reader, file=file: reader.check(file))  # type: ignore[misc]
    if damage:
        more = f"\n... and {len(damage) - _SHOWN} more" if len(damage) > _SHOWN else ""
        raise CorruptionError("\n".join(damage[:_SHOWN]) + more)
    return Verification(len(sizes), sum(sizes), operations)


def _manifest(path: Path, journal: Journal) -> int:
    check_seal(path / MANIFEST)
    journal.check()
    journal.embeddings()
    journal.metadata()
    journal.columns()
    return (path / MANIFEST).stat().st_size
