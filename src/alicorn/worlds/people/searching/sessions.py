"""Searches of the people world, one slice of time after another: who, when, whom, what was typed, shown and clicked.

Joins wants.py, queries.py, clicks.py and activity.py; log_writer.py writes what it yields. A slice is a fixed number of
searches with a random stream of its own, so logs of any length stream through the same memory.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import ConfigError
from alicorn.worlds.people.searching.clicks import ClickModel, click
from alicorn.worlds.people.searching.queries import QueryModel, Typed, type_query

Engine = Callable[[list[str]], list[list[str]]]

PAGE = 10
ENGINE_BATCH = 1000


@dataclass(frozen=True)
class SearchSlice:
    """One slice of searches in order of time; arrays of one entry per search."""

    searcher: np.ndarray  # int64, person numbers
    wanted: np.ndarray  # int32, person numbers
    kind: np.ndarray  # int8, index into wants.KINDS
    time: np.ndarray  # int64, microseconds since 1970
    typed: list[Typed]

    def __len__(self) -> int:
        return len(self.searcher)


@dataclass(frozen=True)
class Pages:
    """What the engine showed and what was clicked; arrays (searches, PAGE)."""

    document: np.ndarray  # int64, person numbers, -1 after the end of the page
    clicked: np.ndarray  # bool


def type_queries(
    rng: np.random.Generator, first: list[str], last: list[str], extras: list[list[str]], model: QueryModel
) -> list[Typed]:
    """The query of each search for people of these names."""
    chance = rng.random((len(first), model.draws))
    return [type_query(f, s, e, model, c) for f, s, e, c in zip(first, last, extras, chance.tolist(), strict=True)]


def ask(engine: Engine, queries: list[str], num_documents: int, letter: str = "p") -> np.ndarray:
    """The first page of every query's answer as document numbers, int64 (queries, PAGE), -1 after its end.

    letter: before the number in every doc_id of the world, "p" of people.
    The production engine knows no searcher, so a query is asked once, however many type it.
    """
    distinct = list(dict.fromkeys(queries))
    pages: list[list[str]] = []
    for start in range(0, len(distinct), ENGINE_BATCH):
        batch = distinct[start : start + ENGINE_BATCH]
        answers = engine(batch)
        if len(answers) != len(batch):
            raise ConfigError(f"production engine: must return one answer per query, {len(batch)}, got {len(answers)}")
        pages.extend(answer[:PAGE] for answer in answers)
    sizes = np.array([len(page) for page in pages])
    shown = np.full((len(distinct), PAGE), -1, np.int64)
    shown[np.arange(PAGE) < sizes[:, None]] = document_numbers(
        [doc_id for page in pages for doc_id in page], num_documents, letter
    )
    row = {query: row for row, query in enumerate(distinct)}
    return shown[[row[query] for query in queries]]


def document_numbers(doc_ids: list[str], num_documents: int, letter: str) -> np.ndarray:
    """The inverse of the doc_ids of a world, int64; refuses an id that is not of the world."""
    ids = pa.array(doc_ids, pa.string())
    valid = pc.match_substring_regex(ids, rf"^{letter}\d{{7,9}}$")
    if pc.all(valid).as_py() is not False:
        numbers = pc.utf8_slice_codeunits(ids, 1).cast(pa.int64()).to_numpy(zero_copy_only=False)
        valid = pa.array(numbers < num_documents)
        if numbers.size == 0 or numbers.max() < num_documents:
            result: np.ndarray = numbers
            return result
    stranger = doc_ids[pc.index(valid, pa.scalar(False)).as_py()]
    raise ConfigError(f"production engine: must return doc_ids of this world, got {stranger!r}")


def look_and_click(
    rng: np.random.Generator, searches: SearchSlice, document: np.ndarray, name_key: np.ndarray, model: ClickModel
) -> Pages:
    """Clicks on the shown pages. document: int64 (searches, PAGE); name_key: int64 (num_people,)."""
    is_wanted = document == searches.wanted[:, None]
    is_namesake = (name_key[document] == name_key[searches.wanted][:, None]) & ~is_wanted
    chance = rng.random(document.shape)
    return Pages(document, click(document >= 0, is_wanted, is_namesake, model, chance))
