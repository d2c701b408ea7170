"""What is known of the tables of a log: profiles of their columns, and what was chosen for which query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.drafting.evidence import Evidence, evidence
from alicorn.drafting.own_tables import ROLES, OwnTable
from alicorn.drafting.profiles import Profile, profiles, slug

_CONTEXT_VALUES = 1_000  # of a column of the context, at most
_PER_CONTEXT = 20  # searches that have a value of it, at least, on average
_SPLITS = {"train": "train", **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"), "test": "test"}


@dataclass(frozen=True)
class Seen:
    """ranks: column of numbers -> correlation with how often a document was chosen. weights: list column -> that of its
    weights. context: columns of the log. split: as in vertical.yaml, and why. actions: of events. unknown: rows that
    name a document that is not there. said: what was taken for what."""

    name: str
    documents: Sequence[Profile]
    searchers: Sequence[Profile]
    context: Sequence[Profile]
    evidence: Evidence
    ranks: Mapping[str, float]
    weights: Mapping[str, str]
    split: tuple[Mapping[str, Any], str]
    unknown: int
    actions: Sequence[str]
    said: Sequence[str] = ()


def see(folder: Path, tables: Mapping[str, OwnTable], said: Sequence[str]) -> Seen:
    documents = tables["documents"].head
    searches, named = _log(tables)
    picked = _picked(named)
    found = [one for one in profiles(documents) if one.name != "doc_id"]
    return Seen(
        name=_name(folder),
        documents=found,
        searchers=_searchers(tables),
        context=_context(searches),
        evidence=evidence(found, documents, picked),
        ranks=_ranks(found, documents, picked),
        weights={name: own for table in tables.values() for name, own in _weights(table.head)},
        split=_split(searches),
        unknown=_unknown(named, tables["documents"]),
        actions=_actions(tables),
        said=said,
    )


def _name(folder: Path) -> str:
    """Of the folder, or of the one around it where it is called as any folder is."""
    whole = folder.absolute()
    named = whole.parent if whole.name.casefold() in ("logs", "log", "data", "export", "exports", "tables") else whole
    return slug(named.name) or "search"


def _log(tables: Mapping[str, OwnTable]) -> tuple[pa.Table, pa.Table]:
    """(rows of searches, rows of query, doc_id, and clicked or grade): what was asked, and what was shown or done."""
    if "impressions" in tables:
        return tables["impressions"].head, tables["impressions"].head
    searches = tables["searches"].head
    acts = tables["events" if "events" in tables else "shown"].head
    if "action" in acts.column_names:
        acts = acts.filter(pc.not_equal(acts["action"], "seen"))
    asked = searches.select(["search_id", "query"])
    return searches, acts.select(["search_id", "doc_id"]).join(asked, "search_id", join_type="inner")


def _picked(named: pa.Table) -> pa.Table:
    """Rows whose document was chosen: all of them where no column says."""
    for name in ("grade", "clicked"):
        if name in named.column_names:
            return named.filter(pc.greater(named[name].cast(pa.float64()), 0.0))
    return named


def _unknown(named: pa.Table, documents: OwnTable) -> int:
    """Rows of documents that the table lacks; 0 where only its first rows were looked at."""
    if documents.source.num_rows > len(documents.head):
        return 0
    return pc.sum(pc.invert(pc.is_in(named["doc_id"].drop_null(), documents.head["doc_id"]))).as_py() or 0


def _searchers(tables: Mapping[str, OwnTable]) -> list[Profile]:
    if "searchers" not in tables:
        return []
    return [one for one in profiles(tables["searchers"].head) if one.name not in ROLES["searchers"]]


def _context(searches: pa.Table) -> list[Profile]:
    """Further columns of the log with few values, the same in all rows of a search."""
    known = {"split", "fold", *(role for roles in ROLES.values() for role in roles)}
    found = []
    for one in profiles(searches):
        is_said = one.name in known or one.kind != "category" or not 1 < one.distinct <= _CONTEXT_VALUES
        if not is_said and one.distinct * _PER_CONTEXT <= one.rows and _is_constant(searches, one.name):
            found.append(one)
    return found


def _is_constant(searches: pa.Table, name: str) -> bool:
    counts = searches.group_by("search_id").aggregate([(name, "count_distinct")])
    return (pc.max(counts[f"{name}_count_distinct"]).as_py() or 0) <= 1


def _ranks(found: Sequence[Profile], documents: pa.Table, picked: pa.Table) -> dict[str, float]:
    """Spearman's correlation of each column of numbers with how often a document was chosen."""
    rows = pc.index_in(picked["doc_id"], documents["doc_id"]).drop_null().to_numpy()
    counts = np.bincount(rows, minlength=len(documents))
    correlations = {}
    for one in found:
        if one.kind == "number":
            values = documents[one.name].cast(pa.float64(), safe=False).fill_null(0.0).to_numpy()
            correlations[one.name] = _spearman(values, counts)
    return correlations


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    ranks = [np.unique(values, return_inverse=True)[1].astype(np.float64) for values in (first, second)]
    if min(ranks[0].std(), ranks[1].std()) == 0.0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _weights(table: pa.Table) -> list[tuple[str, str]]:
    """(column of lists of text, column of lists of numbers as long as these in every row)."""
    texts = [field.name for field in table.schema if field.type == pa.list_(pa.string())]
    numbers = [f.name for f in table.schema if pa.types.is_list(f.type) and pa.types.is_floating(f.type.value_type)]
    return [
        (text, number)
        for text in texts
        for number in numbers
        if pc.all(pc.equal(_lengths(table[text]), _lengths(table[number]))).as_py()
    ]


def _lengths(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.list_value_length(column), 0)


def _split(searches: pa.Table) -> tuple[Mapping[str, Any], str]:
    """By a column that says it, by time, or by hash of queries where all times are one."""
    for name in searches.column_names:
        values = pc.unique(searches[name]).to_pylist() if pa.types.is_string(searches[name].type) else []
        held = {
            split: sorted(v for v in values if v and _SPLITS.get(v.casefold()) == split) for split in ("valid", "test")
        }
        if any(held.values()) and any(v and _SPLITS.get(v.casefold()) == "train" for v in values):
            given = {split: of for split, of in held.items() if of}
            return {"by": "column", "column": name, **given}, "as its values say"
    if len(pc.unique(searches["time"])) > 1:
        return {"valid": 0.1, "test": 0.1}, "the last tenth of the searches tests, the tenth before it chooses"
    return {"by": "query", "valid": 0.1, "test": 0.1}, "by hash of the query, as all searches have one time"


def _actions(tables: Mapping[str, OwnTable]) -> list[str]:
    if "events" not in tables or "action" not in tables["events"].head.column_names:
        return []
    return [one["values"] for one in pc.value_counts(tables["events"].head["action"].drop_null()).to_pylist()]
