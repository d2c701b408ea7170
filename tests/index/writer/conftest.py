"""A store of two embedding keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from index_tables import DIMS

from alicorn.index import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store.create(tmp_path / "c", embeddings=DIMS, metadata={"model": "m1"}) as store:
        yield store
