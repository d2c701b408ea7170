"""The tables of a log folder and their columns.

documents                  always
searchers                  may be absent where the vertical takes nothing from it; with a column `time`, a searcher has
                           a row for each time that something changed, which holds from then on
impressions                the simple way in: a row for each document that a search showed
searches, shown, events    the full way in, which the server writes: what was asked, what was shown, what was done;
                           events may be absent
activity, segments         may be absent

One search is one `search_id`; `session_id` is a visit of several. A search that showed nothing has one row of
impressions with null `doc_id` and null `position`, or no row of shown; a null `searcher_id` is an anonymous searcher;
`segments` labels searches for reports. Times with a zone are taken to UTC; those without one are taken as UTC.

A row of impressions may have a `grade`, which says more than its click: how right the document is for the search, 0 for
not at all. Without a grade a click is 1 and no click 0. A `weight` says how much the row counts in training, 1 unless
given. With grades, `clicked` may be absent: whatever has a grade above 0 then counts as clicked. Without either every
row is a click, and a note says so. Without `searcher_id` nobody is known, without `position` no place is.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from alicorn.errors import TableError
from alicorn.tables import note
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column, ColumnType
from alicorn.vertical.requests import AS_OF


class Presence(Enum):
    """NEEDED: a table without the column is refused. OPTIONAL: it is read where it is there. CHECKED: only its type is
    looked at, where it is there: for rankers, propensities and experiments."""

    NEEDED = "required"
    OPTIONAL = "may be absent"
    CHECKED = "may be absent, only checked"


_NEEDED, _OPTIONAL, _CHECKED = Presence.NEEDED, Presence.OPTIONAL, Presence.CHECKED
_SEARCH = Column("search_id", ColumnType.STRING, "the search that the row belongs to")
_SEARCHER = Column("searcher_id", ColumnType.STRING, "who searched")
_TIME = Column("time", ColumnType.TIME, "when")
_QUERY = Column("query", ColumnType.STRING, "the query text")
_DOCUMENT = Column("doc_id", ColumnType.STRING, "the document shown")
_POSITION = Column("position", ColumnType.INTEGER, "its place in the answer, from 1")
_ACTOR = Column("searcher_id", ColumnType.STRING, "who acted")
_ACTED_ON = Column("doc_id", ColumnType.STRING, "on which document")

CONTRACT: Mapping[str, Mapping[Column, Presence]] = {
    "impressions": {
        _SEARCH: _NEEDED,
        _SEARCHER: _OPTIONAL,
        _TIME: _NEEDED,
        _QUERY: _NEEDED,
        _DOCUMENT: _NEEDED,
        _POSITION: _OPTIONAL,
        Column("clicked", ColumnType.BOOLEAN, "whether it was chosen"): _OPTIONAL,
        Column("grade", ColumnType.NUMBER, "how right it is for the search"): _OPTIONAL,
        Column("weight", ColumnType.NUMBER, "how much the row counts in training"): _OPTIONAL,
    },
    "searches": {
        _SEARCH: _NEEDED,
        _SEARCHER: _NEEDED,
        _TIME: _NEEDED,
        _QUERY: _NEEDED,
        Column("session_id", ColumnType.STRING, "the visit that the search belongs to"): _OPTIONAL,
        Column("mode", ColumnType.STRING, "boolean, embedding or hybrid"): _CHECKED,
        Column("expression", ColumnType.STRING, "what the query became"): _CHECKED,
        Column("without_nn", ColumnType.STRING, "the rule by which the expression has no nn"): _CHECKED,
        Column("intents", ColumnType.STRINGS, "terms that the query is sure to ask for"): _CHECKED,
        Column("candidates", ColumnType.INTEGER, "documents that nn found and the control let pass"): _CHECKED,
        Column("model", ColumnType.STRING, "fingerprint of the model that encoded it"): _CHECKED,
        Column("ranker", ColumnType.STRING, "fingerprint of the ranker"): _CHECKED,
        Column("snapshot", ColumnType.INTEGER, "of the collection"): _CHECKED,
        Column("experiment", ColumnType.STRING, "the experiment that the search is part of"): _CHECKED,
        Column("arm", ColumnType.STRING, "its arm of the experiment"): _CHECKED,
        Column("total", ColumnType.INTEGER, "documents that matched"): _CHECKED,
        Column("degraded", ColumnType.STRINGS, "the notices of the answer, such as a stage over its budget"): _CHECKED,
        Column("known", ColumnType.STRING, "what the ranker read of searcher and context, as JSON"): _CHECKED,
        Column("vectors", ColumnType.ANY, "those of the request, by embedding key"): _CHECKED,
    },
    "shown": {
        _SEARCH: _NEEDED,
        _DOCUMENT: _NEEDED,
        _POSITION: _NEEDED,
        Column("seen", ColumnType.BOOLEAN, "whether the searcher had it in view"): _OPTIONAL,
        Column("features", ColumnType.FLOATS, "what the ranker read"): _OPTIONAL,
        Column("feature_set", ColumnType.STRING, "fingerprint of the features"): _OPTIONAL,
        Column("rank", ColumnType.INTEGER, "its place before exploration, from 1"): _OPTIONAL,
        Column("probability", ColumnType.NUMBER, "of being shown at this position"): _OPTIONAL,
        Column("channels", ColumnType.STRINGS, "which channels found it"): _CHECKED,
        Column("segment", ColumnType.STRING, "checksum of the one that held it"): _CHECKED,
        Column("scores", ColumnType.ANY, "score by stage"): _CHECKED,
    },
    "events": {
        _TIME: _NEEDED,
        Column("search_id", ColumnType.STRING, "the search that led to it, or null"): _NEEDED,
        _ACTOR: _NEEDED,
        _ACTED_ON: _NEEDED,
        Column("action", ColumnType.STRING, "click, cart, purchase, ..."): _NEEDED,
        Column("event_id", ColumnType.STRING, "the same of an event that was sent twice"): _OPTIONAL,
        Column("session_id", ColumnType.STRING, "the visit"): _CHECKED,
        Column("value", ColumnType.NUMBER, "of the action, such as a price"): _CHECKED,
        Column("position", ColumnType.INTEGER, "of the document when it was acted on"): _CHECKED,
    },
    "activity": {
        _ACTOR: _NEEDED,
        _TIME: _NEEDED,
        _ACTED_ON: _NEEDED,
        Column("kind", ColumnType.STRING, "visited, added, bought, ..."): _NEEDED,
    },
    "segments": {
        Column("search_id", ColumnType.STRING, "the search that is labelled"): _NEEDED,
        Column("segment", ColumnType.STRINGS, "its labels"): _NEEDED,
    },
}
"""The columns of each table."""
TABLES = ("documents", "searchers", *CONTRACT)
FILLED = ("grade", "weight")
"""Columns of impressions whose nulls are filled."""


def needed_columns(vertical: Vertical, is_full: bool) -> dict[str, list[Column]]:
    """The columns that are read of each table of a log. is_full: made of searches, shown and events."""
    asked = "searches" if is_full else "impressions"
    read = {name: [one for one, use in of.items() if use is not _CHECKED] for name, of in CONTRACT.items()}
    own = {column.name for column in read[asked]}
    searcher_id = Column("searcher_id", ColumnType.STRING, "every table of searchers")
    further = [column for column in vertical.impression_columns() if column.name not in own]
    return {
        "documents": vertical.document_columns(),
        "searchers": [searcher_id, *vertical.logged_searcher_columns()],
        **{name: [*columns, *(further if name == asked else ())] for name, columns in read.items()},
    }


def given_columns(name: str, columns: Sequence[Column], given: Sequence[str]) -> list[Column]:
    """The columns of a table without the optional ones that are not given; and a searcher may have a time."""
    if "search_id" not in given and "session_id" in given and any(column.name == "search_id" for column in columns):
        raise TableError(
            f"table {name}: column 'search_id' is missing, the id of one search. session_id is a visit, which may have"
            " several: where it is one search each, rename it to search_id; else `alicorn init LOGS --out DRAFT` makes"
            f" ids of session, query and minute. Columns: {', '.join(given)}",
            table=name,
            column="search_id",
        )
    if name == "impressions" and not {"grade", "clicked"} & set(given):
        note("table impressions: neither 'clicked' nor 'grade' is a column: every row is taken as a click")
    optional = {column for column, use in CONTRACT.get(name, {}).items() if use is _OPTIONAL}
    found = [column for column in columns if column.name in given or column not in optional]
    if name == "searchers" and AS_OF in given:
        found.append(Column(AS_OF, ColumnType.TIME, "rows of searchers that hold from a time on"))
    return found


def checked_columns(name: str, given: Sequence[str]) -> list[Column]:
    """Those of a table that are given and only checked."""
    return [column for column, use in CONTRACT.get(name, {}).items() if use is _CHECKED and column.name in given]


def refuse_absent(paths: Mapping[str, Path], folder: Path, vertical: Vertical) -> None:
    """Raise TableError where the tables in `folder` make no log."""
    if "impressions" in paths and "searches" in paths:
        raise TableError(
            f"{folder} has both impressions and searches, which tell of the same searches: impressions are the simple"
            " way in; searches, shown and events are the full one. Keep one of them",
            table="impressions",
        )
    for name in ("documents", *(("searches", "shown") if "searches" in paths else ("impressions",))):
        if name not in paths:
            hint = "; or searches, shown and events, as the server writes them" if name == "impressions" else ""
            message = (
                f"table {name} is missing: neither {name}.parquet, {name}.csv nor {name}/ in {folder}{hint}; `alicorn"
                f" init {folder}` makes a log folder of tables under other names"
            )
            raise TableError(message, table=name)
    if "searchers" not in paths and (columns := vertical.logged_searcher_columns()):
        raise TableError(
            f"table searchers is missing in {folder}, but {columns[0].why} asks for its column '{columns[0].name}': "
            "write the table, or take the feature out of the vertical",
            table="searchers",
            column=columns[0].name,
        )
