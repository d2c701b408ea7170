"""Documents in static-rank order over segments, and what a weak-and takes, beside sorted Python lists."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.index import Snapshot
from alicorn.query import Collection
from alicorn.query.sets import docset
from alicorn.query.sets.static_order import first_documents, with_optional_hits

Document = tuple[int, int]  # segment and number


def snapshot_of(path: Path, ranks_of_segments: list[list[float]], seed: int) -> Snapshot:
    """One segment for each list of ranks; doc_ids are of several lengths, some the beginning of others."""
    names = [f"{letter}{number}" for number in range(100) for letter in ("a", "é", "ab")]
    random.Random(seed).shuffle(names)
    with Collection.create(path, {"x": 2}) as collection:
        for ranks in ranks_of_segments:
            taken, names = names[: len(ranks)], names[len(ranks) :]
            table = {"doc_id": taken, "terms": pa.array([[]] * len(ranks), pa.list_(pa.string())), "static_rank": ranks}
            collection.upsert(pa.table(table | {"embedding:x": pa.nulls(len(ranks), pa.list_(pa.float32()))}))
            collection.flush()
        return collection.snapshot()


def in_order(snapshot: Snapshot, sets: list[set[int]]) -> list[Document]:
    """By falling rank, then by the bytes of doc_id."""

    def key(document: Document) -> tuple[float, bytes]:
        segment = snapshot.segments[document[0]].segment
        return -segment.static_rank[document[1]], segment.doc_ids[document[1]].as_py().encode()

    return sorted(((at, number) for at, numbers in enumerate(sets) for number in numbers), key=key)


def as_sets(snapshot: Snapshot, sets: list[set[int]]) -> list[docset.DocSet]:
    return [
        docset.from_unsorted(np.array(sorted(numbers), dtype=np.uint32), view.segment.num_docs)
        for numbers, view in zip(sets, snapshot.segments, strict=True)
    ]


@pytest.fixture(scope="module", params=[[0, 0], [40], [1, 70, 5], [30, 30, 30, 3]], ids=str)
def snapshot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Ranks are often tied, within a segment and across."""
    rng = random.Random(sum(request.param))
    ranks = [[float(rng.randrange(3)) for _ in range(count)] for count in request.param if count]
    return snapshot_of(tmp_path_factory.mktemp("order") / "c", ranks, seed=1)


def drawn(rng: random.Random, snapshot: Snapshot) -> list[set[int]]:
    share = rng.choice([0.0, 0.05, 0.5, 1.0])
    return [{n for n in range(view.segment.num_docs) if rng.random() < share} for view in snapshot.segments]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), limit=st.integers(0, 200))
def test_the_first_documents_come_by_rank_then_by_id(snapshot: Snapshot, seed: int, limit: int) -> None:
    sets = drawn(random.Random(seed), snapshot)
    segments, numbers = first_documents(snapshot, as_sets(snapshot, sets), limit)
    assert list(zip(segments.tolist(), numbers.tolist(), strict=True)) == in_order(snapshot, sets)[:limit]


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32 - 1), hits=st.lists(st.integers(0, 40) | st.just(1000), max_size=4))
def test_documents_are_taken_while_every_operand_that_they_lack_has_hits(
    snapshot: Snapshot, seed: int, hits: list[int]
) -> None:
    rng = random.Random(seed)
    sets, operands = drawn(rng, snapshot), [drawn(rng, snapshot) for _ in hits]
    left, expected = list(hits), set()
    for at, number in in_order(snapshot, sets):
        lacking = [i for i, operand in enumerate(operands) if number not in operand[at]]
        if all(left[i] for i in lacking):
            expected.add((at, number))
            for i in lacking:
                left[i] -= 1
    found = with_optional_hits(
        snapshot, as_sets(snapshot, sets), [as_sets(snapshot, operand) for operand in operands], hits
    )
    assert {(at, number) for at, part in enumerate(found) for number in docset.as_array(part).tolist()} == expected
