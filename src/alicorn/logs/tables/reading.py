"""The log folder: `LOGS/<table>.parquet`, `LOGS/<table>.csv` or `LOGS/<table>/`, read into Ibis tables.

Each table comes in by the front door (alicorn.tables), and is written once, plain, into a temporary folder. DuckDB
reads no file of the user's, so neither its patterns and partitions nor its types reach the logs.
"""

import datetime
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis import _
from ibis.backends.duckdb import Backend

from alicorn.errors import AlicornError, TableError
from alicorn.logs.tables.checks import check_tables
from alicorn.logs.tables.contract import FILLED, TABLES, checked_columns, given_columns, needed_columns, refuse_absent
from alicorn.logs.tables.outcomes import OF_SHOWN, ROW, joined
from alicorn.tables import PartFiles, note, open_parts
from alicorn.tables.csv_files import ENDINGS
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column, check_types, known_types, note_bytes, read_as
from alicorn.vertical.requests import AS_OF

MEMORY_LIMIT = "1GB"  # of DuckDB; what does not fit goes to a temporary folder


@dataclass(frozen=True)
class Logs:
    """Checked log tables. `files`, `copies` and `counts` (rows) are by table name; an absent table is None.

    The Ibis tables have the columns of the contract; grade and weight of impressions are float64, never null, and
    `seen`, `rank` and `probability` are null where nobody knows. Searches, shown and events are joined into impressions
    and activity.
    copies: one plain Parquet file for each table, of documents and searchers with all their columns. filled: how many
    values were made up or are odd, by what was missing or is wrong.
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
def read_logs(
    folder: str | Path,
    vertical: Vertical,
    *,
    memory_limit: str = MEMORY_LIMIT,
    now: datetime.datetime | None = None,
) -> Iterator[Logs]:
    """Open and check the logs in `folder`; used as `with read_logs(...) as logs`. Raises TableError before any work.

    memory_limit: of DuckDB, such as "4GB". now: UTC without a zone, the clock's unless given; later events are noted.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TableError(f"no log folder at {folder}: it holds documents and impressions", table="documents")
    sources, needed = _sources(folder, vertical)
    filled: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="alicorn-logs-") as temporary:
        copies = {}
        for name, source in sources.items():
            with source.located():
                copies[name] = _copy(source, needed[name], vertical, Path(temporary) / f"{name}.parquet")
        connection = ibis.duckdb.connect(memory_limit=memory_limit, temp_directory=temporary)
        try:
            tables = {name: _open(connection, name, path, needed[name]) for name, path in copies.items()}
            if "impressions" in tables:
                tables["impressions"] = _filled(tables["impressions"], filled)
            leave_out = vertical.unknown_documents == "leave_out"
            constant = [column.name for column in vertical.impression_columns()]
            counts = check_tables(tables, sources, copies, constant, unknown_documents=leave_out)
            if "searches" in tables:
                _join(connection, tables, filled, vertical, now)
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


def _sources(folder: Path, vertical: Vertical) -> tuple[dict[str, PartFiles], dict[str, list[Column]]]:
    """The tables that are there, with types that the contract admits; and the columns that are read of each."""
    paths = {name: path for name in TABLES if (path := _path_of(folder, name)) is not None}
    refuse_absent(paths, folder, vertical)
    asked = needed_columns(vertical, is_full="searches" in paths)
    sources = {name: open_parts(path, name, known_types(asked[name])) for name, path in paths.items()}
    needed = {name: given_columns(name, asked[name], of.schema.names) for name, of in sources.items()}
    for name, source in sources.items():
        check_types(source.schema, [*needed[name], *checked_columns(name, source.schema.names)], name)
    return sources, needed


def _join(
    connection: Backend,
    tables: dict[str, ibis.Table],
    filled: dict[str, int],
    vertical: Vertical,
    now: datetime.datetime | None,
) -> None:
    """Impressions and activity instead of searches, shown and events. Adds to `filled` what is odd."""
    found = joined(
        connection, tables, vertical.actions, now or datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    )
    filled |= found.counts
    tables["impressions"] = found.impressions
    if found.activity is not None:
        tables["activity"] = found.activity


def _filled(impressions: ibis.Table, filled: dict[str, int]) -> ibis.Table:
    """Impressions with all columns of the contract. Adds to `filled` how many of them were not there."""
    for name in FILLED:
        if name in impressions.columns:
            missing = (impressions[name].isnull() & impressions.doc_id.notnull()).sum()
            if count := impressions.aggregate(missing=missing).to_pyarrow()["missing"][0].as_py():
                filled[f"impressions_without_{name}"] = count
    shown = impressions.doc_id.notnull()
    grade = impressions.grade.cast("float64") if "grade" in impressions.columns else ibis.null("float64")
    clicked = grade.fill_null(0.0) > 0 if "grade" in impressions.columns else shown
    absent = {
        "clicked": clicked,
        "position": shown.ifelse(1, ibis.null("int64")),
        "searcher_id": ibis.null("string"),
        "weight": ibis.literal(1.0),
    }
    given = {name: one for name, one in absent.items() if name not in impressions.columns}
    impressions = impressions.mutate(**given)
    grade = ibis.coalesce(grade, impressions.clicked.cast("float64"))
    weight = impressions.weight.cast("float64").fill_null(1.0)
    unknown = {name: ibis.null(kind) for name, kind in OF_SHOWN.items()}
    return impressions.mutate(grade=grade, weight=weight, **unknown)


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
    files = [file for ending in (".parquet", *ENDINGS) if (file := folder / f"{name}{ending}").exists()]
    found = [*files, *([folder / name] if (folder / name).is_dir() else [])]
    if len(found) > 1:
        raise TableError(f"table {name}: both {found[0]} and {found[1]} exist: remove one", table=name)
    return found[0] if found else None


def _copy(source: PartFiles, columns: Sequence[Column], vertical: Vertical, path: Path) -> Path:
    """Write a table as one plain file: all columns of documents and searchers, whose values are checked, and of the
    other tables those of the contract."""
    checks: dict[str, Callable[[pa.Table, int], pa.Table]] = {
        "documents": vertical.check_documents,
        "searchers": vertical.check_logged_searchers,
        "impressions": vertical.check_context,
        "searches": partial(vertical.check_context, name="searches"),
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
                table, num_cut = to_microseconds(table, source.name, row)
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


def to_microseconds(table: pa.Table, name: str, first_row: int) -> tuple[pa.Table, int]:
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
    table = connection.read_parquet(literal, table_name=f"log_{name}", file_row_number=True, hive_partitioning=False)
    keys = {"documents": ("doc_id",), "searchers": ("searcher_id", AS_OF)}
    kept = dict.fromkeys(c.name for c in columns if c.name in keys.get(name, (c.name,)))
    return table.select(*kept, table.file_row_number.name(ROW))
