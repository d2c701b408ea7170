"""KeyQuantizer: the classes of stored rows and prepared queries that a search may meet."""

import numpy as np

from alicorn.quantization import CODES, ROWS_AND_QUERIES, STORED, KeyQuantizer, NoEstimate, Settings
from alicorn.quantization.codecs import CHOICES

DIM = 16
CHOSEN = [Settings(codec=codec) for codec in CHOICES] + [Settings(codec="rabitq", bits=4)]


def quantizers(vectors: np.ndarray, stored: str) -> list[KeyQuantizer]:
    """Untrained, and trained with every codec that may be chosen."""
    chosen = [Settings()] if stored == CODES else CHOSEN
    trained = [KeyQuantizer.train(vectors, 1, settings, stored=stored) for settings in chosen]
    return [KeyQuantizer.untrained(DIM, stored), *trained]


def test_a_loop_is_declared_for_every_pair_of_rows_and_queries_and_for_no_other() -> None:
    vectors = np.random.default_rng(5).normal(size=(600, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = set()
    for stored in STORED:
        for quantizer in quantizers(vectors, stored):
            kept = np.empty((600, 0), np.float32) if stored == CODES else vectors.astype(stored)
            rows = quantizer.stored_rows(kept, quantizer.encode(vectors, quantizer.assign(vectors)))
            queries = (quantizer.codec.prepare(vectors[0]), NoEstimate())
            found |= {(type(rows), type(query)) for query in queries}
    assert found == set(ROWS_AND_QUERIES)
    assert len(ROWS_AND_QUERIES) == len(found)
