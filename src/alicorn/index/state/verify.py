"""The verification of a collection: every byte is compared with its checksum."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.durability.archive import ArchiveReader
from alicorn.index.durability.journal import Journal
from alicorn.index.durability.mark import MARK
from alicorn.index.durability.seal import SEAL
from alicorn.index.durability.sqlite_file import MANIFEST
from alicorn.index.segment.files import quantizer_file, segment_file
from alicorn.index.segment.files.quantizer_file import quantizer_path
from alicorn.index.segment.files.segment_file import segment_path

_SHOWN = 20


@dataclass(frozen=True)
class Verification:
    """What was read and found intact. num_files, num_bytes: the manifest and its companions included; operations: of
    the journal."""

    num_files: int
    num_bytes: int
    operations: int


def verify(path: str | Path) -> Verification:
    """Verify a collection; it may be open for writing, or too damaged to open.

    Raises one CorruptionError that names all damage.
    """
    journal = Journal(Path(path), read_only=True)
    try:
        while True:
            try:
                return _verify(Path(path), journal)
            except CorruptionError:
                read = journal.state
                if journal.read_state().generation == read.generation:  # otherwise a writer has replaced files
                    raise
    finally:
        journal.close()


def _verify(path: Path, journal: Journal) -> Verification:
    """Verify the manifest and everything it names."""
    damage: list[str] = []
    sizes: list[int] = []

    @contextmanager
    def noted() -> Iterator[None]:
        try:
            yield
        except CollectionError as error:
            damage.append(str(error))

    operations = 0
    archives: list[tuple[Path, str, str]] = []
    with journal.reading():
        with noted():
            sizes += _manifest(path, journal)
        with noted():
            operations = sum(1 for _ in journal.operations(journal.state.flushed))
        with noted():
            archives += [(segment_path(path, one.name), segment_file.MAGIC, one.checksum) for one in journal.segments()]
        if journal.state.quantizers:
            name, checksum = journal.state.quantizers
            archives.append((quantizer_path(path, name), quantizer_file.MAGIC, checksum))
        for place, magic, checksum in archives:
            with noted():
                archive = ArchiveReader(place, magic, checksum)
                sizes.append(archive.size)
                for name in archive.names():
                    with noted():
                        archive.member(name)
    if damage:
        more = f"\n... and {len(damage) - _SHOWN} more" if len(damage) > _SHOWN else ""
        raise CorruptionError("\n".join(damage[:_SHOWN]) + more)
    return Verification(len(sizes), sum(sizes), operations)


def _manifest(path: Path, journal: Journal) -> list[int]:
    """The sizes of the manifest's files; their checksums were compared when it was opened."""
    journal.check()
    journal.embeddings()
    journal.metadata()
    journal.columns()
    return [(path / name).stat().st_size for name in (MANIFEST, SEAL, MARK)]
