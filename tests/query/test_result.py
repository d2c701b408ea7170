"""A result is read from the snapshot that scored it, whatever is written afterwards."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.query import Collection


def rows(first: int, stop: int, version: int) -> pa.Table:
    """Documents d<first> to d<stop - 1>, each with a vector of its own."""
    numbers = range(first, stop)
    return pa.table(
        {
            "doc_id": [f"d{number}" for number in numbers],
            "terms": [["all", f"n:{number}"] for number in numbers],
            "embedding:x": pa.array([[1.0, number] for number in numbers], pa.list_(pa.float32())),
            "static_rank": [float(number) for number in numbers],
            "version": [version] * len(numbers),
        }
    )


@pytest.mark.parametrize(
    "expression", ["all", "(nn x :k 5)", "(or all (nn x :k 2))", "(strong-or (n:3 :optional-weight 1) all)"]
)
@pytest.mark.parametrize("flushed", [False, True])
def test_hits_are_those_that_were_scored(tmp_path: Path, expression: str, flushed: bool) -> None:
    vectors = {"x": np.array([1.0, 0.5])}
    with Collection.create(tmp_path / "c", {"x": 2}) as collection:
        for start in (0, 6):
            collection.upsert(rows(start, start + 6, version=1))
            if flushed:
                collection.flush()
        result = collection.search(expression, vectors, limit=4)
        assert result.snapshot is collection.snapshot()
        collection.upsert(rows(0, 9, version=2))
        collection.delete(result.ids[:2])
        collection.flush()
        collection.merge()
        assert len(result.ids) == 4
        for at, doc_id in enumerate(result.ids):
            document = result.document(at)
            assert (document["doc_id"], document["version"]) == (doc_id, 1)
            view, number = result.address(at)
            assert view.segment.document(number) == document


@pytest.mark.parametrize("expression", ["(nn x :k 3)", "(nn x :k 3 :filter n:4)", "all", "(and all (nn x :radius 1))"])
def test_results_of_many_requests_have_addresses_too(tmp_path: Path, expression: str) -> None:
    matrix = np.column_stack([np.ones(12), np.arange(12)])
    with Collection.create(tmp_path / "c", {"x": 2}) as collection:
        collection.upsert(rows(0, 12, version=1))
        collection.flush()
        results = collection.search_many([expression] * 12, {"x": matrix}, limit=2)
        collection.delete([f"d{number}" for number in range(12)])
        for result in results:
            assert len(result.ids) == len(result.segments) == len(result.numbers) > 0
            assert [result.document(at)["doc_id"] for at in range(len(result.ids))] == result.ids
