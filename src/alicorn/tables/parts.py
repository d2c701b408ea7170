"""A table on disk: one Parquet or CSV file, or a folder of part files that are one table.

files      every *.parquet file below the folder, and every other file whose content begins as Parquet does, in the
           order of their paths; where there is none, every *.csv and *.tsv file (csv_files.py). Names that begin with
           `.` or `_` are passed over, as by Spark and Arrow
names      of files and folders are names: no pattern, no partition; a note says that `country=US/` is no column
columns    by name, in the order of the first file that has them; missing in a file is null there
types      plain (plain.py), unified (unify.py): a note says what differs; what does not go together is refused
rows       none is left out; a file without rows is one of them, a table without rows is the reader's to refuse
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.errors import TableError, cause
from alicorn.tables.csv_files import ENDINGS, is_csv, read_csv
from alicorn.tables.notes import note
from alicorn.tables.plain import plain_column, plain_schema, tried
from alicorn.tables.row_groups import BATCH_ROWS, row_batches
from alicorn.tables.times_96 import exact_times, refuse_finer, times_in_96_bits
from alicorn.tables.unify import fitted, widened

_MAGIC = b"PAR1"


@dataclass(frozen=True)
class RowGroup:
    """Rows of a table that are read without the others: a row group of a Parquet file, or a whole file (`group` None).

    file: place in `PartFiles.files`; first_row: in the table.
    """

    file: int
    group: int | None
    first_row: int
    num_rows: int


@dataclass(frozen=True)
class PartFiles:
    """The files of a table. name: of the table in messages; schema: plain, of all files; counts: rows of each file;
    metadata: that of the first file's schema; tables: what CSV files hold, which is read when they are opened."""

    name: str
    files: tuple[Path, ...]
    schema: pa.Schema
    counts: tuple[int, ...]
    metadata: Mapping[bytes, bytes]
    tables: Mapping[Path, pa.Table]

    @property
    def num_rows(self) -> int:
        return sum(self.counts)

    def batches(self, columns: Iterable[str] | None = None, num_rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """The rows in order, at most `num_rows` at a time, checked and in the types of `schema`.

        columns: of these; all unless given. Raises TableError that names table, file, column and first bad row.
        """
        wanted = self.schema.names if columns is None else [name for name in self.schema.names if name in set(columns)]
        schema = pa.schema([self.schema.field(name) for name in wanted])
        first_row = 0
        for file, count in zip(self.files, self.counts, strict=True):
            row = first_row
            with self.located():
                for table in self._read(file, wanted, num_rows, first_row):
                    yield _fitted(table, schema, self.name, row)
                    row += len(table)
            first_row += count

    def row_groups(self) -> list[RowGroup]:
        """What can be read by itself: all rows of the table, in order, without groups that have none."""
        groups: list[RowGroup] = []
        first_row = 0
        for at, (file, count) in enumerate(zip(self.files, self.counts, strict=True)):
            sizes: dict[int | None, int] = {None: count}
            if file not in self.tables:
                with _reading(self.name, file), _opened(file) as opened:
                    footer = opened.metadata
                    sizes = {group: footer.row_group(group).num_rows for group in range(footer.num_row_groups)}
            for group, size in sizes.items():
                if size:
                    groups.append(RowGroup(at, group, first_row, size))
                first_row += size
        return groups

    def batches_of(self, rows: RowGroup, num_rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """`batches` of one row group."""
        row = rows.first_row
        with self.located():
            for table in self._read(self.files[rows.file], self.schema.names, num_rows, row, rows.group):
                yield _fitted(table, self.schema, self.name, row)
                row += len(table)

    def read(self, columns: Iterable[str] | None = None) -> pa.Table:
        """All rows as one table. Raises TableError as `batches` does."""
        chosen = None if columns is None else list(columns)
        wanted = [name for name in self.schema.names if chosen is None or name in chosen]
        schema = pa.schema([self.schema.field(name) for name in wanted])
        return pa.concat_tables([schema.empty_table(), *self.batches(wanted)])

    @contextmanager
    def located(self, first_row: int = 0) -> Iterator[None]:
        """A TableError about a row says where in the table, and in which file of several, it is.

        first_row: where the rows begin that are looked at: what the row of the error counts from.
        """
        try:
            yield
        except TableError as error:
            if error.row is None or _PLACE in str(error):
                raise
            row = first_row + error.row
            file, within = self._place(row)
            message = f"{error}{_PLACE}{within} of {file}"
            raise TableError(message, table=error.table, column=error.column, row=row, count=error.count) from error

    def _place(self, row: int) -> tuple[Path, int]:
        for file, count in zip(self.files, self.counts, strict=True):
            if row < count:
                return file, row
            row -= count
        return self.files[-1], row

    def _read(
        self, file: Path, columns: Sequence[str], num_rows: int, first_row: int, group: int | None = None
    ) -> Iterator[pa.Table]:
        if file in self.tables:
            table = self.tables[file].select([name for name in columns if name in self.tables[file].column_names])
            yield from (table.slice(row, num_rows) for row in range(0, len(table), num_rows))
            return
        with _reading(self.name, file), _opened(file) as opened:
            own = opened.schema_arrow
            present = [name for name in columns if name in own.names]
            row = first_row
            groups = None if group is None else [group]
            in_96_bits = times_in_96_bits(opened, present)
            finer = exact_times(file, in_96_bits, num_rows, groups) if in_96_bits else repeat(None)
            for batch, exact in zip(row_batches(opened, present, num_rows, groups), finer, strict=False):
                # Arrow reads `a.b` where `a` is asked for; and a batch without columns has no number of rows.
                table = pa.Table.from_batches([batch]).select(present)
                if exact is not None:
                    refuse_finer(table, exact, self.name, row)
                yield table
                row += len(table)


_PLACE = "; that is row "


def open_parts(path: str | Path, name: str, known: Mapping[str, pa.DataType] | None = None) -> PartFiles:
    """The table in a Parquet or CSV file, or in the part files of a folder. name: of the table in messages.

    known: types that columns have to have, by which CSV is read; Parquet says itself what its columns are.
    Of Parquet only footers are read, of CSV everything. Notes say which types were widened, which columns are missing
    somewhere, what was passed over and which names are no columns. Raises TableError for a path without a file, a file
    that is neither, and types that do not go together.
    """
    path = Path(path)
    files = _files_of(path, name) if path.is_dir() else (path,)
    if all(is_csv(file) for file in files):
        tables = read_csv(files, name, known or {})
        schema = _unified(files, [table.schema for table in tables], name)
        return PartFiles(name, files, schema, tuple(map(len, tables)), {}, dict(zip(files, tables, strict=True)))
    schemas, counts = [], []
    metadata: dict[bytes, bytes] = {}
    for file in files:
        with _reading(name, file), _opened(file) as opened:
            metadata = metadata or dict(opened.schema_arrow.metadata or {})
            schemas.append(plain_schema(opened.schema_arrow, name if len(files) == 1 else f"{name} ({file.name})"))
            counts.append(opened.metadata.num_rows)
    return PartFiles(name, files, _unified(files, schemas, name), tuple(counts), metadata, {})


def read_table(path: str | Path, name: str, columns: Iterable[str] | None = None) -> pa.Table:
    """All rows of `open_parts`."""
    return open_parts(path, name).read(columns)


def _files_of(folder: Path, name: str) -> tuple[Path, ...]:
    files = list(_walk(folder, {folder.resolve()}))
    found = [file for file in files if _is_part(file)] or [file for file in files if is_csv(file)]
    if not found:
        message = (
            f"table {name}: the folder {folder} holds no *.parquet file and no *{' or *'.join(ENDINGS)} file"
            " (names that begin with . or _ do not count)"
        )
        raise TableError(message, table=name)
    if passed := [str(file) for file in files if file not in set(found)]:
        kind = "CSV" if is_csv(found[0]) else "Parquet"
        more = "" if len(passed) <= 3 else f" and {len(passed) - 3} more"
        note(f"table {name}: passed over, as no {kind}: {', '.join(passed[:3])}{more}")
    partitions = [part for file in found for part in file.relative_to(folder).parts[:-1] if "=" in part]
    if partitions:
        note(f"table {name}: the folder name '{partitions[0]}' is a name: no column is made of it")
    return tuple(found)


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """The files below a folder, by path. Links are followed; a folder that was seen before is not entered again."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if not entry.is_dir():
            yield entry
        elif (real := entry.resolve()) not in seen:
            seen.add(real)
            yield from _walk(entry, seen)


def _is_part(file: Path) -> bool:
    if file.suffix.lower() == ".parquet":
        return True
    try:
        with file.open("rb") as opened:
            return opened.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _unified(files: Sequence[Path], schemas: Sequence[pa.Schema], name: str) -> pa.Schema:
    kinds: dict[str, pa.DataType] = {}
    first: dict[str, tuple[Path, pa.DataType]] = {}  # where a type other than null was seen first
    for file, schema in zip(files, schemas, strict=True):
        for field in schema:
            known = kinds.setdefault(field.name, field.type)
            both = widened(known, field.type)
            if both is None:
                where, kind = first[field.name]
                message = (
                    f"table {name}: column '{field.name}' is {kind} in {where} and {field.type} in {file}: "
                    "cast one of them, so that all part files have one type"
                )
                raise TableError(message, table=name, column=field.name)
            kinds[field.name] = both
            if not pa.types.is_null(field.type):
                first.setdefault(field.name, (file, field.type))
    for column, (where, kind) in first.items():
        if kinds[column] != kind:
            note(f"table {name}: column '{column}' is {kind} in {where.name}, and read as {kinds[column]}")
    for column in kinds:
        without = sum(column not in schema.names for schema in schemas)
        if without:
            note(f"table {name}: column '{column}' is missing in {without} of {len(files)} files: null there")
    return pa.schema(list(kinds.items()))


def _fitted(table: pa.Table, schema: pa.Schema, name: str, first_row: int) -> pa.Table:
    """A table as it was read, checked and in the types of `schema`."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(len(table), field.type)], field.type))
            continue
        plain = plain_column(table.column(field.name), name, field.name, first_row)
        if plain.type == field.type:
            columns.append(plain)
            continue
        row, chunks = first_row, []
        for chunk in plain.chunks:
            chunks.append(tried(chunk, lambda array: fitted(array, field.type), field.type, name, field.name, row))  # noqa: B023
            row += len(chunk)
        columns.append(pa.chunked_array(chunks, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    """Times of 96 bits are read as microseconds (times_96.py)."""
    with pq.ParquetFile(file, coerce_int96_timestamp_unit="us") as opened:
        yield opened


@contextmanager
def _reading(name: str, file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        hint = "" if isinstance(error, OSError) else f" (CSV is read from files that end in {' or '.join(ENDINGS)})"
        raise TableError(f"table {name}: {file} cannot be read as Parquet: {cause(error)}{hint}", table=name) from error
