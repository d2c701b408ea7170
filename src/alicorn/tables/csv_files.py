"""CSV as tables: UTF-8, a first line with the names of columns, separated by `,` `;` or tabs, quoted by `"`.

A column has the first type of this list that every value of it has, in all part files together:

    integer      -7, but not 007 or +7: a code keeps its zeros, as text
    number       12.5, 1e-3; 1,299.00 or 1.299,00 where the column itself shows what its commas mean
    bool         true, false
    date, time   2026-01-31, 2026-01-31 08:15, 2026-01-31T08:15:00.5Z, ...+09:00, as ISO 8601 writes them
    list         ["a", "b"], a JSON array in every cell
    text         everything else

The ids of all tables and `query` are text. Where the reader knows what a column has to be, it says so (`known`): text
stays text, 1500 and 007 too; lists of text may be text; whole numbers are floats; a bool may be 1 and 0, yes and no, t
and f. An empty cell is null; `""` is an empty text.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from alicorn.errors import TableError, cause
from alicorn.tables.notes import note

ENDINGS = (".csv", ".tsv")
_TEXTS = dict.fromkeys(("doc_id", "searcher_id", "search_id", "query"), pa.string())
_SEPARATORS = ",;\t"
_NUMBER = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_GROUPED = r"^-?([0-9]{1,3}(%s[0-9]{3})+|0|[1-9][0-9]*)(%s[0-9]+)?$"  # thousands, decimals
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
_YES, _NO = ("true", "1", "yes", "y", "t"), ("false", "0", "no", "n", "f")
_NEARLY = 0.9  # from this share of numbers or times on, a column of text is told


def is_csv(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


def read_csv(files: Sequence[Path], name: str, known: Mapping[str, pa.DataType]) -> list[pa.Table]:
    """The tables of CSV files that are parts of one; a column has the same type in all of them.

    name: of the table in messages. known: column -> the type that it has to have; text and bool are read as such.
    Notes say which numbers are written with commas, and which columns are numbers or times but for some cells.
    Raises TableError for a file that is no CSV, by its line.
    """
    parts = [_text_cells(file, name) for file in files]
    known = _TEXTS | dict(known)
    columns = dict.fromkeys(column for part in parts for column in part.column_names)
    read: list[dict[str, pa.ChunkedArray]] = [{} for _ in parts]
    for column in columns:
        within = [at for at, part in enumerate(parts) if column in part.column_names]
        cells = [parts[at].column(column) for at in within]
        whole = pa.chunked_array([chunk for one in cells for chunk in one.chunks], pa.string())
        typed, start = _typed(whole, name, column, known.get(column)), 0
        for at, one in zip(within, cells, strict=True):
            read[at][column] = typed.slice(start, len(one))
            start += len(one)
    return [pa.table(part) for part in read]


def _text_cells(file: Path, name: str) -> pa.Table:
    """Every cell as text; null where it is empty."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            first = opened.readline()
        separator = max(_SEPARATORS, key=first.count)
        names = next(csv.reader([first], delimiter=separator), [])
        if repeated := next((column for column in names if names.count(column) > 1), None):
            message = f"table {name}: {file} has the column '{repeated}' {names.count(repeated)} times"
            raise TableError(message, table=name, column=repeated)
        return arrow_csv.read_csv(
            file,
            parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError, OSError) as error:
        message = f"table {name}: {file} cannot be read as CSV in UTF-8 with a first line of names: {cause(error)}"
        raise TableError(message, table=name) from error


def _typed(cells: pa.ChunkedArray, table: str, name: str, known: pa.DataType | None) -> pa.ChunkedArray:
    if known == pa.string():
        return cells
    trimmed = pc.utf8_trim_whitespace(cells)
    if known == pa.list_(pa.string()):
        return _lists(trimmed) or cells
    if trimmed.null_count == len(trimmed):
        return pa.chunked_array([pa.nulls(len(cells))])
    readers: list[Callable[[pa.ChunkedArray], pa.ChunkedArray | None]] = [
        *([_bools(_YES, _NO)] if known == pa.bool_() else []),
        _integers,
        _numbers,
        _bools(_YES[:1], _NO[:1]),
        _times,
        _lists,
    ]
    found = next((found for reader in readers if (found := reader(trimmed)) is not None), None)
    found = found or _with_commas(trimmed, table, name) or _told(trimmed, cells, table, name)
    return _cast(found, known)


def _cast(found: pa.ChunkedArray, known: pa.DataType | None) -> pa.ChunkedArray:
    """Whole numbers as floats, dates as timestamps and the like, where no value changes."""
    try:
        return found if known is None else found.cast(known)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return found


def _all(cells: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern)).as_py())


def _integers(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    return cells.cast(pa.int64()) if _all(cells, r"^(0|-?[1-9][0-9]{0,17})$") else None


def _numbers(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    return cells.cast(pa.float64()) if _all(cells, _NUMBER) else None


def _bools(yes: Sequence[str], no: Sequence[str]) -> Callable[[pa.ChunkedArray], pa.ChunkedArray | None]:
    def read(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
        lower = pc.utf8_lower(cells)
        true = pc.is_in(lower, pa.array(yes))
        either = pc.or_(true, pc.is_in(lower, pa.array(no)))
        if not pc.all(pc.or_(either, pc.is_null(cells))).as_py():
            return None
        return pc.if_else(pc.is_null(cells), pa.scalar(None, pa.bool_()), true)

    return read


def _times(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    try:
        if _all(cells, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"):
            return cells.cast(pa.date32())
        if _all(cells, _MOMENT + "$"):
            return cells.cast(pa.timestamp("ns" if _finer(cells) else "us"))
        if _all(cells, _MOMENT + "(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"):
            return cells.cast(pa.timestamp("ns" if _finer(cells) else "us", "UTC"))
    except pa.ArrowInvalid:  # the 31st of February
        pass
    return None


def _finer(cells: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, r"\.[0-9]{7}")).as_py())


def _lists(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    if not _all(cells, r"^\[.*\]$"):
        return None
    try:
        return pa.chunked_array([pa.array([None if cell is None else json.loads(cell) for cell in cells.to_pylist()])])
    except (ValueError, pa.ArrowException):
        return None


def _with_commas(cells: pa.ChunkedArray, table: str, name: str) -> pa.ChunkedArray | None:
    """Numbers such as 1,299.00 and 1.299,00, where only one way to read the whole column is possible."""
    possible = []
    for thousands, decimals in ((",", "."), (".", ",")):
        if _all(cells, _GROUPED % (f"\\{thousands}", f"\\{decimals}")):
            bare = pc.replace_substring(pc.replace_substring(cells, thousands, ""), decimals, ".")
            possible.append((bare, thousands))
    shown = _first(cells, pc.match_substring(cells, ","))
    if len(possible) == 2:
        note(
            f"table {table}: column '{name}' has numbers such as {shown[1]}, whose comma may mean either: read as text"
        )
    if len(possible) != 1:
        return None
    bare, thousands = possible[0]
    number = bare[shown[0]].as_py()
    note(f"table {table}: column '{name}' has numbers with commas: {shown[1]} in row {shown[0]} is read as {number}")
    return bare.cast(pa.float64())


def _told(trimmed: pa.ChunkedArray, cells: pa.ChunkedArray, table: str, name: str) -> pa.ChunkedArray:
    """The text itself; a note where most of it are numbers or times."""
    for what, pattern in (("numbers", _NUMBER), ("times", _MOMENT)):
        fits = pc.match_substring_regex(trimmed, pattern)
        if _NEARLY <= (pc.mean(fits.cast(pa.float64())).as_py() or 0.0) < 1:
            row, cell = _first(trimmed, pc.invert(fits))
            note(f"table {table}: column '{name}' is {what} but for cells such as {cell!r} in row {row}: read as text")
    return cells


def _first(cells: pa.ChunkedArray, mask: pa.ChunkedArray) -> tuple[int, str]:
    """The first row of a mask, and its cell; row 0 where there is none."""
    row = max(0, pc.index(pc.fill_null(mask, False), True).as_py())
    return row, str(cells[row].as_py())
