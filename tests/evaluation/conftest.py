"""A small pairs/ folder and its vertical."""

import numpy as np
import pyarrow as pa
import pytest
from evaluation_fakes import NUM_DOCUMENTS, NUM_SEARCHES, write_searches
from pairs_toy import write_folder

from alicorn.vertical import Vertical

VERTICAL = """
name: people
embedding: people
document:
  features:
    name: {kind: text, column: name}
  terms:
    - {prefix: text, column: name, kind: words}
  stored: [name]
request:
  features:
    text: {kind: text, column: query}
    city: {kind: id, column: city}
split: {valid: 0.1, test: 0.1}
"""


@pytest.fixture
def vertical(tmp_path):
    path = tmp_path / "vertical.yaml"
    path.write_text(VERTICAL)
    return Vertical.load(path)


@pytest.fixture
def pairs(tmp_path):
    """300 test searches: the query spells the target's doc_id; every third is `misspelled`; 10 have no target."""
    rng = np.random.default_rng(7)
    wanted = rng.integers(0, NUM_DOCUMENTS, NUM_SEARCHES)
    doc_ids = [f"d{n}" for n in range(NUM_DOCUMENTS)]
    tables = {
        "documents": pa.table({"doc_id": doc_ids, "name": doc_ids}),
        "searchers": pa.table({"searcher_id": ["s0", "s1"], "city": ["york", "bath"]}),
    }
    folder = write_folder(tmp_path / "pairs", tables)
    write_searches(
        folder,
        query=[f"d{n}" for n in wanted],
        targets=[[] if row < 10 else [f"d{n}"] for row, n in enumerate(wanted)],
    )
    return folder
