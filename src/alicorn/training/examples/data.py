"""The data of a training run: pairs/ (alicorn mine) as featurised rows on disk and a few arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import ConfigError, TableError
from alicorn.features import Features, open_features, standardizations, write_features
from alicorn.features.store import is_written
from alicorn.negatives import KnownPositives, OwnNegatives
from alicorn.pairs import PairsFolder
from alicorn.tables import one_chunk
from alicorn.towers import Model
from alicorn.towers.layout.layout import Layout
from alicorn.training.examples.document_queries import DocumentQueries
from alicorn.training.examples.groups import query_numbers, request_groups
from alicorn.training.examples.teacher import TeacherScores
from alicorn.training.recipe.loss_settings import Auxiliary
from alicorn.training.recipe.recipe import Recipe
from alicorn.vertical import Vertical
from alicorn.vertical.failed_searches import FACTS
from alicorn.vertical.parts import differing, of_examples
from alicorn.vertical.requests import RequestTables, check_known, request_table

_ROWS = 1 << 16  # featurised at once
_RANDOM = 10  # documents compared with the targets of a search in the AUC, where the search showed none
_PAIR = ["search_id", "searcher_id", "time", "query", "doc_id", "grade", "weight", "source", "split"]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """requests: a row per training pair. documents: a row per document. positives: int64, the document of each pair.

    non_clicks: of each pair the documents that its search showed and that were not clicked; None unless asked for.
    queries: the frequent queries of each document, where the recipe has the auxiliary task.
    weights: float64, how much each pair counts; None where all count the same. teacher: its scores, where a loss
    learns them.
    """

    requests: Features
    documents: Features
    positives: np.ndarray
    known: KnownPositives
    non_clicks: OwnNegatives | None = None
    queries: DocumentQueries | None = None
    weights: np.ndarray | None = None
    teacher: TeacherScores | None = None


@dataclass(frozen=True, eq=False)
class ValidationData:
    """requests: one row per search. Targets of search i: targets[offsets[i]:offsets[i + 1]], document rows.

    wrong: (rows, documents), both int64: a search and a document that is none of its targets, for the AUC. against:
    what those are, "shown" by the search and not clicked, or "random" where no search has such; searches without have
    no part in the AUC.
    """

    requests: Features
    offsets: np.ndarray
    targets: np.ndarray
    wrong: tuple[np.ndarray, np.ndarray]
    against: Literal["shown", "random"]

    @property
    def rows(self) -> np.ndarray:
        """int64 (targets,): the search of each target."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


class Pairs:
    """A pairs/ folder, checked against the vertical. Raises TableError where a file is missing, ConfigError where the
    folder was mined with another vertical."""

    def __init__(self, folder: str | Path, vertical: Vertical) -> None:
        self.tables = PairsFolder(folder)
        self.vertical = vertical
        if others := differing(self.tables.manifest.vertical, of_examples(vertical)):
            raise ConfigError(
                f"{self.tables.folder} was mined with another {' and '.join(others)} than '{vertical.name}' has now: "
                "run `alicorn mine` again, or train with the vertical it was mined with"
            )
        self.fingerprint = self.tables.manifest.data_fingerprint
        self.documents = self.tables.read("documents")
        self.known = RequestTables(self.tables.searchers, self._behaviour(), self._context())
        self._doc_ids = self.documents["doc_id"].combine_chunks()

    def standardizations(self, towers: Layout) -> dict[str, Any]:
        """Of the numeric features of both sides, as Model.new takes them."""
        found = {"document": standardizations(towers.document.features, self.documents, "documents")}
        found["request"] = {}
        of_context = self.vertical.request.of_context()
        for table, is_context in ((self.known.searchers, False), (self.known.context, True)):
            features = {
                name: one for name, one in towers.request.features.items() if (name in of_context) == is_context
            }
            if table is not None:
                found["request"] |= standardizations(features, table, "requests")
        return {
            side: {name: values.model_dump() for name, values in numeric.items()} for side, numeric in found.items()
        }

    def training(self, model: Model, recipe: Recipe, work: Path) -> TrainingData:
        """Featurise documents and training pairs into `work`, unless the same run has done so before."""
        chosen = self._train_pairs(recipe)
        chosen = chosen.filter(pa.array(_grades(chosen) > recipe.grades.negative))
        if "impression" in recipe.positives:
            shown = self.tables.read("impressions", _PAIR)
            shown = shown.filter(pc.equal(shown["split"], "train"))
            chosen = pa.concat_tables([chosen, shown], promote_options="permissive")
        documents = self._rows_of(chosen["doc_id"], "pairs")
        groups = request_groups(chosen, self.known.context)
        known = KnownPositives.of(groups, documents)  # of every source: what is chosen is no negative
        used = np.flatnonzero(_used(chosen, recipe))
        if len(used) == 0:
            raise TableError(
                f"{self.tables.folder}: no training pair is of {', '.join(recipe.positives)} with a grade of "
                f"{recipe.grades.positive:g} or more, above {recipe.grades.negative:g}: change the recipe's positives "
                "or grades, or mine a log with searches to train on",
                table="pairs",
                column="source",
            )
        pairs = chosen.take(used)
        check_known(pairs, self.known)
        for name, tables, featurizer in (
            ("documents", _parts(self.documents), model.documents),
            ("requests", map(self.requests, _parts(pairs)), model.requests),
        ):
            if not is_written(work / name):
                write_features(work / name, map(featurizer.transform, tables))
        known = KnownPositives(known.groups[used], known.offsets, known.documents)
        with_non_clicks = any(stage.negatives.non_click for stage in recipe.stage_recipes())
        return TrainingData(
            open_features(work / "requests"),
            open_features(work / "documents"),
            documents[used],
            known,
            self._non_clicks(pairs, recipe) if with_non_clicks else None,
            self._document_queries(pairs, documents[used], recipe.auxiliary) if recipe.auxiliary else None,
            self._weights(pairs, recipe),
            self._teacher(pairs, documents[used]) if recipe.learns_from_a_teacher() else None,
        )

    def _train_pairs(self, recipe: Recipe) -> pa.Table:
        pairs = self.tables.read("pairs", [*_PAIR, *FACTS])
        return pairs.filter(pc.equal(pairs["split"], "train"))

    def _weights(self, pairs: pa.Table, recipe: Recipe) -> np.ndarray | None:
        """Raises TableError where no pair counts anything."""
        weights = recipe.grades.weights(_grades(pairs), pairs["weight"].to_numpy())
        if not weights.any():
            raise TableError(
                f"{self.tables.folder}: every training pair has weight 0: change the weights of the log, or the "
                "recipe's grades",
                table="pairs",
                column="weight",
            )
        return None if (weights == weights[0]).all() else weights

    def _teacher(self, pairs: pa.Table, documents: np.ndarray) -> TeacherScores:
        """Raises TableError where the folder was mined without a teacher."""
        if not self.tables.has("scores"):
            raise TableError(
                f"{self.tables.folder} has no scores of a teacher, which the loss margin_mse learns: run `alicorn mine "
                "--teacher`, or choose another loss",
                table="scores",
            )
        scores = self.tables.read("scores")
        known = pc.is_valid(pc.index_in(scores["query"], pairs["query"].combine_chunks()))
        scores = scores.filter(known)
        queries = pa.concat_tables([pairs.select(["query"]), scores.select(["query"])])
        numbers = pc.fill_null(queries["query"], "").combine_chunks().dictionary_encode().indices.to_numpy()
        of_pairs, of_scores = np.split(numbers.astype(np.int64), [len(pairs)])
        rows = self._rows_of(scores["doc_id"], "scores")
        return TeacherScores.of(of_pairs, documents, of_scores, rows, scores["score"].to_numpy(), len(self.documents))

    def _document_queries(self, pairs: pa.Table, documents: np.ndarray, auxiliary: Auxiliary) -> DocumentQueries:
        """Raises ConfigError where the training pairs have fewer than two queries: nothing could be told apart."""
        queries = DocumentQueries.of(query_numbers(pairs), documents, len(self.documents), auxiliary.queries)
        if queries.num_queries < 2:
            raise ConfigError(
                f"{self.tables.folder}: the auxiliary task tells queries apart, and the training pairs have one: leave "
                "auxiliary out of the recipe"
            )
        return queries

    def _non_clicks(self, pairs: pa.Table, recipe: Recipe) -> OwnNegatives:
        """What the search of each pair showed beside it; `per_positive` is 1, a stage of the recipe has its own."""
        shown = self.tables.read("non_clicks", ["search_id", "doc_id"])
        if recipe.grades.negative > 0:
            graded = self._train_pairs(recipe)
            low = graded.filter(pa.array(_grades(graded) <= recipe.grades.negative))
            shown = pa.concat_tables([shown, low.select(["search_id", "doc_id"])])
        numbered = pairs.select(["search_id"]).append_column("pair", pa.array(np.arange(len(pairs))))
        beside = shown.join(numbered, "search_id", join_type="inner").sort_by(
            [("pair", "ascending"), ("doc_id", "ascending")]
        )
        documents = self._rows_of(beside["doc_id"], "non_clicks")
        return OwnNegatives.of(beside["pair"].to_numpy(), documents, len(pairs), per_positive=1)

    def validation(self, model: Model, recipe: Recipe) -> ValidationData:
        """A seeded sample of the valid split's searches that have a target."""
        searches = self.tables.read("searches")
        searches = searches.filter(pc.equal(searches["split"], "valid"))
        searches = _of_grade(searches, recipe.grades.validation)
        size = min(recipe.validation.searches, len(searches))
        sample = np.sort(np.random.default_rng(recipe.seed).choice(len(searches), size, replace=False))
        searches = searches.take(sample)
        targets = searches["targets"].combine_chunks()
        offsets = np.zeros(len(searches) + 1, dtype=np.int64)
        np.cumsum(pc.list_value_length(targets).to_numpy(zero_copy_only=False), out=offsets[1:])
        rows = self._rows_of(pa.chunked_array([targets.flatten()]), "searches")
        requests = model.requests.transform(self.requests(searches))
        return ValidationData(requests, offsets, rows, *self._wrong(searches, offsets, rows, recipe.seed))

    def _wrong(
        self, searches: pa.Table, offsets: np.ndarray, targets: np.ndarray, seed: int
    ) -> tuple[tuple[np.ndarray, np.ndarray], Literal["shown", "random"]]:
        """What the validation searches showed and nobody clicked; where they showed nothing, random documents."""
        against: Literal["shown", "random"] = "shown"
        rows, documents = self._shown(searches)
        if len(rows) == 0:
            against = "random"
            rows = np.repeat(np.arange(len(searches)), _RANDOM)
            documents = np.random.default_rng([seed, 1]).integers(0, len(self.documents), len(rows))
        chosen = np.repeat(np.arange(len(searches)), np.diff(offsets)) * len(self.documents) + targets
        kept = ~np.isin(rows * len(self.documents) + documents, chosen)
        return (rows[kept], documents[kept]), against

    def _shown(self, searches: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Search and document of what was shown and not clicked."""
        shown = self.tables.read("non_clicks", ["search_id", "doc_id"])
        rows = pc.index_in(shown["search_id"], searches["search_id"].combine_chunks())
        known = pc.is_valid(rows)
        documents = self._rows_of(shown["doc_id"].filter(known), "non_clicks")
        return rows.filter(known).to_numpy().astype(np.int64), documents

    def requests(self, searches: pa.Table) -> pa.Table:
        """What the request tower reads of searches or pairs (vertical/requests.py). Raises TableError."""
        return request_table(searches, self.known)

    def _behaviour(self) -> pa.Table | None:
        """Of each search what its searcher had done before: the columns that a feature reads, if any does."""
        behaviour = self.vertical.request.behaviour
        made = {column.name for column in behaviour.columns()} if behaviour else set()
        read = [column.name for column in self.vertical.searcher_columns() if column.name in made]
        return self.tables.read("behaviour", ["search_id", *dict.fromkeys(read)]) if read else None

    def _context(self) -> pa.Table | None:
        read = [column.name for column in self.vertical.context_columns()]
        return self.tables.read("context", ["search_id", *dict.fromkeys(read)]) if read else None

    def _rows_of(self, doc_ids: pa.ChunkedArray, table: str) -> np.ndarray:
        """int64: the document row of each id."""
        rows = pc.index_in(doc_ids, self._doc_ids)
        _refuse(pc.is_null(rows), doc_ids, table, "doc_id", "is no document of documents.parquet")
        result: np.ndarray = rows.to_numpy().astype(np.int64)
        return result


def _used(pairs: pa.Table, recipe: Recipe) -> np.ndarray:
    """bool (rows,): pairs of the recipe's sources, by its rules and volume; a small volume is part of a large one."""
    source = np.asarray(pairs["source"].to_pylist())
    used = np.isin(source, recipe.positives)
    used &= (source == "impression") | recipe.grades.learned(_grades(pairs))
    used &= (source != "hard") | recipe.hard_positives.mask(pairs)
    chance = np.random.default_rng(recipe.seed).random(len(pairs))
    for name, share in recipe.volume.items():
        used &= (source != name) | (chance < share)
    return used


def _grades(pairs: pa.Table) -> np.ndarray:
    grades: np.ndarray = pairs["grade"].to_numpy()
    return grades


def _of_grade(searches: pa.Table, least: float) -> pa.Table:
    """Searches with their targets of this grade or more, those that have any."""
    targets, grades = (one_chunk(searches[name]) for name in ("targets", "grades"))
    kept = pc.greater_equal(grades.flatten(), least)
    counts = np.bincount(pc.list_parent_indices(targets).filter(kept).to_numpy(), minlength=len(searches))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    targets = pa.ListArray.from_arrays(pa.array(offsets), targets.flatten().filter(kept))
    at = searches.schema.get_field_index("targets")
    return searches.set_column(at, "targets", targets).filter(pa.array(counts > 0))


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, max(len(table), 1), _ROWS):
        yield table.slice(start, _ROWS)


def _refuse(bad: pa.ChunkedArray, values: pa.ChunkedArray, table: str, column: str, problem: str) -> None:
    mask = bad.to_numpy()
    if count := int(mask.sum()):
        row = int(mask.argmax())
        raise TableError(
            f"table {table}, column '{column}', row {row}: {values[row].as_py()!r} {problem} ({count} such rows): "
            "run `alicorn mine` again",
            table=table,
            column=column,
            row=row,
            count=count,
        )
