"""Fakes of what evaluation asks of other rooms: a model, a collection, the table of searches."""

import datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.evaluation.systems.exact import exact_top_k

NUM_DOCUMENTS = 200
NUM_SEARCHES = 300
DIM = 16


def unit(rng, rows):
    vectors = rng.standard_normal((rows, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class FakeModel:
    """Documents have seeded vectors; a request gets that of the document whose id its query spells, or a random one."""

    key = "people"
    num_interests = 1

    def __init__(self, *, perfect: bool, fingerprint: str = "m1") -> None:
        self.perfect = perfect
        self.fingerprint = fingerprint
        self.seen: pa.Table | None = None

    def encode_documents(self, documents):
        order = np.array([int(doc_id[1:]) for doc_id in documents["doc_id"].to_pylist()])
        return unit(np.random.default_rng(0), NUM_DOCUMENTS)[order]

    def encode_requests(self, requests):
        self.seen = requests
        if not self.perfect:
            return unit(np.random.default_rng(1), len(requests))
        return unit(np.random.default_rng(0), NUM_DOCUMENTS)[[int(q[1:]) for q in requests["query"].to_pylist()]]


class FakeCollection:
    """Answers every nn exactly, but as an index that lost some documents; remembers what it was asked."""

    def __init__(self, doc_ids, vectors, *, model="m1", lost=()):
        keep = [i for i, doc_id in enumerate(doc_ids) if doc_id not in lost]
        self.ids = [doc_ids[i] for i in keep]
        self.vectors = vectors[keep]
        self.metadata = {"models": {"people": model}} if model else {}
        self.asked: list[tuple] = []

    def search_many(self, expressions, vectors=None, limit=10, order_by=None):
        self.asked.append((list(map(str, expressions)), limit, order_by))
        if not vectors:
            return [SimpleNamespace(ids=self.ids[:limit]) for _ in expressions]
        numbers, _ = exact_top_k(vectors["people"], self.vectors, limit)
        return [SimpleNamespace(ids=[self.ids[n] for n in row if n >= 0]) for row in numbers]


def write_searches(folder, query, targets, split="test"):
    rows = len(query)
    table = pa.table(
        {
            "search_id": [f"t{row}" for row in range(rows)],
            "searcher_id": [("s0", "s1", None)[row % 3] for row in range(rows)],
            "time": [datetime.datetime(2024, 1, 1)] * rows,
            "query": query,
            "targets": pa.array(targets, pa.list_(pa.string())),
            "grades": pa.array([list(range(1, 1 + len(row))) for row in targets], pa.list_(pa.float64())),
            "segment": [["misspelled"] if row % 3 == 0 else ["exact"] for row in range(rows)],
            "split": [split] * rows,
        }
    )
    pq.write_table(table, folder / "searches.parquet")
