"""An export as a log folder: the contract's names of tables and columns, values as they are.

Ids are text, numbers above 0 are clicks, seconds or milliseconds since 1970 are times, `Drama|Comedy` is a list. What
the contract needs and the export lacks is made, and said: a search_id of searcher or session, query and minute; a time
where judgements have none.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.drafting.own_tables import ROLES, OwnTable
from alicorn.errors import TableError
from alicorn.tables import PartFiles, open_parts

_TEXTS = ("doc_id", "searcher_id", "search_id", "session_id", "query", "action", "kind", "event_id")
_NEEDED = {"documents": ("doc_id",), "impressions": ("search_id", "time", "query", "doc_id")}
_SEPARATORS = ("|", ";")
_OFTEN = 0.2  # of the cells of a list have several elements
_SHORT = 8  # words of an element at most, on average
_AGAIN = 1.2  # cells in which an element is, at least, on average
_EPOCH = pa.scalar(0, pa.timestamp("us"))
_MILLISECONDS = 100_000_000_000  # as seconds this is the year 5138


def fits(tables: Mapping[str, OwnTable]) -> bool:
    """Whether the tables are a log folder already."""
    return "judged" not in tables and all(_fits(table) and not _separators(table) for table in tables.values())


def _fits(table: OwnTable) -> bool:
    types = {field.name: field.type for field in table.source.schema}
    is_named = table.path.stem == table.name and all(role == own for role, own in table.columns.items())
    if not is_named or not set(_NEEDED.get(table.name, ())) <= types.keys():
        return False
    of_text = _TEXTS if not table.source.tables else ()  # the ids of CSV are read as text
    return not any(pa.types.is_integer(types[role]) for role in table.columns if role in (*of_text, "time"))


def write_log(tables: Mapping[str, OwnTable], out: Path) -> list[str]:
    """Write the tables as Parquet files into the empty folder `out`. Returns what was renamed and made."""
    said = [_renamed(table) for table in tables.values()]
    rows = {name: _named(table) for name, table in tables.items()}
    if "judged" in tables:
        said.append("they are joined by search_id into the table impressions")
        rows["impressions"] = iter([_joined(rows.pop("searches"), rows.pop("judged"))])
    if "impressions" in rows:
        first = next(rows["impressions"])
        said += _made(first)
        rows["impressions"] = _completed(first, rows["impressions"])
    for name, batches in rows.items():
        _write(batches, out / f"{name}.parquet")
    return said


def _renamed(table: OwnTable) -> str:
    names = [f"{own} is {role}" for role, own in table.columns.items() if own != role]
    names += [f"{own} is split into lists at {separator}" for own, separator in _separators(table).items()]
    listed = f": {', '.join(names)}" if names else ""
    if table.name == "judged":
        return f"{table.path.name} says what was chosen{listed}"
    return f"{table.path.name} is the table {table.name}{listed}"


def _named(table: OwnTable) -> Iterator[pa.Table]:
    """The rows under the contract's names, in its types. Further columns keep their names; one that is
    called as a column of the contract, and is another, is left out."""
    of = {own: role for role, own in table.columns.items()}
    source = _as_text(table)
    kept = [name for name in source.schema.names if name in of or name not in ROLES[table.name]]
    separators = _separators(table)
    for batch in source.batches(kept):
        for own, separator in separators.items():
            batch = batch.set_column(batch.column_names.index(own), own, _split(batch[own], separator))
        yield _typed(batch.rename_columns([of.get(name, name) for name in kept]), ROLES[table.name])


def _separators(table: OwnTable) -> dict[str, str]:
    """Columns of documents whose texts are lists -> what separates the elements."""
    if table.name != "documents":
        return {}
    texts = [name for name in table.head.column_names if pa.types.is_string(table.head[name].type)]
    found = {name: _separator(table.head[name]) for name in texts if name not in table.columns.values()}
    return {name: separator for name, separator in found.items() if separator is not None}


def _separator(column: pa.ChunkedArray) -> str | None:
    """What is in many cells, between elements that are short and come again in other cells."""
    values = column.drop_null()
    for separator in _SEPARATORS:
        if (pc.mean(pc.match_substring(values, separator)).as_py() or 0.0) < _OFTEN:
            continue
        elements = pc.list_flatten(_split(values, separator)).drop_null()
        words = pc.mean(pc.count_substring_regex(elements, r"\S+")).as_py() or 0.0
        if words <= _SHORT and len(elements) >= _AGAIN * pc.count_distinct(elements).as_py():
            return separator
    return None


def _split(column: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """list<string>, null where nothing is between separators."""
    trimmed = pc.utf8_trim(column, characters=f" {separator}")
    filled = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    return pc.split_pattern_regex(filled, rf"\s*\{separator}[\s\{separator}]*")


def _as_text(table: OwnTable) -> PartFiles:
    """The table; of CSV read again where an id or a query was no text, as 007 and 1984 are text there."""
    known = {own: pa.string() for role, own in table.columns.items() if role in _TEXTS}
    is_text = all(pa.types.is_string(table.source.schema.field(own).type) for own in known)
    return table.source if is_text or not table.source.tables else open_parts(table.path, table.path.stem, known)


def _typed(rows: pa.Table, contract: Iterable[str]) -> pa.Table:
    for at, name in enumerate(rows.column_names):
        column = rows[name]
        if name in contract and name in _TEXTS:
            rows = rows.set_column(at, name, column.cast(pa.string()))
        elif name == "time" and pa.types.is_integer(column.type):
            rows = rows.set_column(at, name, _time(column))
        elif name == "clicked" and pa.types.is_integer(column.type):
            rows = rows.set_column(at, name, pc.greater(pc.fill_null(column, 0), 0))
    return rows


def _time(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Of seconds or milliseconds since 1970."""
    is_seconds = (pc.max(column).as_py() or 0) < _MILLISECONDS
    return pc.multiply(column.cast(pa.int64()), 1_000_000 if is_seconds else 1_000).cast(pa.timestamp("us"))


def _joined(searches: Iterator[pa.Table], judged: Iterator[pa.Table]) -> pa.Table:
    """A row for each judgement, with the columns of its search."""
    asked, judgements = pa.concat_tables(searches), pa.concat_tables(judged)
    if "search_id" not in asked.column_names:
        raise TableError("table searches: no column is the id of a search: call it search_id", table="searches")
    twice = [name for name in judgements.column_names if name in asked.column_names and name != "search_id"]
    return judgements.drop_columns(twice).join(asked, "search_id", join_type="inner")


def _made(first: pa.Table) -> list[str]:
    """What is made of impressions, by their first rows."""
    made = []
    if "time" not in first.column_names:
        made.append("no column is a time: every row has 1970-01-01, so nothing can be split by time")
    if "search_id" not in first.column_names:
        made.append(f"no column is the id of a search: it is made of {_who(first)}query and minute")
    if _is_from_0(first):
        made.append("positions count from 0: each is one more here")
    return made


def _is_from_0(rows: pa.Table) -> bool:
    return "position" in rows.column_names and pc.min(rows["position"]).as_py() == 0


def _completed(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Impressions with the columns that the contract needs."""
    is_from_0 = _is_from_0(first)
    for rows in (first, *others):
        if "time" not in rows.column_names:
            rows = rows.append_column("time", pa.repeat(_EPOCH, len(rows)))
        if "search_id" not in rows.column_names:
            rows = rows.append_column("search_id", _search_ids(rows))
        if is_from_0:
            at = rows.column_names.index("position")
            rows = rows.set_column(at, "position", pc.add(rows["position"], 1))
        yield rows


def _who(rows: pa.Table) -> str:
    """Whose searches are told apart, as a part of a sentence."""
    named = {"searcher_id": "searcher, ", "session_id": "session, "}
    return next((said for column, said in named.items() if column in rows.column_names), "")


def _search_ids(rows: pa.Table) -> pa.ChunkedArray:
    minute = pc.strftime(pc.floor_temporal(rows["time"], unit="minute"), format="%Y-%m-%dT%H:%M")
    known = [column for column in ("searcher_id", "session_id") if column in rows.column_names]
    who = rows[known[0]] if known else pa.repeat("", len(rows))
    parts = [pc.fill_null(who, ""), pc.fill_null(rows["query"], ""), minute]
    return pc.replace_substring_regex(
        pc.binary_join_element_wise(*parts, "|"), r"\s", "_"
    )  # TREC's runs divide by blanks


def _write(batches: Iterator[pa.Table], path: Path) -> None:
    first = next(batches)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for batch in batches:
            writer.write_table(batch)
