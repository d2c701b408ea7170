"""A small collection of clustered vectors, and queries near them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.query import Collection

DIM, COUNT = 12, 1_500


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def table_of(vectors: np.ndarray) -> pa.Table:
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])
    return pa.table({"doc_id": [f"d{number}" for number in range(len(vectors))], "embedding:x": column})


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    """(1500, 12): 30 clusters that overlap, so that neighbours lie in several cells."""
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(30, DIM))
    return unit(centers[rng.integers(30, size=COUNT)] + 0.7 * rng.normal(size=(COUNT, DIM)))


@pytest.fixture(scope="session")
def queries(vectors: np.ndarray) -> np.ndarray:
    """(40, 12) near documents."""
    rng = np.random.default_rng(4)
    return unit(vectors[rng.choice(COUNT, 40)] + 0.1 * rng.normal(size=(40, DIM)))


@pytest.fixture
def collection(tmp_path: Path, vectors: np.ndarray) -> Iterator[Collection]:
    with Collection.create(tmp_path / "collection", {"x": DIM, "y": 3}) as made:
        made.upsert(table_of(vectors))
        made.delete(["d0", "d1"])
        yield made
