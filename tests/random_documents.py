"""Random documents of the vocabulary of random_trees.py, and their table."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa


def _rising(rng: random.Random, count: int) -> list[int]:
    """Positions with gaps, some of them of two terms."""
    at = 0
    return [at := at + rng.choice([0, 1, 1, 2, 5]) for _ in range(count)]


def random_documents(rng: random.Random, count: int, dims: Mapping[str, int], first: int = 0) -> list[dict[str, Any]]:
    """Documents d<first> ... of random_trees.vocabulary(dims): clustered vectors, tied ranks, missing values."""
    generator = np.random.default_rng(rng.randrange(2**32))
    centres = {key: np.random.default_rng(7).normal(size=(5, dim)) for key, dim in dims.items()}
    documents = []
    for number in range(first, first + count):
        terms = [f"tag:{rng.randrange(12)}" for _ in range(rng.randrange(4))]
        terms += [f"text:{rng.choice(['john', 'joan', 'jo', 'smith', 'smithe'])}" for _ in range(rng.randrange(6))]
        terms += [f"friend:d{rng.randrange(first + count)}" for _ in range(rng.randrange(4))]
        embeddings = {
            key: None
            if rng.random() < 0.1
            else (rng.choice(centres[key]) + 0.4 * generator.normal(size=dim)).astype(np.float32)
            for key, dim in dims.items()
        }
        friends = [f"d{rng.randrange(2 * count)}" for _ in range(rng.randrange(4))]
        documents.append(
            {
                "doc_id": f"d{number}",
                "terms": terms,
                "term_positions": None if rng.random() < 0.6 else _rising(rng, len(terms)),
                "price": None if rng.random() < 0.1 else round(rng.uniform(0, 100), 1),
                "year": None if rng.random() < 0.1 else rng.randrange(1990, 2020),
                "friends": None if rng.random() < 0.1 else friends,
                "best": rng.choice([None, f"d{rng.randrange(2 * count)}"]),
                "static_rank": float(rng.randrange(8)),
                "embeddings": embeddings,
            }
        )
    return documents


def table_of(documents: list[dict]) -> pa.Table:
    columns = {name: [document[name] for document in documents] for name in documents[0] if name != "embeddings"}
    types = {"terms": pa.list_(pa.string()), "friends": pa.list_(pa.string()), "best": pa.string()}
    types["term_positions"] = pa.list_(pa.int64())
    arrays = {name: pa.array(values, types.get(name)) for name, values in columns.items()}
    for key in documents[0]["embeddings"]:
        arrays[f"embedding:{key}"] = pa.array(
            [document["embeddings"][key] for document in documents], pa.list_(pa.float32())
        )
    return pa.table(arrays)
