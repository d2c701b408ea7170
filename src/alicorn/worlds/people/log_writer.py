"""Writes the logs of a people world: the tables of the log contract, and the truth that only a simulation knows.

Each table is a folder of part files, `<table>/part-00000.parquet` ..., one slice of searches each (documents and
searchers: of people). Beside the contract's documents, searchers, impressions and activity:

- impressions: a search that showed nothing has one row with null doc_id and position, clicked false
- segments: search_id, segment list<string>: the errors of the query or "exact", "ambiguous", the kind of want
- truth: search_id, doc_id: the wanted person, which no real log has
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.errors import ConfigError
from alicorn.worlds.people.searching import activity as activity_module
from alicorn.worlds.people.searching.activity import ACTIONS, Activity, ActivityModel
from alicorn.worlds.people.searching.clicks import ClickModel
from alicorn.worlds.people.searching.queries import QueryModel
from alicorn.worlds.people.searching.sessions import Engine, Pages, SearchSlice, ask, look_and_click, type_queries
from alicorn.worlds.people.searching.wants import KINDS, WantModel, Wants

if TYPE_CHECKING:
    from alicorn.worlds.people.world import PeopleWorld

START = 1_767_225_600_000_000  # 2026-01-01T00:00:00, microseconds since 1970
DAYS = 30
SEARCHES_PER_SLICE = 50_000
TABLES = ("documents", "searchers", "impressions", "activity", "segments", "truth")
INITIALS = "ABCDEFGHJKLMNPRSTW"


def write_logs(
    world: PeopleWorld,
    folder: Path,
    num_searches: int,
    engine: Engine,
    progress: Callable[[int, int], None] | None,
    clicks: ClickModel,
) -> dict[str, int]:
    """See PeopleWorld.write_logs."""
    if num_searches < 1:
        raise ConfigError(f"searches of the people world: needs at least 1, got {num_searches}")
    for table in TABLES:
        if (folder / table).exists():
            # Parts of longer logs would stay beside those of shorter ones and be read as one table.
            raise ConfigError(f"{folder / table} exists: remove the old logs, or write to another folder")
    for part, (start, stop) in enumerate(world.parts()):
        write_part(folder, "documents", part, world.documents(start, stop))
        write_part(folder, "searchers", part, world.searchers(start, stop))

    simulation = Simulation(world, engine, clicks)
    counts = {"searches": 0, "shown": 0, "clicks": 0, "failed": 0, "empty": 0, "follow_ups": 0, "background": 0}
    for part, first in enumerate(range(0, num_searches, SEARCHES_PER_SLICE)):
        last = min(first + SEARCHES_PER_SLICE, num_searches)
        for table, rows in simulation.slice(part, first, last, num_searches, counts).items():
            write_part(folder, table, part, rows)
        if progress:
            progress(last, num_searches)
    return counts


def write_part(folder: Path, table: str, part: int, rows: pa.Table) -> None:
    (folder / table).mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, folder / table / f"part-{part:05d}.parquet", compression="zstd")


class Simulation:
    """Draws slices of searches of one world against one engine."""

    def __init__(self, world: PeopleWorld, engine: Engine, clicks: ClickModel) -> None:
        self.clicks = clicks
        self.world = world
        self.engine = engine
        self.wants = Wants(world.population, world.graph, world.popularity, WantModel())
        self.ambiguous = world.identities.namesakes() > 0
        rng = np.random.default_rng([world.seed, 1])
        # How much a person searches: log-normal, a few people do most of it.
        self.busyness = np.cumsum(rng.lognormal(0.0, 1.0, world.num_people))

    def slice(self, part: int, first: int, last: int, total: int, counts: dict[str, int]) -> dict[str, pa.Table]:
        """Tables of searches first to last of `total`, which share out the whole time evenly. Adds to `counts`."""
        rng = np.random.default_rng([self.world.seed, 2, part])
        span = DAYS * 24 * activity_module.HOUR
        start, stop = START + span * first // total, START + span * last // total
        searches = self._draw(rng, last - first, start, stop)
        document = ask(self.engine, [typed.query for typed in searches.typed], self.world.num_people)
        pages = look_and_click(rng, searches, document, self.world.identities.name_key, self.clicks)

        failed = ~pages.clicked.any(axis=1)
        model = ActivityModel()
        later = activity_module.follow_ups(
            rng, searches.searcher[failed], searches.wanted[failed], searches.kind[failed], searches.time[failed], model
        )
        actors = self._actors(rng, int(model.background * len(searches)))
        besides = activity_module.background(rng, self.world.graph, actors, start, stop, model)

        counts["searches"] += len(searches)
        counts["shown"] += int((document >= 0).sum())
        counts["clicks"] += int(pages.clicked.sum())
        counts["failed"] += int(failed.sum())
        counts["empty"] += int((document[:, 0] < 0).sum())
        counts["follow_ups"] += len(later.time)
        counts["background"] += len(besides.time)
        search_ids = pa.array([f"s{number:09d}" for number in range(first, last)])
        return {
            "impressions": self._impressions(search_ids, searches, pages),
            "activity": self._activity(later, besides),
            "segments": self._segments(search_ids, searches),
            "truth": pa.table({"search_id": search_ids, "doc_id": self._ids(searches.wanted)}),
        }

    def _draw(self, rng: np.random.Generator, size: int, start: int, stop: int) -> SearchSlice:
        searcher = self._actors(rng, size)
        wanted, kind = self.wants.draw(rng, searcher)
        time = np.sort(rng.integers(start, stop, size))
        names, people = self.world.identities, self.world.population
        first = names.first_vocabulary.take(pa.array(names.first[wanted])).to_pylist()
        last = names.last_vocabulary.take(pa.array(names.last[wanted])).to_pylist()
        employers = names.employers.take(pa.array(people.employer[wanted])).to_pylist()
        extras = [
            [self.world.places.city[place], employer.split()[0], INITIALS[int(chance)]]
            for place, employer, chance in zip(
                people.city[wanted].tolist(), employers, rng.integers(0, len(INITIALS), size), strict=True
            )
        ]
        return SearchSlice(searcher, wanted, kind, time, type_queries(rng, first, last, extras, QueryModel()))

    def _actors(self, rng: np.random.Generator, size: int) -> np.ndarray:
        result: np.ndarray = np.searchsorted(self.busyness, rng.random(size) * self.busyness[-1], side="right")
        return result

    def _ids(self, people: np.ndarray) -> pa.Array:
        return self.world.doc_ids.take(pa.array(people))

    def _impressions(self, search_ids: pa.Array, searches: SearchSlice, pages: Pages) -> pa.Table:
        """Rows in order of time and position; a search that showed nothing keeps one row."""
        kept = pages.document >= 0
        kept[:, 0] = True
        row, rank = np.nonzero(kept)
        document = pages.document[row, rank]
        nothing = document < 0
        rows = pa.array(row)
        return pa.table(
            {
                "search_id": search_ids.take(rows),
                "searcher_id": self._ids(searches.searcher).take(rows),
                "time": pa.array(searches.time, pa.timestamp("us")).take(rows),
                "query": pa.array([typed.query for typed in searches.typed], pa.string()).take(rows),
                "doc_id": self.world.doc_ids.take(pa.array(document, mask=nothing)),
                "position": pa.array((rank + 1).astype(np.int32), mask=nothing),
                "clicked": pa.array(pages.clicked[row, rank]),
            }
        )

    def _activity(self, *parts: Activity) -> pa.Table:
        time = np.concatenate([part.time for part in parts])
        order = np.argsort(time, kind="stable")
        action = np.concatenate([part.action for part in parts])[order]
        return pa.table(
            {
                "searcher_id": self._ids(np.concatenate([part.searcher for part in parts])[order]),
                "time": pa.array(time[order], pa.timestamp("us")),
                "doc_id": self._ids(np.concatenate([part.document for part in parts])[order]),
                "kind": pa.array(ACTIONS).take(pa.array(action)),
            }
        )

    def _segments(self, search_ids: pa.Array, searches: SearchSlice) -> pa.Table:
        ambiguous = self.ambiguous[searches.wanted].tolist()
        segments = [
            [*(typed.errors or ("exact",)), *(("ambiguous",) if shared else ()), KINDS[kind]]
            for typed, shared, kind in zip(searches.typed, ambiguous, searches.kind.tolist(), strict=True)
        ]
        return pa.table({"search_id": search_ids, "segment": pa.array(segments, pa.list_(pa.string()))})
