"""What to learn from: the documents that searches showed, with the features that they had at that moment.

The features are those that the log has of each search, where a ranker of the same features served it; else those of the
collection and the models that will serve, with clicks counted up to each search. Documents that the collection lacks
are then left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.evaluation.earlier_choices import chosen_within, earlier_choices
from alicorn.index import Snapshot
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.pairs import PairsFolder
from alicorn.query.check import check_vectors
from alicorn.ranking.features import Candidates, ClickHistory, FeatureSet
from alicorn.ranking.features.candidates import NO_CHANNELS, by_channel
from alicorn.ranking.features.sequence import SequenceTokens
from alicorn.ranking.learning.logged import logged_features
from alicorn.retrieval.asked import Asked, asked_rows
from alicorn.retrieval.channels import found_by
from alicorn.retrieval.encoder import search_vectors
from alicorn.retrieval.reading.reader import ReadText
from alicorn.retrieval.regions import with_regions
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical.requests import RequestTables, request_table

_COLUMNS = ("search_id", "searcher_id", "time", "query", "doc_id", "position", "grade", "weight", "split")


@dataclass(frozen=True)
class RankExamples:
    """One row for each document of each search, search by search.

    matrix: (rows, features) float64. grades, weights: (rows,) float64. positions: (rows,) int64 from 1, 0 where it is
    not known. starts: (searches + 1,) where the rows of each search begin. splits, search_ids: of each search.
    left_out: rows of documents that the collection lacks. logged: searches whose features are those of the log.
    tokens: of the rows and of the searches, where the features have a sequence.
    """

    matrix: np.ndarray
    grades: np.ndarray
    weights: np.ndarray
    positions: np.ndarray
    starts: np.ndarray
    splits: np.ndarray
    search_ids: np.ndarray
    left_out: int
    logged: int = 0
    tokens: SequenceTokens | None = None

    def __len__(self) -> int:
        return len(self.splits)

    def take(self, searches: np.ndarray) -> RankExamples:
        """Some of the searches, by number, ascending."""
        counts = np.diff(self.starts)[searches]
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.starts[searches] - starts[:-1], counts) + np.arange(starts[-1])
        of_rows = (self.matrix[rows], self.grades[rows], self.weights[rows], self.positions[rows])
        of_searches = (self.splits[searches], self.search_ids[searches])
        tokens = self.tokens
        if tokens is not None:
            tokens = SequenceTokens(tokens.documents[rows], tokens.history[searches], tokens.ages[searches])
        return RankExamples(*of_rows, starts, *of_searches, self.left_out, self.logged, tokens)


def read_history(folder: PairsFolder) -> ClickHistory:
    """What was shown and clicked in train and valid: a ranker must not have seen test."""
    shown = folder.read("impressions", ["doc_id", "time", "position", "grade", "split"])
    shown = shown.filter(pc.not_equal(shown["split"], "test"))
    return ClickHistory.of(shown.append_column("clicked", pc.greater(shown["grade"], 0.0)))


def rank_examples(
    folder: PairsFolder,
    retriever: Retriever,
    features: FeatureSet,
    history: ClickHistory | None,
    splits: Sequence[str] = ("train", "valid"),
    candidates: int = 0,
    num_searches: int = 20_000,
    seed: int = 0,
    advance: Callable[[int, int], None] = lambda done, total: None,
    valid: pa.Array | None = None,
) -> RankExamples:
    """Of the searches of some splits with a document that was chosen, at most `num_searches` of each.

    valid: ids of the searches of valid that are looked at; None for all.
    candidates: of each search also so many first documents of the retriever, not chosen where they were not shown.
    Raises TableError where there is nothing to learn from.
    """
    shown = _shown(folder, splits, num_searches, seed, valid)
    first, counts = _of_searches(shown)
    searches = shown.take(pa.array(first))
    snapshot = retriever.collection.snapshot()
    placed = _places(snapshot, shown["doc_id"].combine_chunks())
    logged = logged_features(folder, shown, features)
    is_logged = np.minimum.reduceat(np.append(logged.rows, -1), first) >= 0
    if candidates or features.sequence is not None:
        is_logged[:] = False  # beside what is computed: features of other documents, or tokens
    computed = np.flatnonzero(~is_logged)
    asked = dict(zip(computed.tolist(), asked_of(folder, retriever, features, searches.take(computed)), strict=True))
    read = _read(folder, retriever, searches, asked) if candidates or features.needs_channels else {}
    rng = np.random.default_rng(seed)
    rows, matrices, tokens = [], [np.empty((0, len(features.names)))], []
    for row, (start, count) in enumerate(zip(first.tolist(), counts.tolist(), strict=True)):
        here = np.arange(start, start + count)
        if row in asked:
            here = here[placed[here, 0] >= 0]
        addresses = placed[here]
        if candidates:
            addresses = np.concatenate([addresses, _retrieved(retriever, read[row], asked[row], candidates, addresses)])
        # In an order that says nothing: LightGBM leaves equal scores in the order of the rows.
        order = rng.permutation(len(addresses))
        rows.append(np.append(here, np.full(len(addresses) - len(here), -1))[order])
        if row not in asked:
            matrices.append(logged.matrix[logged.rows[here[order]]])
        else:
            of_channels = read[row] if features.needs_channels else None
            found = _candidates(snapshot, addresses[order], asked[row], retriever, of_channels, history)
            if len(addresses):
                matrices.append(features.matrix(found))
            if features.sequence is not None:
                tokens.append(features.sequence.tokens(found))
        advance(row + 1, len(first))
    left_out = int((placed[np.repeat(~is_logged, counts), 0] < 0).sum())
    examples = _examples(shown, searches, rows, np.concatenate(matrices), left_out)
    of_all = SequenceTokens(*map(np.concatenate, zip(*tokens, strict=True))) if tokens else None
    return replace(examples, logged=int(is_logged.sum()), tokens=of_all)


def _examples(
    shown: pa.Table, searches: pa.Table, rows: list[np.ndarray], matrix: np.ndarray, left_out: int
) -> RankExamples:
    """rows: of each search those of `shown`, -1 for a document that was not shown."""
    flat = np.concatenate([np.empty(0, dtype=np.int64), *rows])

    def column(name: str, otherwise: float) -> np.ndarray:
        values = np.asarray(pc.fill_null(shown[name], otherwise)).astype(np.float64)
        found: np.ndarray = np.append(values, otherwise)[flat]
        return found

    starts = np.concatenate([[0], np.cumsum([len(each) for each in rows])]).astype(np.int64)
    of_rows = (matrix, column("grade", 0.0), column("weight", 1.0), column("position", 0).astype(np.int64))
    splits, ids = (np.array(searches[name].to_pylist(), dtype=object) for name in ("split", "search_id"))
    return RankExamples(*of_rows, starts, splits, ids, left_out)


def asked_of(folder: PairsFolder, retriever: Retriever, features: FeatureSet, searches: pa.Table) -> list[Asked]:
    """What is known of logged searches. searches: search_id, searcher_id, time, query."""
    ids = searches["search_id"].combine_chunks()
    of_searches = {name: folder.read(name, search_ids=ids) for name in ("behaviour", "context") if folder.has(name)}
    requests = request_table(searches, RequestTables(folder.searchers, **of_searches))
    if retriever.regions is not None:
        requests = with_regions(requests, searches["searcher_id"], retriever.regions)
    vectors = {key: search_vectors(model, requests) for key, model in retriever.models.items()}
    times = np.asarray(searches["time"].cast(pa.int64()))
    columns = tuple(dict.fromkeys([*features.asker_columns, *retriever.columns]))
    return asked_rows(requests, times.tolist(), vectors, columns)


def _shown(
    folder: PairsFolder, splits: Sequence[str], num_searches: int, seed: int, valid: pa.Array | None
) -> pa.Table:
    """The rows of the searches, search by search. A search where all grades are equal teaches no order."""
    spread = _spread(folder, splits)
    rng, chosen = np.random.default_rng(seed), []
    for split in splits:
        ids = spread.filter(pc.equal(spread["split"], split))["search_id"].combine_chunks()
        if split == "valid" and valid is not None:
            ids = ids.filter(pc.is_in(ids, valid))
        if len(ids) == 0:
            raise TableError(
                f"{folder.folder}: no search of {split} has a document that was chosen: there is nothing to learn from;"
                " widen the split in the vertical and mine again",
                table="impressions",
                column="grade",
            )
        kept = np.sort(rng.permutation(len(ids))[:num_searches])
        chosen.append(ids.take(pa.array(kept)))
    table = folder.read("impressions", list(_COLUMNS), pa.concat_arrays(chosen))
    return table.sort_by(
        [("time", "ascending"), ("search_id", "ascending"), ("position", "ascending")]
    ).combine_chunks()


def _spread(folder: PairsFolder, splits: Sequence[str]) -> pa.Table:
    """search_id and split of the searches of some splits that have a document that was chosen, by search_id."""
    key = ["search_id", "split"]
    wanted = pc.field("split").isin(pa.array(splits)) & (pc.field("grade") > 0)
    parts = [pa.table({name: pa.array([], pa.string()) for name in key})]
    for some in folder.batches("impressions", [*key, "grade"]):
        parts.append(some.filter(wanted).select(key).group_by(key).aggregate([]))
    return pa.concat_tables(parts).group_by(key).aggregate([]).sort_by("search_id")


def _of_searches(shown: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each search and how many it has."""
    ids = shown["search_id"].combine_chunks()
    is_first = np.ones(len(ids), dtype=bool)
    is_first[1:] = np.asarray(pc.not_equal(ids[1:], ids[:-1]))
    first = np.flatnonzero(is_first)
    return first, np.diff(np.append(first, len(ids)))


def _places(snapshot: Snapshot, doc_ids: pa.Array) -> np.ndarray:
    """(rows, 2) int64: segment and number of each document; -1 where the snapshot has it not."""
    coded = doc_ids.dictionary_encode()
    hashes = hash_ids(coded.dictionary)
    found = np.full((len(coded.dictionary), 2), -1, dtype=np.int64)
    for at, view in enumerate(snapshot.segments):
        places, numbers = view.live(coded.dictionary, hashes)
        found[places, 0], found[places, 1] = at, numbers
    placed: np.ndarray = found[np.asarray(coded.indices)]
    return placed


def _read(
    folder: PairsFolder, retriever: Retriever, searches: pa.Table, asked: Mapping[int, Asked]
) -> dict[int, ReadText]:
    """How the texts of some searches, by their rows, were read as they were asked: easy repeats without `nn`."""
    vertical = retriever.vertical
    assert vertical is not None
    rows = list(asked)
    earlier = earlier_choices(folder, searches.take(rows)) if vertical.selection.repeat_days else [[] for _ in rows]
    return {
        row: retriever.read(asked[row].text, known=asked[row].known, chosen=chosen_within(before, asked[row].time_us))
        for row, before in zip(rows, earlier, strict=True)
    }


def _retrieved(retriever: Retriever, read: ReadText, asked: Asked, count: int, shown: np.ndarray) -> np.ndarray:
    """(n, 2): the first documents of a text that were not shown."""
    vectors = {**read.vectors, **retriever.by_name(asked.vectors)}
    result = retriever.collection.search(read.expression, vectors, count, read.order_by)
    pairs = zip(result.segments.tolist(), result.numbers.tolist(), strict=True)
    known = set(map(tuple, shown.tolist()))
    return np.array([pair for pair in pairs if pair not in known], dtype=np.int64).reshape(-1, 2)


def _candidates(
    snapshot: Snapshot,
    addresses: np.ndarray,
    asked: Asked,
    retriever: Retriever,
    read: ReadText | None,
    history: ClickHistory | None,
) -> Candidates:
    """read: where features depend on channels."""
    assert retriever.vertical is not None
    segments, numbers = addresses.T
    channels = NO_CHANNELS if read is None else _channels(snapshot, addresses, asked, retriever, read)
    return Candidates(snapshot, segments, numbers, asked, retriever.vertical, history, channels)


def _channels(
    snapshot: Snapshot, addresses: np.ndarray, asked: Asked, retriever: Retriever, read: ReadText
) -> Mapping[str, np.ndarray]:
    """Which documents each channel finds; of a text that the selection answers without `nn`, nothing is known."""
    if not read.channels:
        return NO_CHANNELS
    vectors = check_vectors({**read.vectors, **retriever.by_name(asked.vectors)})
    return by_channel(read.channels, found_by(snapshot, read.expression, vectors, *addresses.T))


def searches_of(examples: RankExamples, split: str, of: Sequence[str] | None = None) -> np.ndarray:
    """The numbers of the searches of a split that have a chosen document. of: search_ids; None for all."""
    chosen = np.add.reduceat(np.append(examples.grades, 0.0), examples.starts[:-1])
    wanted: np.ndarray = (examples.splits == split) & (np.diff(examples.starts) > 0) & (chosen > 0)
    found = wanted if of is None else wanted & np.isin(examples.search_ids, of)
    return np.asarray(np.flatnonzero(found))
