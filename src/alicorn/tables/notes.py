"""Notes: what a person should know about how a table was read. Log messages of the logger `alicorn.tables`."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pyarrow as pa

LOGGER = logging.getLogger("alicorn.tables")


def note(text: str) -> None:
    LOGGER.warning(text)


@contextmanager
def noted() -> Iterator[list[str]]:
    """The notes made in the block, in order."""
    kept = _Kept()
    LOGGER.addHandler(kept)
    try:
        yield kept.notes
    finally:
        LOGGER.removeHandler(kept)


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append(record.getMessage())


def note_bytes(schema: pa.Schema, names: Collection[str], table: str) -> None:
    """A note on every column of bytes, or of lists of bytes, among those named, which are read as text."""
    for field in schema:
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        if field.name in names and pa.types.is_binary(kind):
            note(f"table {table}: column '{field.name}' is {field.type}: its bytes are read as UTF-8")
