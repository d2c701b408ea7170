"""Files of lines of JSON -> searches, shown and events, and back; larger than memory.

Lines are read and rows are written some ten thousand at a time. A line that cannot be read is an error that names its
file and number, and then nothing is there. DuckDB puts what was shown beside its search, within its memory.
"""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from ibis import _

from alicorn.errors import ConfigError, TableError
from alicorn.folders import UBI_FOLDER, check_place
from alicorn.logs.formats import metarank, ubi
from alicorn.logs.formats.rest import Record
from alicorn.logs.tables import MEMORY_LIMIT
from alicorn.logs.tables.checks import check_tables
from alicorn.logs.tables.contract import CONTRACT, Presence, checked_columns, given_columns
from alicorn.logs.tables.outcomes import ROW
from alicorn.logs.tables.reading import to_microseconds
from alicorn.tables import JsonError, PartFiles, open_parts, parse_json, row_batches
from alicorn.vertical.columns import read_as

LogFormat = Literal["ubi", "metarank"]

_ROWS = 20_000
_TIME = pa.timestamp("us")
_SEARCH_TEXTS = ("mode", "expression", "model", "ranker", "experiment", "arm", "attributes")
_SCHEMAS = {
    "searches": pa.schema(
        [(name, pa.string()) for name in ("search_id", "session_id", "searcher_id", "query", *_SEARCH_TEXTS)]
        + [("time", _TIME), ("snapshot", pa.int64()), ("total", pa.int64())]
    ),
    "shown": pa.schema([("search_id", pa.string()), ("doc_id", pa.string()), ("position", pa.int32())]),
    "events": pa.schema(
        [(name, pa.string()) for name in ("event_id", "search_id", "session_id", "searcher_id", "doc_id", "action")]
        + [("attributes", pa.string()), ("time", _TIME), ("value", pa.float64()), ("position", pa.int32())]
    ),
}


class _Reader(NamedTuple):
    is_read: Callable[[Record], bool]
    is_event: Callable[[Record], bool]
    search_of: Callable[[Record], tuple[ubi.Row, list[ubi.Row]]]
    event_of: Callable[[Record], ubi.Row]


_READERS = {
    "ubi": _Reader(lambda record: True, ubi.is_event, ubi.search_of, ubi.event_of),
    "metarank": _Reader(metarank.is_read, metarank.is_interaction, metarank.ranking_of, metarank.interaction_of),
}


def import_log(files: Sequence[Path], out: Path, log_format: LogFormat, *, overwrite: bool = False) -> dict[str, int]:
    """Write searches, shown and events of other systems' files into `out`. Returns rows by table, and what was passed.

    A search whose id an earlier line has is passed: it may be sent again, or its next page. Other tables of
    `out` stay. overwrite: replace these where they are there. Raises ConfigError where one is there otherwise, and
    TableError for the first line that cannot be read; then nothing is written.
    """
    old = [place for name in _SCHEMAS for place in (out / name, out / f"{name}.parquet") if place.exists()]
    if old and not overwrite:
        raise ConfigError(f"{old[0]} exists: choose another folder, or give --overwrite")
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter(dict.fromkeys(_SCHEMAS, 0))
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=out) as temporary:
        tables = _Tables(Path(temporary))
        try:
            for rows in _batches(_records(files), _READERS[log_format], counts):
                tables.write(rows)
        finally:
            tables.close()
        for place in old:
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        for name in tables.writers:
            (Path(temporary) / f"{name}.parquet").rename(out / f"{name}.parquet")
    return dict(counts)


def export_ubi(folder: Path, out: Path, memory_limit: str = MEMORY_LIMIT) -> dict[str, int]:
    """Write the searches, shown and events of a log as `ubi_queries.ndjson` and `ubi_events.ndjson` into a new folder.

    Further columns of searches, such as the context, are query_attributes; scores and features of hits have no place in
    UBI. Returns how many records were written. Raises TableError where a table breaks its contract; then nothing is
    written.
    """
    paths = {name: _path_of(folder, name) for name in _SCHEMAS}
    if paths["searches"] is None or paths["shown"] is None:
        raise TableError(f"{folder} has no searches and shown: UBI is written from the full log", table="searches")
    check_place(out, UBI_FOLDER)
    with tempfile.TemporaryDirectory(prefix="alicorn-logs-") as temporary:
        sources = {name: open_parts(path, name) for name, path in paths.items() if path is not None}
        copies = {name: _plain(source, Path(temporary)) for name, source in sources.items()}
        connection = ibis.duckdb.connect(memory_limit=memory_limit, temp_directory=temporary)
        tables = {}
        for name, path in copies.items():
            read = connection.read_parquet(path, table_name=f"log_{name}", file_row_number=True)
            tables[name] = read.rename({ROW: "file_row_number"})
        check_tables(tables, sources, copies)
        hits = tables["shown"].group_by("search_id")
        order = _.position
        pages = hits.aggregate(hits=_.doc_id.collect(order_by=order), positions=_.position.collect(order_by=order))
        searches = tables["searches"].drop(ROW)
        queries = searches.left_join(pages, "search_id").drop("search_id_right").order_by("time", "search_id")
        queries.to_parquet(with_hits := Path(temporary) / "queries.parquet")
        connection.disconnect()
        out.mkdir(parents=True, exist_ok=True)
        counts = {"queries": _write_lines(out / "ubi_queries.ndjson", map(_query, _rows(with_hits)))}
        if "events" in copies:
            counts["events"] = _write_lines(out / "ubi_events.ndjson", map(ubi.record_of, _rows(copies["events"])))
    return counts


class _Tables:
    """The tables that are written, each begun with its first row."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writers: dict[str, pq.ParquetWriter] = {}

    def write(self, rows: Mapping[str, list[ubi.Row]]) -> None:
        for name, some in rows.items():
            if some:
                if name not in self.writers:
                    self.writers[name] = pq.ParquetWriter(self.folder / f"{name}.parquet", _SCHEMAS[name])
                self.writers[name].write_table(pa.Table.from_pylist(some, _SCHEMAS[name]))

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


def _records(files: Sequence[Path]) -> Iterator[tuple[str, Record]]:
    """(where it is, record) of each line that is not empty."""
    for path in files:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                where = f"{path} line {number}"
                try:
                    record = parse_json(line)
                except JsonError as error:
                    raise TableError(f"{where}: {error}", table="events") from error
                if not isinstance(record, dict):
                    raise TableError(f"{where}: expected an object, got {str(record)[:60]!r}", table="events")
                yield where, record


def _batches(
    records: Iterable[tuple[str, Record]], reader: _Reader, counts: Counter[str]
) -> Iterator[dict[str, list[ubi.Row]]]:
    rows: dict[str, list[ubi.Row]] = {name: [] for name in _SCHEMAS}
    known: set[int] = set()  # hashes of search_ids
    for where, record in records:
        try:
            if not reader.is_read(record):
                counts[f"passed_{record['event']}"] += 1
            elif reader.is_event(record):
                rows["events"].append(reader.event_of(record))
            else:
                search, shown = reader.search_of(record)
                if (key := xxhash.xxh3_64_intdigest(search["search_id"].encode())) in known:
                    counts["passed_searches_repeated"] += 1
                    continue
                known.add(key)
                rows["searches"].append(search)
                rows["shown"] += shown
        except ValueError as error:
            raise TableError(f"{where}: {error}", table="events") from error
        if max(map(len, rows.values())) >= _ROWS:
            yield _counted(rows, counts)
            rows = {name: [] for name in _SCHEMAS}
    yield _counted(rows, counts)


def _counted(rows: dict[str, list[ubi.Row]], counts: Counter[str]) -> dict[str, list[ubi.Row]]:
    counts.update({name: len(some) for name, some in rows.items()})
    return rows


def _path_of(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.parquet", folder / name) if path.exists()), None)


def _plain(source: PartFiles, folder: Path) -> Path:
    """One plain file of a table that came in by the front door, times in UTC."""
    name, given = source.name, source.schema.names
    read = [column for column, use in CONTRACT[name].items() if use is not Presence.CHECKED]
    columns = [*given_columns(name, read, given), *checked_columns(name, given)]
    path, row, writer = folder / f"{name}.parquet", 0, None
    with source.located():
        for batch in source.batches():
            table = read_as(batch, columns, name, row)
            if "time" in given:
                table, _cut = to_microseconds(table, name, row)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            row += len(table)
    if writer is None:
        pq.write_table(read_as(source.schema.empty_table(), columns, name), path)
    else:
        writer.close()
    return path


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in row_batches(file, num_rows=_ROWS):
            yield from batch.to_pylist()


def _query(row: dict[str, Any]) -> Record:
    pairs = zip(row.pop("hits") or (), row.pop("positions") or (), strict=True)
    return ubi.query_of(row, [{"doc_id": doc_id, "position": position} for doc_id, position in pairs])


def _write_lines(path: Path, records: Iterable[Record]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count
