"""The log folder: `LOGS/<table>.parquet` or `LOGS/<table>/*.parquet`, read into Ibis tables.

documents, impressions     always
searchers                  may be absent when the vertical takes nothing from it
activity, segments         may be absent

Beside DESIGN 2.1: one search is one `session_id`; a search that showed nothing has one row with null `doc_id` and null
`position`; a null `searcher_id` in impressions is an anonymous searcher; `segments` (session_id, segment list<string>)
labels searches for reports. Times with a zone are taken to UTC; those without one are taken as UTC.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from alicorn.errors import AlicornError, TableError
from alicorn.logs.checks import ROW, check_tables
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column, ColumnType, check_types

_FILE = "__file"
MEMORY_LIMIT = "4GB"  # of DuckDB; what does not fit goes to a temporary folder

_COLUMNS = {
    "impressions": [
        Column("session_id", ColumnType.STRING, "the search that the row belongs to"),
        Column("searcher_id", ColumnType.STRING, "who searched"),
        Column("time", ColumnType.TIME, "when"),
        Column("query", ColumnType.STRING, "the query text"),
        Column("doc_id", ColumnType.STRING, "the document shown"),
        Column("position", ColumnType.INTEGER, "its place in the answer, from 1"),
        Column("clicked", ColumnType.BOOLEAN, "whether it was chosen"),
    ],
    "activity": [
        Column("searcher_id", ColumnType.STRING, "who acted"),
        Column("time", ColumnType.TIME, "when"),
        Column("doc_id", ColumnType.STRING, "on which document"),
        Column("kind", ColumnType.STRING, "visited, added, bought, ..."),
    ],
    "segments": [
        Column("session_id", ColumnType.STRING, "the search that is labelled"),
        Column("segment", ColumnType.STRINGS, "its labels"),
    ],
}


@dataclass(frozen=True)
class Logs:
    """Checked log tables. `files` and `counts` (rows) are by table name; an absent table is None.

    The Ibis tables hold the contract's columns and `__row`; features of documents and searchers stay in the files.
    """

    connection: Backend
    files: dict[str, tuple[Path, ...]]
    counts: dict[str, int]
    documents: ibis.Table
    impressions: ibis.Table
    searchers: ibis.Table | None
    activity: ibis.Table | None
    segments: ibis.Table | None

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
    files = {name: _files_of(folder, name) for name in needed}
    _refuse_absent(files, folder, vertical)
    for name, columns in needed.items():
        _check_schemas(name, files[name], columns)
    with tempfile.TemporaryDirectory(prefix="alicorn-logs-") as temporary:
        connection = ibis.duckdb.connect(memory_limit=memory_limit, temp_directory=temporary)
        try:
            tables = {name: _open(connection, name, files[name], needed[name]) for name in needed if files[name]}
            counts = check_tables(tables, files, vertical)
            yield Logs(
                connection=connection,
                files=files,
                counts=counts,
                documents=tables["documents"],
                impressions=tables["impressions"],
                searchers=tables.get("searchers"),
                activity=tables.get("activity"),
                segments=tables.get("segments"),
            )
        except duckdb.Error as error:
            raise AlicornError(f"the logs in {folder} could not be read or joined: {error}") from error
        finally:
            connection.disconnect()


def _needed_columns(vertical: Vertical) -> dict[str, list[Column]]:
    searcher_id = Column("searcher_id", ColumnType.STRING, "every table of searchers")
    return {
        "documents": vertical.document_columns(),
        "searchers": [searcher_id, *vertical.logged_searcher_columns()],
        **_COLUMNS,
    }


def _files_of(folder: Path, name: str) -> tuple[Path, ...]:
    """The part files of a table in the order of their names; none when it is absent."""
    single, parts = folder / f"{name}.parquet", folder / name
    if single.exists() and parts.exists():
        raise TableError(f"table {name}: both {single} and {parts} exist: remove one", table=name)
    if parts.is_dir():
        found = tuple(sorted(parts.glob("*.parquet")))
        if not found:
            raise TableError(f"table {name}: the folder {parts} holds no *.parquet file", table=name)
        return found
    return (single,) if single.exists() else ()


def _refuse_absent(files: dict[str, tuple[Path, ...]], folder: Path, vertical: Vertical) -> None:
    for name in ("documents", "impressions"):
        if not files[name]:
            raise TableError(f"table {name} is missing: neither {name}.parquet nor {name}/ in {folder}", table=name)
    if not files["searchers"] and (columns := vertical.logged_searcher_columns()):
        raise TableError(
            f"table searchers is missing in {folder}, but {columns[0].why} asks for its column '{columns[0].name}': "
            "write the table, or take the feature out of the vertical",
            table="searchers",
            column=columns[0].name,
        )


def _check_schemas(name: str, files: Sequence[Path], columns: Sequence[Column]) -> None:
    for file in files:
        try:
            schema = pq.read_schema(file)
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"table {name}: {file} is no readable Parquet file: {error}", table=name) from error
        check_types(schema, columns, name if len(files) == 1 else f"{name} ({file.name})")


def _open(connection: Backend, name: str, files: Sequence[Path], columns: Sequence[Column]) -> ibis.Table:
    """The contract's columns of a table and the number of each row."""
    table = connection.read_parquet(
        [str(file) for file in files], table_name=name, filename=_FILE, file_row_number=True, union_by_name=True
    )
    starts, total = [], 0
    for file in files:
        starts.append((str(file), total))
        total += pq.read_metadata(file).num_rows
    row = table.file_row_number
    if len(files) > 1:
        row = table[_FILE].cases(*starts) + row
    kept = ["doc_id"] if name == "documents" else ["searcher_id"] if name == "searchers" else [c.name for c in columns]
    table = table.select(*kept, row.name(ROW))
    return table.mutate(time=table.time.cast("timestamp(6)")) if "time" in kept else table
