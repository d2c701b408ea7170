"""One small world with its logs, made once, and a production engine of a dozen lines."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.text import words
from alicorn.worlds import PeopleWorld

# The properties of worlds are measured by a file beside the benchmark that prints them.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "effects"))

NUM_PEOPLE = 5000
NUM_SEARCHES = 20_000


def boolean_engine(documents: pa.Table) -> Callable[[list[str]], list[list[str]]]:
    """Documents whose name has every word of the query, most popular first."""
    by_rank = documents.take(np.argsort(-documents["popularity"].to_numpy(), kind="stable"))
    doc_ids = by_rank["doc_id"].to_pylist()
    postings: dict[str, set[int]] = {}
    for rank, name in enumerate(by_rank["name"].to_pylist()):
        for word in words(name):
            postings.setdefault(word, set()).add(rank)

    def search(queries: list[str]) -> list[list[str]]:
        matched = [set.intersection(*(postings.get(word, set()) for word in words(query))) for query in queries]
        return [[doc_ids[rank] for rank in sorted(ranks)] for ranks in matched]

    return search


@pytest.fixture(scope="session")
def world() -> PeopleWorld:
    return PeopleWorld.generate(NUM_PEOPLE, seed=3)


@pytest.fixture(scope="session")
def engine(world: PeopleWorld) -> Callable[[list[str]], list[list[str]]]:
    return boolean_engine(world.documents())


@pytest.fixture(scope="session")
def logs(world: PeopleWorld, engine: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    world.write_logs(folder, NUM_SEARCHES, engine)
    return folder
