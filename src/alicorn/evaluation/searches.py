"""The searches to evaluate on: requests, target sets, segments, and the corpus they search.

They come from a pairs/ folder (`alicorn mine`), or from a log folder that is mined on the way: a sample of the last
split. Documents are numbered by doc_id (UTF-8 bytes), which is how a collection orders documents of equal score, so
exact and indexed runs agree on ties.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.evaluation.earlier_choices import Choice, chosen_within, earlier_choices
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.unseen import unseen
from alicorn.pairs import PairsFolder, is_pairs_folder
from alicorn.retrieval.regions import with_regions
from alicorn.vertical import Vertical
from alicorn.vertical.requests import RequestTables, request_table


@dataclass(frozen=True)
class Searches:
    """Sampled searches of one split over one corpus.

    times_us: int64, microseconds since 1970, UTC.
    requests: table of `query` and the searchers' columns, one row per search, as Model.encode_requests takes it.
    documents: the corpus sorted by doc_id; its row is the document number. targets: document numbers, -1 for a target
    outside the corpus. earlier: what its searcher had chosen for the words of each search; empty where nobody asks.
    segments: the labels of each search, of the log and of unseen.py. num_in_split: searches with
    targets before sampling. simulated: the searches come from a generated world, and every table that shows them must
    say so.
    """

    split: str
    search_ids: pa.ChunkedArray
    times_us: np.ndarray
    requests: pa.Table
    documents: pa.Table
    targets: Targets
    segments: list[list[str]]
    num_in_split: int
    num_without_targets: int
    simulated: bool
    earlier: Sequence[Sequence[Choice]] = ()

    def __len__(self) -> int:
        return len(self.requests)

    @property
    def queries(self) -> list[str]:
        return [query or "" for query in self.requests["query"].to_pylist()]

    @cached_property
    def _doc_ids(self) -> pa.Array:
        return self.documents["doc_id"].combine_chunks()

    def numbers(self, doc_ids: pa.Array) -> np.ndarray:
        """int32 (doc_ids,): the number of each document, -1 outside the corpus."""
        return _numbers(doc_ids, self._doc_ids)

    def chosen(self, row: int) -> Callable[[float], Sequence[str]]:
        """What the searcher of a search had chosen for its words, of so many days before it."""
        return chosen_within(self.earlier[row] if self.earlier else (), int(self.times_us[row]))

    def take(self, rows: np.ndarray, targets: Targets) -> "Searches":
        """Some of the searches, with targets of their own."""
        return replace(
            self,
            search_ids=self.search_ids.take(pa.array(rows)),
            times_us=self.times_us[rows],
            requests=self.requests.take(pa.array(rows)),
            targets=targets,
            segments=[self.segments[row] for row in rows],
            earlier=[self.earlier[row] for row in rows] if self.earlier else (),
        )

    def run(self, ids: list[list[str]], depth: int) -> np.ndarray:
        """Lists of doc_ids, best first, as a run: int32 (searches, depth); ids outside the corpus are left out."""
        ranked = np.full((len(ids), depth), -1, dtype=np.int32)
        rows = np.repeat(np.arange(len(ids)), [min(len(row), depth) for row in ids])
        flat = pa.array([doc_id for row in ids for doc_id in row[:depth]], type=pa.string())
        numbers = _numbers(flat, self._doc_ids)
        rows, numbers = rows[numbers >= 0], numbers[numbers >= 0]
        starts = np.searchsorted(rows, np.arange(len(ids)))
        ranked[rows, np.arange(len(rows)) - starts[rows]] = numbers
        return ranked


def open_searches(
    folder: str | Path,
    vertical: Vertical,
    num_searches: int = 10_000,
    seed: int = 0,
    split: str | None = None,
    repeats: bool = False,
    regions: pa.Table | None = None,
) -> Searches:
    """`read_searches` of a pairs/ folder; a log folder is first mined into a temporary one. Raises TableError."""
    folder = Path(folder)
    if is_pairs_folder(folder):
        return read_searches(folder, num_searches, seed, split, repeats, regions)
    from alicorn.logs import mine

    with tempfile.TemporaryDirectory() as temporary:
        mine(folder, vertical, Path(temporary) / "pairs")
        return read_searches(Path(temporary) / "pairs", num_searches, seed, split, repeats, regions)


def read_searches(
    pairs: str | Path,
    num_searches: int = 10_000,
    seed: int = 0,
    split: str | None = None,
    repeats: bool = False,
    regions: pa.Table | None = None,
) -> Searches:
    """At most `num_searches` searches, sampled without replacement, of a pairs/ folder.

    split: "test" or "valid"; without it the test split where there is one, else valid. Searches without targets are
    counted and left out before sampling. repeats: with what searchers had chosen earlier. regions: of searchers
    (retrieval/regions.py), as columns of the requests. Raises TableError.
    """
    folder = PairsFolder(pairs)
    searches = folder.read("searches")
    if split is None:
        split = "test" if pc.any(pc.equal(searches["split"], "test")).as_py() else "valid"
    searches = searches.filter(pc.equal(searches["split"], split))
    lengths = pc.fill_null(pc.list_value_length(searches["targets"]), 0)
    with_targets = searches.filter(pc.greater(lengths, 0))
    if len(with_targets) == 0:
        raise TableError(
            f"{folder.folder}: no search of the {split} split has a target (a click or a hard positive): there is "
            f"nothing to evaluate on; {len(searches)} searches without targets. Widen the split in the vertical and "
            "mine again",
            table="searches",
            column="targets",
            count=len(searches),
        )
    sampled = with_targets.take(sample(len(with_targets), num_searches, seed))
    documents = folder.read("documents").sort_by("doc_id")
    given = sampled["segment"].to_pylist()
    return Searches(
        split=split,
        search_ids=sampled["search_id"],
        times_us=np.asarray(sampled["time"].cast(pa.int64())),
        requests=_requests(sampled, folder, regions),
        documents=documents,
        targets=_targets(sampled, documents["doc_id"].combine_chunks()),
        segments=[[*(row or []), *new] for row, new in zip(given, unseen(sampled, folder), strict=True)],
        num_in_split=len(with_targets),
        num_without_targets=len(searches) - len(with_targets),
        simulated=folder.manifest.simulated,
        earlier=earlier_choices(folder, sampled) if repeats else (),
    )


def sample(count: int, size: int, seed: int) -> np.ndarray:
    """int64 (min(count, size),): sorted rows drawn without replacement."""
    if count <= size:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size, replace=False))


def _requests(searches: pa.Table, folder: PairsFolder, regions: pa.Table | None) -> pa.Table:
    """The columns that the request tower reads; of behaviour and context only the rows of these searches."""
    search_ids = searches["search_id"].combine_chunks()
    by_search = {
        name: folder.read(name, search_ids=search_ids) for name in ("behaviour", "context") if folder.has(name)
    }
    requests = request_table(searches, RequestTables(folder.searchers, **by_search))
    return requests if regions is None else with_regions(requests, searches["searcher_id"], regions)


def _targets(searches: pa.Table, doc_ids: pa.Array) -> Targets:
    lists, grades = (searches[name].combine_chunks() for name in ("targets", "grades"))
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    numbers = _numbers(lists.flatten(), doc_ids)
    weights = searches["weight"].to_numpy().astype(np.float64) if "weight" in searches.column_names else None
    return Targets(starts, numbers, grades.flatten().to_numpy().astype(np.float64), weights)


def _numbers(ids: pa.Array, doc_ids: pa.Array) -> np.ndarray:
    """int32 (ids,): the row of each id in doc_ids, -1 where it is not there."""
    rows: np.ndarray = pc.fill_null(pc.index_in(ids, doc_ids), -1).to_numpy(zero_copy_only=False)
    return rows.astype(np.int32)
