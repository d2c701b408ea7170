"""TREC's two text files: runs (search, Q0, document, rank, score, system) and qrels (search, 0, document, grade)."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError, TableError
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.searches import Searches, sample


def check_ids(searches: Searches) -> None:
    """Raise ConfigError for an id that a run cannot hold, as it has a blank or is empty."""
    for name, ids in (("search_id", searches.search_ids), ("doc_id", searches.documents["doc_id"])):
        found = next((one for one in ids.to_pylist() if not one or re.search(r"\s", one)), None)
        if found is not None:
            raise ConfigError(f"a TREC run holds no id with a blank, and {name} {found!r} has one: leave out --run")


def write_runs(runs: Mapping[str, np.ndarray], searches: Searches, path: Path) -> list[Path]:
    """One file for each system, `run.trec` becoming `run-hybrid.trec`. Returns the paths.

    The topic is the search_id. The score falls by 1 a rank, since evaluators sort by it. Raises as check_ids.
    """
    check_ids(searches)
    search_ids = searches.search_ids.to_pylist()
    doc_ids = searches.documents["doc_id"].to_pylist()
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for system, run in runs.items():
        tag = re.sub(r"[^A-Za-z0-9]+", "-", system).strip("-").lower()
        written.append(path.with_name(f"{path.stem}-{tag}{path.suffix or '.trec'}"))
        lines = [
            f"{search_id} Q0 {doc_ids[number]} {rank} {run.shape[1] + 1 - rank} {tag}\n"
            for search_id, row in zip(search_ids, run.tolist(), strict=True)
            for rank, number in enumerate((one for one in row if one >= 0), start=1)
        ]
        written[-1].write_text("".join(lines), encoding="utf-8")
    return written


def judged_searches(path: Path, searches: Searches, num_searches: int, seed: int) -> Searches:
    """The searches that a file of qrels judges, with its grades as targets; at most so many, drawn without replacement.

    A document of grade 0 or less is judged not relevant. Raises TableError for a line that is no judgement, and where
    no search is judged.
    """
    judged = read_qrels(path)
    search_ids = searches.search_ids.to_pylist()
    relevant = {search_id for search_id, grades in judged.items() if max(grades.values()) > 0}
    known = [row for row, search_id in enumerate(search_ids) if search_id in relevant]
    if not known:
        raise TableError(
            f"{path}: no search_id of the {searches.split} split has a judgement above 0 there; the first column of"
            f" qrels is the search_id of a search, such as {search_ids[0]!r}",
            table="qrels",
            column="search_id",
        )
    rows = np.array(known)[sample(len(known), num_searches, seed)]
    each = [judged[search_ids[row]] for row in rows]
    numbers = searches.numbers(pa.array([doc_id for grades in each for doc_id in grades], pa.string()))
    starts = np.concatenate([[0], np.cumsum([len(grades) for grades in each])]).astype(np.int64)
    grades = np.array([max(grade, 0.0) for grades in each for grade in grades.values()])
    return searches.take(rows, Targets(starts, numbers, grades))


def read_qrels(path: Path) -> dict[str, dict[str, float]]:
    """Search -> document -> grade. Raises TableError for a line that is no judgement or one given twice."""
    judged: dict[str, dict[str, float]] = {}
    for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        try:
            search_id, _, doc_id, grade = parts
            value = float(grade)
        except ValueError:
            message = f"{path}, line {row}: expected `search_id 0 document grade`, got {line[:80]!r}"
            raise TableError(message, table="qrels", row=row) from None
        if not np.isfinite(value):
            raise TableError(f"{path}, line {row}: a grade is a finite number, got {grade}", table="qrels", row=row)
        if judged.setdefault(search_id, {}).setdefault(doc_id, value) != value:
            message = f"{path}, line {row}: {search_id} and {doc_id} are judged twice, with different grades"
            raise TableError(message, table="qrels", row=row)
    return judged
