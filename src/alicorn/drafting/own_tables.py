"""Which table of an export is which of a log's, and which of its columns are the contract's, by names and values.

A table that is named as in the contract (`documents.csv`, `impressions/`) is what it is called. Of the others

    documents    has a column of distinct values that other tables name, and neither query nor search
    impressions  has a query and a document in a row
    searches     has a query, and no document
    events       has a search, a document and an action
    judged       has a search of `searches` and a document: clicks or grades, to be joined with it
    searchers    has a column of distinct values called as a searcher is, and no document
    activity     has a searcher, a document and a time
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.drafting.names import called, plain_name
from alicorn.errors import TableError
from alicorn.tables import PartFiles, open_parts, repeated
from alicorn.tables.csv_files import ENDINGS

LOOKED_AT = 100_000
"""Rows by which a table is recognised."""
_ASKED = ("search_id", "searcher_id", "session_id", "time", "query")
_JUDGED = ("doc_id", "position", "clicked", "grade", "weight")
ROLES: Mapping[str, Sequence[str]] = {
    "documents": ("doc_id",),
    "impressions": (*_ASKED, *_JUDGED),
    "searches": _ASKED,
    "judged": ("search_id", *_JUDGED),
    "shown": ("search_id", "doc_id", "position", "seen"),
    "events": ("search_id", "searcher_id", "time", "doc_id", "action", "event_id"),
    "searchers": ("searcher_id", "time"),
    "activity": ("searcher_id", "time", "doc_id", "kind"),
    "segments": ("search_id", "segment"),
}
"""The columns of the contract that are looked for, by table."""
_YEAR_2000, _YEAR_2100 = 946_684_800, 4_102_444_800  # seconds since 1970
_HALF = 0.5  # of the values of a reference have to be found


@dataclass(frozen=True)
class OwnTable:
    """name: the contract's, or `judged`. head: the first rows. columns: name in the contract -> own name."""

    name: str
    path: Path
    source: PartFiles
    head: pa.Table
    columns: Mapping[str, str]


def own_tables(folder: Path) -> dict[str, OwnTable]:
    """The tables of a folder that make a log, by name. Raises TableError where they make none."""
    paths = dict(_paths(folder))
    if "documents" in paths and paths.keys() & {"impressions", "searches"}:  # a log folder; others are not of the log
        paths = {name: path for name, path in paths.items() if name in ROLES}
    opened = {name: (path, open_parts(path, name)) for name, path in paths.items()}
    heads = {name: _head(source) for name, (_, source) in opened.items()}
    own = _documents(heads, folder)
    key = _key(heads[own], [head for name, head in heads.items() if name != own])
    if key is None:
        raise TableError(
            f"table {own}: no column has another value in every row: give each document an id, in a column doc_id",
            table=own,
            column="doc_id",
        )
    found = {"documents": OwnTable("documents", *opened[own], heads[own], {"doc_id": key})}
    ids = heads[own][key]
    for name, head in heads.items():
        columns = _columns(head, ids)
        contract = name if name in ROLES.keys() - {"judged"} else _name(head, columns)
        if name == own or contract is None:
            continue
        if contract in found and contract in ("activity", "searchers"):
            continue
        if contract in found:
            raise TableError(
                f"{found[contract].path} and {opened[name][0]} both look like the table {contract}: name each as the"
                f" contract has it ({', '.join(set(ROLES) - {'judged'})}), or take one out of the folder",
                table=contract,
            )
        wanted = {role: column for role, column in columns.items() if role in ROLES[contract]}
        found[contract] = OwnTable(contract, *opened[name], head, wanted)
    if "impressions" in found or "searches" not in found:
        found.pop("judged", None)
    if "impressions" not in found and not ("searches" in found and found.keys() & {"judged", "shown", "events"}):
        taken = {table.path: f"is {name}" for name, table in found.items()}
        what = [
            f"{path.name} {taken.get(path, 'is none of them')}{_perhaps_query(heads[name], name != own, ids)}"
            for name, (path, _) in opened.items()
        ]
        raise TableError(
            f"{folder}: no table says which documents were shown or chosen for a query. It has a row for each of them:"
            " the query in a column `query`, the document's id in `doc_id`, when it was in `time`; `clicked` says which"
            f" were chosen. {'; '.join(what)}",
            table="impressions",
        )
    return found


def _perhaps_query(head: pa.Table, is_log: bool, ids: pa.ChunkedArray) -> str:
    """Asks whether a text beside a document is what was searched for."""
    columns = _columns(head, ids).values() if is_log and _reference(head, ids) is not None else head.column_names
    texts = [name for name in head.column_names if name not in columns and pa.types.is_string(head[name].type)]
    return f" (if people searched for its {' or '.join(texts)}, call that column query)" if texts else ""


def _paths(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_file() and path.suffix.lower() in (".parquet", *ENDINGS):
            yield path.stem, path
        elif path.is_dir() and (path.name in ROLES or any(path.glob("*.parquet"))):
            yield path.name, path


def _head(source: PartFiles) -> pa.Table:
    return next(source.batches(num_rows=LOOKED_AT), source.schema.empty_table())


def _documents(heads: Mapping[str, pa.Table], folder: Path) -> str:
    """The table whose rows the others name; of several the one with most columns."""
    if "documents" in heads:
        return "documents"
    found = []
    for name, head in heads.items():
        others = [other for own, other in heads.items() if own != name]
        is_log = name in ROLES or any(called(role, head.column_names) for role in ("query", "search_id"))
        key = None if is_log else _key(head, others)
        if key is not None and any(_reference(other, head[key]) for other in others):
            found.append((head.num_columns, name))
    if not found:
        raise TableError(
            f"{folder}: no table of documents among {', '.join(heads) or 'no tables'}: it has a row for each document,"
            " and its id in a column that the tables of searches or clicks name. Call it documents, and its id doc_id",
            table="documents",
        )
    return max(found)[1]


def _key(table: pa.Table, others: Sequence[pa.Table]) -> str | None:
    """The column of distinct values that others name; else one that is called as an id is."""
    if "doc_id" in table.column_names:
        return "doc_id"
    named = called("doc_id", table.column_names)
    keys = [name for name in dict.fromkeys([*named, *table.column_names]) if _is_key(table[name])]
    referenced = (key for key in keys if any(_reference(other, table[key]) for other in others))
    return next(referenced, None) or next((key for key in keys if key in named), None)


def _is_key(column: pa.ChunkedArray) -> bool:
    is_distinct = _is_id(column.type) and not column.null_count and len(column) > 0
    return is_distinct and repeated(column.cast(pa.string())) is None


def _is_id(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_integer(kind))


def _reference(table: pa.Table, ids: pa.ChunkedArray) -> str | None:
    """The column whose values are among `ids`: one that is called as an id is, one of text, one called `<what>_id`."""
    texts = [name for name in table.column_names if pa.types.is_string(table[name].type)]
    others = [name for role in ("searcher_id", "search_id") for name in called(role, table.column_names)]
    own_ids = [name for name in table.column_names if plain_name(name).endswith("_id") and name not in others]
    names = dict.fromkeys([*called("doc_id", table.column_names), *texts, *own_ids])
    return next((name for name in names if _found(table[name], ids) >= _HALF), None)


def _found(column: pa.ChunkedArray, ids: pa.ChunkedArray) -> float:
    """The share of the values of a column that are among `ids`."""
    if not _is_id(column.type):
        return 0.0
    return float(pc.mean(pc.is_in(column.drop_null().cast(pa.string()), pc.unique(ids.cast(pa.string())))).as_py() or 0)


def _columns(table: pa.Table, ids: pa.ChunkedArray) -> dict[str, str]:
    """Name in the contract -> own name; an own name is taken once."""
    taken: dict[str, str] = {}
    reference = _reference(table, ids)
    if reference is not None:
        taken["doc_id"] = reference
    for role in dict.fromkeys(role for roles in ROLES.values() for role in roles):
        free = [name for name in called(role, table.column_names) if role == name or name not in taken.values()]
        if free and role != "doc_id":
            taken[role] = free[0]
    times = [name for name in table.column_names if name not in taken.values() and _is_time(table[name])]
    if "time" not in taken and len(times) == 1:
        taken["time"] = times[0]
    return taken


def _is_time(column: pa.ChunkedArray) -> bool:
    """Dates and times; and integers of which all are seconds or milliseconds of the years 2000 to 2100."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return True
    if not pa.types.is_integer(column.type) or column.null_count == len(column):
        return False
    ends = pc.min_max(column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low < high and any(_YEAR_2000 * unit <= low and high <= _YEAR_2100 * unit for unit in (1, 1000))


def _name(table: pa.Table, columns: Mapping[str, str]) -> str | None:
    has = columns.keys()
    if "query" in has:
        return "impressions" if "doc_id" in has else "searches"
    if {"search_id", "doc_id"} <= has:
        return "events" if {"action", "time"} <= has else "judged"
    if "searcher_id" in has and "doc_id" not in has:
        return "searchers" if _is_key(table[columns["searcher_id"]]) else None
    return "activity" if {"searcher_id", "doc_id", "time"} <= has else None
