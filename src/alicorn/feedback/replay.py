"""A served log scored again: are the features and the scores of every hit those that were logged, to the last bit?

Scores are computed from the features that the log has, by the stages that score hit by hit. Features are computed from
what the log has of the request and from the documents of today, of those hits whose document has not been written
since: the segment that held it, known by its checksum, is there and has it. A feature that depends on other documents
too (BM25) is compared only where the whole collection is at the snapshot of the search. Stages that choose among all
candidates, or call a function, cannot be repeated from what was shown, and are named.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.config import parse_config, plain_yaml, read_text
from alicorn.errors import AlicornError
from alicorn.feedback.replayed import DifferentNumber, Replay, changes
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.query import Collection
from alicorn.ranking.features import Candidates
from alicorn.ranking.ranker import Ranker
from alicorn.ranking.stages.pipeline import RankerOnRecord, RankingConfig, on_record
from alicorn.ranking.stages.scoring import ByForest, WeightedSum
from alicorn.ranking.stages.slate import Slate
from alicorn.retrieval.asked import Asked
from alicorn.vertical import Vertical

_ORDER = "order"  # the score of the expression, whose snapshot is gone


_OF_SEARCHES = ("search_id", "time", "query", "ranker", "snapshot", "known", "vectors")
_OF_SHOWN = ("search_id", "doc_id", "segment", "channels", "scores", "features")
"""The columns that are read: of a part at a time, so that memory does not grow with the log."""


class Replayer:
    """Scores the searches of a log again by a ranker of today."""

    def __init__(self, ranker: Ranker, config: RankingConfig, vertical: Vertical, collection: Collection) -> None:
        self.ranker, self.config, self.vertical = ranker, config, vertical
        self.snapshot = collection.snapshot()
        self.models = dict(collection.metadata.get("models", {}))
        self.places = {
            view.segment.checksum: at
            for at, view in enumerate(self.snapshot.segments)
            if view.segment.checksum is not None
        }
        nobody, nothing = Asked("", {}, {}, 0), np.empty(0, dtype=np.int64)
        self.no_candidates = Candidates(self.snapshot, nothing, nothing, nobody, vertical)
        names = zip(config.stages, config.stage_names, strict=True)
        self.found = Replay(
            not_repeated=[name for stage, name in names if not isinstance(stage, ByForest | WeightedSum)]
        )

    def replay(
        self,
        folder: Path,
        day: datetime.date | None = None,
        advance: Callable[[int, int], None] = lambda done, total: None,
    ) -> Replay:
        """folder: of a served log. day: in UTC; None for all. Raises AlicornError where nothing was ranked."""
        parts = sorted((folder / "searches").glob("part-*.parquet"))
        records: dict[str, RankerOnRecord] = {}
        for number, path in enumerate(parts):
            searches = _of_day(pq.read_table(path, columns=list(_OF_SEARCHES)), day)
            shown_path = folder / "shown" / path.name
            if len(searches) and shown_path.is_file():
                shown = pq.read_table(shown_path, columns=list(_OF_SHOWN))
                for fingerprint in searches["ranker"].unique().to_pylist():
                    if fingerprint not in records:
                        records[fingerprint] = self._record(folder, fingerprint)
                    own = searches.filter(pc.equal(searches["ranker"], fingerprint))
                    self._searches(own, shown, records[fingerprint])
            advance(number + 1, len(parts))
        if not self.found.searches:
            of_day = "" if day is None else f" of {day.isoformat()}"
            raise AlicornError(
                f"{folder} has no search{of_day} that a ranker ordered: give the folder of --served-log of a server"
                " with --ranker, after it has written its parts"
            )
        return self.found

    def _record(self, folder: Path, fingerprint: str) -> RankerOnRecord:
        """The ranker that the log names; what of it has changed is noted."""
        path = folder / "rankers" / f"{fingerprint}.yaml"
        if not path.is_file():
            raise AlicornError(f"{path} is missing: it says which features and stages made the scores of the log")
        record = parse_config(plain_yaml(read_text(path), where=str(path)), RankerOnRecord, where=str(path))
        models = {key: self.models.get(key, "none") for key in record.models}
        now = on_record(self.ranker, self.config, self.vertical).model_copy(update={"models": models})
        self.found.changed += [one for one in changes(record, now) if one not in self.found.changed]
        return record

    def _searches(self, searches: pa.Table, shown: pa.Table, record: RankerOnRecord) -> None:
        """Those of one ranker and one part."""
        at = pc.index_in(shown["search_id"], searches["search_id"].combine_chunks())
        shown = shown.filter(pc.and_(at.is_valid(), shown["features"].is_valid())).combine_chunks()
        self.found.searches += len(searches)
        self.found.hits += len(shown)
        if not len(shown):
            return
        matrix = np.asarray(shown["features"].combine_chunks().flatten().fill_null(np.nan)).reshape(len(shown), -1)
        scores = _by_stage(shown["scores"].combine_chunks())
        self._scores(shown, matrix, scores, record)
        of_search = np.asarray(pc.index_in(shown["search_id"], searches["search_id"].combine_chunks()))
        is_scored = ~np.isnan(np.array([of for name, of in scores.items() if name != _ORDER] or [np.zeros(len(shown))]))
        self._features(searches, shown, of_search, matrix, is_scored.any(axis=0), record)

    def _scores(
        self, shown: pa.Table, matrix: np.ndarray, scores: dict[str, np.ndarray], record: RankerOnRecord
    ) -> None:
        names = record.features.names
        known = [names.index(name) if name in names else -1 for name in self.ranker.features.names]
        matrix = np.column_stack([matrix, np.full(len(matrix), np.nan)])[:, known]
        rows = np.arange(len(matrix))
        for stage, name in zip(self.config.stages, self.config.stage_names, strict=True):
            if isinstance(stage, ByForest | WeightedSum) and name in scores:
                slate = Slate(self.no_candidates, matrix, rows, np.zeros(len(rows)), rows[:0])
                computed = stage.apply(slate, self.ranker).noted(name).by_stage[name]
                has = np.flatnonzero(~np.isnan(scores[name]))
                self._compare(f"stage {name}", shown, has, scores[name][has], computed[has])

    def _features(
        self,
        searches: pa.Table,
        shown: pa.Table,
        of_search: np.ndarray,
        matrix: np.ndarray,
        is_scored: np.ndarray,
        record: RankerOnRecord,
    ) -> None:
        """Of the hits whose documents are as they were."""
        segments, numbers = self._addresses(shown)
        self.found.passed.update(_reasons(shown, segments, is_scored))
        usable = (segments >= 0) & is_scored
        computed = np.full((len(shown), len(self.ranker.features.names)), np.nan)
        asked = _asked_rows(searches, self.snapshot.embeddings)
        found_by = _by_channel(shown["channels"], self.vertical.expressions.hybrid.channels)
        order = np.argsort(of_search, kind="stable")
        starts = np.searchsorted(of_search[order], np.arange(len(searches) + 1))
        for row in range(len(searches)):
            hits = order[starts[row] : starts[row + 1]]
            hits = hits[usable[hits]]
            if len(hits):
                of_hits = (segments[hits], numbers[hits], asked(row), self.vertical, self.ranker.history)
                channels = {name: of[hits] for name, of in found_by.items()}
                computed[hits] = self.ranker.features.matrix(Candidates(self.snapshot, *of_hits, channels))
        is_snapshot = np.asarray(pc.equal(searches["snapshot"], self.snapshot.sequence))[of_search]
        for at, (name, feature) in enumerate(self.ranker.features.columns.items()):
            if name in record.features.names:
                has = np.flatnonzero(usable & is_snapshot if feature.of_collection else usable)
                logged = matrix[has, record.features.names.index(name)]
                self._compare(f"feature {name}", shown, has, logged, computed[has, at])

    def _addresses(self, shown: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """(hits,) int64, twice: segment and number of the documents that have not been written since; -1."""
        segments, numbers = np.full((2, len(shown)), -1, dtype=np.int64)
        ids = shown["doc_id"].combine_chunks()
        for checksum, at in self.places.items():
            rows = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(shown["segment"], checksum), False)))
            some = ids.take(pa.array(rows))
            places, found = self.snapshot.segments[at].live(some, hash_ids(some))
            segments[rows[places]], numbers[rows[places]] = at, found
        return segments, numbers

    def _compare(self, what: str, shown: pa.Table, rows: np.ndarray, logged: np.ndarray, computed: np.ndarray) -> None:
        same = (logged.view(np.int64) == computed.view(np.int64)) | (np.isnan(logged) & np.isnan(computed))
        self.found.compared[what] += len(rows)
        other = np.flatnonzero(~same)
        if len(other):
            self.found.differing[what] += len(other)
            at = int(other[0])
            row = int(rows[at])
            ids = (shown["search_id"][row].as_py(), shown["doc_id"][row].as_py())
            self.found.first.setdefault(what, DifferentNumber(what, *ids, float(logged[at]), float(computed[at])))


def _of_day(searches: pa.Table, day: datetime.date | None) -> pa.Table:
    """The searches of a day that a ranker ordered."""
    wanted = pc.field("ranker").is_valid()
    if day is not None:
        start = datetime.datetime.combine(day, datetime.time())
        first, end = (pa.scalar(time, pa.timestamp("us")) for time in (start, start + datetime.timedelta(days=1)))
        wanted = wanted & (pc.field("time") >= first) & (pc.field("time") < end)
    return searches.filter(wanted).combine_chunks()


def _by_stage(scores: pa.MapArray) -> dict[str, np.ndarray]:
    """Stage -> (hits,) float64, NaN where it gave no score."""
    offsets = np.asarray(scores.offsets)
    hits = np.repeat(np.arange(len(scores)), np.diff(offsets))
    entries = slice(offsets[0], offsets[-1])
    names = scores.keys[entries].dictionary_encode()
    codes, values = np.asarray(names.indices), np.asarray(scores.items[entries])
    found = {}
    for code, name in enumerate(names.dictionary.to_pylist()):
        of_stage = np.full(len(scores), np.nan)
        of_stage[hits[codes == code]] = values[codes == code]
        found[name] = of_stage
    return found


def _reasons(shown: pa.Table, segments: np.ndarray, is_scored: np.ndarray) -> Counter[str]:
    """Why the features of hits cannot be computed: how many hits."""
    in_memory = np.asarray(shown["segment"].is_null())
    gone = is_scored & (segments < 0)
    reasons = {
        "they are behind the candidates": ~is_scored,
        "their document was in memory, and may have been written since": gone & in_memory,
        "their document, or the segment that held it, has been written since": gone & ~in_memory,
    }
    return Counter({why: int(hits.sum()) for why, hits in reasons.items() if hits.any()})


def _by_channel(lists: pa.ChunkedArray, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Name -> (hits,) float64: 1 where the channel found the hit, else 0; NaN where the log does not say."""
    lists = lists.combine_chunks()
    parents, found = np.asarray(pc.list_parent_indices(lists)), lists.flatten()
    unknown = np.asarray(lists.is_null())
    by_name = {}
    for name in names:
        by_name[name] = np.where(unknown, np.nan, 0.0)
        by_name[name][parents[np.asarray(pc.equal(found, name))]] = 1.0
    return by_name


def _asked_rows(searches: pa.Table, dims: Mapping[str, int]) -> Callable[[int], Asked]:
    """What the log has of each request. A vector of another length than its key has now is left out: it is unknown."""
    texts, known = searches["query"].to_pylist(), searches["known"].to_pylist()
    times = np.asarray(searches["time"].cast(pa.int64()))
    maps = searches["vectors"].combine_chunks()
    offsets, keys = np.asarray(maps.offsets), maps.keys.to_pylist()
    starts, values = np.asarray(maps.items.offsets), np.array(maps.items.values)

    def asked(row: int) -> Asked:
        of_row = range(offsets[row], offsets[row + 1])
        flat = {keys[at]: values[starts[at] : starts[at + 1]] for at in of_row}
        vectors = {
            key: one.reshape(-1, dims[key]) for key, one in flat.items() if key in dims and len(one) % dims[key] == 0
        }
        return Asked(texts[row], vectors, json.loads(known[row] or "{}"), int(times[row]))

    return asked
