"""The log folder: `LOGS/<table>.parquet` or `LOGS/<table>/`, read into Ibis tables.

documents, impressions     always
searchers                  may be absent when the vertical takes nothing from it; with a column `time`, a searcher has a
                           row for each time that something changed, which holds from then on
activity, segments         may be absent

One search is one `search_id`; a search that showed nothing has one row with null `doc_id` and null
`position`; a null `searcher_id` in impressions is an anonymous searcher; `segments` (search_id, segment list<string>)
labels searches for reports. Times with a zone are taken to UTC; those without one are taken as UTC.

A row of impressions may have a `grade`, which says more than its click: how right the document is for the search, 0 for
not at all. Without a grade a click is 1 and no click 0. A `weight` says how much the row counts in training, 1 unless
given. With grades, `clicked` may be absent: whatever has a grade above 0 then counts as clicked.

Each table comes in by the front door (alicorn.tables), and is written once, plain, into a temporary folder. DuckDB
reads no file of the user's, so neither its patterns and partitions nor its types reach the logs.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis import _
from ibis.backends.duckdb import Backend

from alicorn.errors import AlicornError, TableError
from alicorn.logs.checks import ROW, check_tables
from alicorn.tables import PartFiles, note, open_parts
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column, ColumnType, check_types, note_bytes, read_as
from alicorn.vertical.requests import AS_OF

MEMORY_LIMIT = "4GB"  # of DuckDB; what does not fit goes to a temporary folder

_COLUMNS = {
    "impressions": [
        Column("search_id", ColumnType.STRING, "the search that the row belongs to"),
        Column("searcher_id", ColumnType.STRING, "who searched"),
        Column("time", ColumnType.TIME, "when"),
        Column("query", ColumnType.STRING, "the query text"),
        Column("doc_id", ColumnType.STRING, "the document shown"),
        Column("position", ColumnType.INTEGER, "its place in the answer, from 1"),
        Column("clicked", ColumnType.BOOLEAN, "whether it was chosen"),
        Column("grade", ColumnType.NUMBER, "how right it is for the search"),
        Column("weight", ColumnType.NUMBER, "how much the row counts in training"),
    ],
    "activity": [
        Column("searcher_id", ColumnType.STRING, "who acted"),
        Column("time", ColumnType.TIME, "when"),
        Column("doc_id", ColumnType.STRING, "on which document"),
        Column("kind", ColumnType.STRING, "visited, added, bought, ..."),
    ],
    "segments": [
        Column("search_id", ColumnType.STRING, "the search that is labelled"),
        Column("segment", ColumnType.STRINGS, "its labels"),
    ],
}
_OPTIONAL = ("grade", "weight")  # columns of impressions


@dataclass(frozen=True)
class Logs:
    """Checked log tables. `files`, `copies` and `counts` (rows) are by table name; an absent table is None.

    The Ibis tables hold the contract's columns and `__row`; grade and weight of impressions are float64, never null.
    copies: one plain Parquet file for each table, of documents and searchers with all their columns. filled: how many
    values were made up, by what was missing.
    """

    connection: Backend
    files: dict[str, tuple[Path, ...]]
    copies: dict[str, Path]
    counts: dict[str, int]
    documents: ibis.Table
    impressions: ibis.Table
    searchers: ibis.Table | None
    activity: ibis.Table | None
    segments: ibis.Table | None
    filled: dict[str, int]

    def keep(self, name: str, rows: ibis.Table | pa.Table) -> ibis.Table:
        """The rows of an expression or a table, computed once and kept under `name` while the logs are open."""
        return self.connection.create_table(name, rows, temp=True)


@contextmanager
def read_logs(folder: str | Path, vertical: Vertical, *, memory_limit: str = MEMORY_LIMIT) -> Iterator[Logs]:
    """Open and check the logs in `folder`; used as `with read_logs(...) as logs`. Raises TableError before any work.

    memory_limit: of DuckDB, such as "4GB".
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TableError(f"no log folder at {folder}: it holds documents and impressions", table="documents")
    needed = _needed_columns(vertical)
    sources = _sources(folder, vertical, needed)
    filled: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="alicorn-logs-") as temporary:
        copies = {}
        for name, source in sources.items():
            with source.located():
                copies[name] = _copy(source, needed[name], vertical, Path(temporary) / f"{name}.parquet")
        connection = ibis.duckdb.connect(memory_limit=memory_limit, temp_directory=temporary)
        try:
            tables = {name: _open(connection, name, path, needed[name]) for name, path in copies.items()}
            tables["impressions"] = _filled(tables["impressions"], filled)
            leave_out = vertical.unknown_documents == "leave_out"
            constant = [column.name for column in vertical.impression_columns()]
            counts = check_tables(tables, sources, copies, constant, unknown_documents=leave_out)
            if leave_out:
                _leave_out_unknown(connection, tables, filled)
            yield Logs(
                connection=connection,
                files={name: source.files for name, source in sources.items()},
                copies=copies,
                counts=counts,
                documents=tables["documents"],
                impressions=tables["impressions"],
                searchers=tables.get("searchers"),
                activity=tables.get("activity"),
                segments=tables.get("segments"),
                filled=filled,
            )
        except duckdb.Error as error:
            raise AlicornError(f"the logs in {folder} could not be read or joined: {error}") from error
        finally:
            connection.disconnect()


def _sources(folder: Path, vertical: Vertical, needed: dict[str, list[Column]]) -> dict[str, PartFiles]:
    """The tables that are there, with types that the contract admits."""
    paths = {name: path for name in needed if (path := _path_of(folder, name)) is not None}
    _refuse_absent(paths, folder, vertical)
    sources = {name: open_parts(path, name) for name, path in paths.items()}
    needed["impressions"] = _given_columns(needed["impressions"], sources["impressions"].schema.names)
    if "searchers" in sources and AS_OF in sources["searchers"].schema.names:
        needed["searchers"].append(Column(AS_OF, ColumnType.TIME, "rows of searchers that hold from a time on"))
    for name, source in sources.items():
        check_types(source.schema, needed[name], name)
    return sources


def _needed_columns(vertical: Vertical) -> dict[str, list[Column]]:
    searcher_id = Column("searcher_id", ColumnType.STRING, "every table of searchers")
    own = {column.name for column in _COLUMNS["impressions"]}
    further = [column for column in vertical.impression_columns() if column.name not in own]
    return {
        "documents": vertical.document_columns(),
        "searchers": [searcher_id, *vertical.logged_searcher_columns()],
        **_COLUMNS,
        "impressions": [*_COLUMNS["impressions"], *further],
    }


def _given_columns(columns: list[Column], given: Sequence[str]) -> list[Column]:
    """Of impressions: without the optional ones that are not given, and without `clicked` where grades stand for it."""
    optional = (*_OPTIONAL, "clicked") if "grade" in given else _OPTIONAL
    return [column for column in columns if column.name in given or column.name not in optional]


def _filled(impressions: ibis.Table, filled: dict[str, int]) -> ibis.Table:
    """Impressions with clicked, grade and weight in every row. Adds to `filled` how many of them were not there."""
    for name in _OPTIONAL:
        if name in impressions.columns:
            missing = (impressions[name].isnull() & impressions.doc_id.notnull()).sum()
            if count := impressions.aggregate(missing=missing).to_pyarrow()["missing"][0].as_py():
                filled[f"impressions_without_{name}"] = count
    graded = "grade" in impressions.columns
    grade = impressions.grade.cast("float64") if graded else ibis.null("float64")
    if "clicked" not in impressions.columns:
        impressions = impressions.mutate(clicked=grade.fill_null(0.0) > 0)
    weight = impressions.weight.cast("float64").fill_null(1.0) if "weight" in impressions.columns else ibis.literal(1.0)
    return impressions.mutate(grade=ibis.coalesce(grade, impressions.clicked.cast("float64")), weight=weight)


def _leave_out_unknown(connection: Backend, tables: dict[str, ibis.Table], left_out: dict[str, int]) -> None:
    """Rows of documents that the table of documents lacks. Activity loses them. Impressions lose the document only, so
    that a search whose click is left out does not become one without a click."""
    documents = tables["documents"]
    for name in ("impressions", "activity"):
        if name not in tables:
            continue
        table = tables[name]
        unknown = table.filter(table.doc_id.notnull()).anti_join(documents, "doc_id")
        found = unknown.aggregate(rows=_.count(), documents=_.doc_id.nunique()).to_pyarrow().to_pylist()[0]
        if not found["rows"]:
            continue
        left_out[f"{name}_of_unknown_documents"] = found["rows"]
        note(
            f"table {name}: {found['rows']} rows are left out: their {found['documents']} documents are not in table "
            "documents (unknown_documents: leave_out)"
        )
        known = table.doc_id.isin(documents.doc_id)
        kept = (
            table.filter(known) if name == "activity" else table.mutate(doc_id=known.ifelse(table.doc_id, ibis.null()))
        )
        tables[name] = connection.create_table(f"known_{name}", kept, temp=True)


def _path_of(folder: Path, name: str) -> Path | None:
    """The file or folder of a table; None when it is absent."""
    single, parts = folder / f"{name}.parquet", folder / name
    if single.exists() and parts.exists():
        raise TableError(f"table {name}: both {single} and {parts} exist: remove one", table=name)
    return parts if parts.is_dir() else single if single.exists() else None


def _refuse_absent(paths: dict[str, Path], folder: Path, vertical: Vertical) -> None:
    for name in ("documents", "impressions"):
        if name not in paths:
            raise TableError(f"table {name} is missing: neither {name}.parquet nor {name}/ in {folder}", table=name)
    if "searchers" not in paths and (columns := vertical.logged_searcher_columns()):
        raise TableError(
            f"table searchers is missing in {folder}, but {columns[0].why} asks for its column '{columns[0].name}': "
            "write the table, or take the feature out of the vertical",
            table="searchers",
            column=columns[0].name,
        )


def _copy(source: PartFiles, columns: Sequence[Column], vertical: Vertical, path: Path) -> Path:
    """Write a table as one plain file: all columns of documents and searchers, whose values are checked, and of the
    other tables those of the contract."""
    checks = {
        "documents": vertical.check_documents,
        "searchers": vertical.check_logged_searchers,
        "impressions": vertical.check_context,
    }
    check = checks.get(source.name)
    whole = source.name in ("documents", "searchers")
    wanted = None if whole else list(dict.fromkeys(column.name for column in columns))
    timed = not whole or AS_OF in (column.name for column in columns)
    note_bytes(source.schema, columns, source.name)
    row = cut = 0
    writer = None
    try:
        for batch in source.batches(wanted):
            table = read_as(batch, columns, source.name, row)
            if check is not None:
                check(table, row)
            if timed and "time" in table.column_names:
                table, num_cut = _to_microseconds(table, source.name, row)
                cut += num_cut
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            row += len(table)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        pq.write_table(read_as(source.schema.empty_table(), columns, source.name), path)
    if cut:
        note(f"table {source.name}: {cut} times are finer than a microsecond: read to the microsecond")
    return path


def _to_microseconds(table: pa.Table, name: str, first_row: int) -> tuple[pa.Table, int]:
    """Times without a zone, in UTC, to the microsecond before or at them; and how many were cut so."""
    at = table.schema.get_field_index("time")
    times = table["time"].cast(pa.timestamp(table["time"].type.unit))
    whole = times
    if times.type.unit == "ns":
        whole = pc.floor_temporal(times, unit="microsecond")
    cut = pc.sum(pc.not_equal(whole, times)).as_py() or 0
    return table.set_column(at, "time", whole.cast(pa.timestamp("us"))), cut


def _open(connection: Backend, name: str, path: Path, columns: Sequence[Column]) -> ibis.Table:
    """The contract's columns of a table and the number of each row."""
    literal = "".join(f"[{letter}]" if letter in "[*?" else letter for letter in str(path))  # DuckDB reads patterns
    table = connection.read_parquet(literal, table_name=name, file_row_number=True, hive_partitioning=False)
    keys = {"documents": ("doc_id",), "searchers": ("searcher_id", AS_OF)}
    kept = dict.fromkeys(c.name for c in columns if c.name in keys.get(name, (c.name,)))
    return table.select(*kept, table.file_row_number.name(ROW))
