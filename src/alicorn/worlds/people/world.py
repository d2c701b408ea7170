"""The people world: a generated people-search vertical. Everything else in worlds/ serves this class.

It is a simulation; docs/people-world.md lists its assumptions and where its numbers come from. The same size and seed
give the same tables, whatever the number of threads.

    world = PeopleWorld.generate("small", seed=0)
    world.write_logs("logs/", num_searches=100_000, engine=search)      # search(queries) -> ids, best first
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.worlds.people.log_writer import write_logs
from alicorn.worlds.people.population.clusters import clusters_of_friends, social_clusters
from alicorn.worlds.people.population.communities import CommunityModel, Population, form_communities
from alicorn.worlds.people.population.embedding import social_embedding
from alicorn.worlds.people.population.graph import FriendGraph, FriendshipModel, befriend, draw_sociability
from alicorn.worlds.people.population.identities import Identities, draw_identities
from alicorn.worlds.people.population.places import Places, load_places
from alicorn.worlds.people.searching.clicks import ClickModel
from alicorn.worlds.people.searching.sessions import Engine

SIZES = {"small": (20_000, 100_000), "medium": (200_000, 1_000_000), "large": (2_000_000, 10_000_000)}
VERTICAL = Path(__file__).parent / "vertical.yaml"

SOCIAL_DIM = 32
CLUSTERS_PER_PERSON = 4
STORED_FRIENDS = 50  # a sample for the page of a person, not the graph
PEOPLE_PER_PLACE = 200
ROWS_PER_PART = 200_000


@dataclass(frozen=True)
class PeopleWorld:
    """People, their friendships and the features derived from them; person number = row of every array."""

    seed: int
    places: Places
    population: Population
    identities: Identities
    graph: FriendGraph
    cluster_numbers: np.ndarray  # int32 (num_people, CLUSTERS_PER_PERSON), -1 where there is none
    cluster_shares: np.ndarray  # float32, same shape
    social: np.ndarray  # float32 (num_people, SOCIAL_DIM), rows of unit length
    popularity: np.ndarray  # float32 (num_people,), static rank: number of friends times noise

    @classmethod
    def generate(cls, size: str | int = "small", seed: int = 0) -> "PeopleWorld":
        """size: "small", "medium", "large", or a number of people (at least 100)."""
        num_people = num_people_of(size)
        if seed < 0:
            raise ConfigError(f"seed of the people world: must be 0 or more, got {seed}")
        stages = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(7)]
        places = load_places(min(2000, max(20, num_people // PEOPLE_PER_PLACE)))
        population = form_communities(stages[0], num_people, places, CommunityModel())
        identities = draw_identities(stages[1], population, places)
        friendship = FriendshipModel()
        sociability = draw_sociability(stages[2], num_people, friendship)
        graph = befriend(stages[3], population, sociability, friendship)
        labels = social_clusters(stages[4], graph)
        numbers, shares = clusters_of_friends(graph.offsets, graph.friends, labels, CLUSTERS_PER_PERSON)
        social = social_embedding(stages[5], graph, SOCIAL_DIM)
        noise = np.exp(stages[6].normal(0.0, 0.5, num_people))
        popularity = ((1 + graph.degrees()) * noise).astype(np.float32)
        return cls(seed, places, population, identities, graph, numbers, shares, social, popularity)

    @property
    def num_people(self) -> int:
        return len(self.population)

    @cached_property
    def doc_ids(self) -> pa.StringArray:
        """Row = person number; a person is a document and a searcher under the same id."""
        return pa.array([f"p{number:07d}" for number in range(self.num_people)], pa.string())

    def documents(self, start: int = 0, stop: int | None = None) -> pa.Table:
        """People as documents, rows start to stop."""
        rows = slice(start, self.num_people if stop is None else stop)
        names = self.identities
        return pa.table(
            {
                "doc_id": self.doc_ids[rows],
                "name": names.full_names(rows),
                "first": names.first_vocabulary.take(pa.array(names.first[rows])),
                "last": names.last_vocabulary.take(pa.array(names.last[rows])),
                **self._location(rows),
                "school": names.schools.take(pa.array(self.population.school[rows])),
                "graduation_year": pa.array(self.population.graduation_year[rows]),
                "employer": names.employers.take(pa.array(self.population.employer[rows])),
                **self._social_columns(rows),
                "popularity": pa.array(self.popularity[rows]),
                "friends": self._sampled_friends(rows),
            }
        )

    def searchers(self, start: int = 0, stop: int | None = None) -> pa.Table:
        """The same people as searchers, with the columns a request may use, rows start to stop."""
        rows = slice(start, self.num_people if stop is None else stop)
        return pa.table({"searcher_id": self.doc_ids[rows], **self._location(rows), **self._social_columns(rows)})

    def write_logs(
        self,
        folder: Path | str,
        num_searches: int,
        engine: Engine,
        progress: Callable[[int, int], None] | None = None,
        clicks: ClickModel = ClickModel(),  # noqa: B008 (frozen)
    ) -> dict[str, int]:
        """Write documents, searchers, impressions, activity, segments and truth below `folder`, as part files.

        engine: the production engine; a batch of queries in, for each the doc_ids of its answer in rank order out.
        The first page of 10 is shown. It is asked once per distinct query of a slice of 50,000 searches.
        progress: called with searches done and to do. clicks: what is looked at and clicked.
        Returns counts: searches, shown, clicks, failed, empty, follow_ups, background.
        """
        return write_logs(self, Path(folder), num_searches, engine, progress, clicks)

    def parts(self) -> Iterator[tuple[int, int]]:
        """Ranges of rows that a part file of documents or searchers holds."""
        for start in range(0, self.num_people, ROWS_PER_PART):
            yield start, min(start + ROWS_PER_PART, self.num_people)

    def _location(self, rows: slice) -> dict[str, pa.Array]:
        place = pa.array(self.population.city[rows])
        return {
            "city": pa.array(self.places.city).take(place),
            "region": pa.array(self.places.region).take(place),
            "country": pa.array(self.places.country).take(place),
            "language": self.identities.languages.take(pa.array(self.identities.language[rows])),
        }

    def _social_columns(self, rows: slice) -> dict[str, pa.Array]:
        numbers, shares = self.cluster_numbers[rows], self.cluster_shares[rows]
        present = numbers >= 0
        offsets = pa.array(np.r_[0, np.cumsum(present.sum(axis=1))].astype(np.int32))
        names = pa.array([f"c{number}" for number in range(int(self.cluster_numbers.max()) + 1)])
        dense = np.arange(0, self.social[rows].size + 1, SOCIAL_DIM, dtype=np.int32)
        return {
            "clusters": pa.ListArray.from_arrays(offsets, names.take(pa.array(numbers[present]))),
            "cluster_weights": pa.ListArray.from_arrays(offsets, pa.array(shares[present])),
            "social": pa.ListArray.from_arrays(pa.array(dense), pa.array(self.social[rows].reshape(-1))),
        }

    def _sampled_friends(self, rows: slice) -> pa.ListArray:
        """Up to STORED_FRIENDS friends of each person, evenly spaced in the list of friends."""
        degree = self.graph.degrees()[rows]
        kept = np.minimum(degree, STORED_FRIENDS)
        offsets = np.r_[0, np.cumsum(kept)]
        rank = np.arange(offsets[-1]) - np.repeat(offsets[:-1], kept)
        step = np.repeat(degree / np.maximum(kept, 1), kept)
        positions = np.repeat(self.graph.offsets[:-1][rows], kept) + (rank * step).astype(np.int64)
        friends = self.doc_ids.take(pa.array(self.graph.friends[positions]))
        return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), friends)


def num_people_of(size: str | int) -> int:
    """Number of people of a named size, or the number itself."""
    if isinstance(size, str):
        if size not in SIZES:
            raise ConfigError(f"size of the people world: must be one of {', '.join(SIZES)}, got {size!r}")
        return SIZES[size][0]
    if size < 100:
        raise ConfigError(f"size of the people world: needs at least 100 people, got {size}")
    return size
