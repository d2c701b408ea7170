"""A small real collection of people, its searchers, and models whose vectors can be worked out by hand."""

import copy
import datetime

import numpy as np
import pyarrow as pa

from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.query import Collection
from alicorn.text import words
from alicorn.vertical import Vertical

VERTICAL = Vertical.model_validate(
    {
        "name": "people",
        "embedding": "people",
        "document": {
            "features": {"name": {"kind": "text", "column": "name"}, "city": {"kind": "id", "column": "city"}},
            "terms": [
                {"prefix": "text", "column": "name", "kind": "words"},
                {"prefix": "city", "column": "city", "kind": "value"},
            ],
            "stored": ["name", "city", "year", "friends"],
            "static_rank": "popularity",
        },
        "request": {
            "features": {"text": {"kind": "text", "column": "query"}, "city": {"kind": "id", "column": "city"}}
        },
        "split": {"valid": 0.1},
    }
)

DOCUMENTS = pa.table(
    {
        "doc_id": ["p1", "p2", "p3", "p/4"],
        "name": ["John Smith", "John Smyth", "Jane Doe", "John Smith"],
        "city": ["Oslo", "Bergen", "Oslo", "Bergen"],
        "year": [1990, 1991, None, 1993],
        "friends": [["p2", "p3"], ["p1"], ["p1", "p/4"], []],
        "popularity": [4.0, 3.0, 2.0, 1.0],
    }
)
SEARCHERS = pa.table({"searcher_id": ["p3", "p2"], "city": ["Oslo", "Bergen"]})

_AXES = {"john": 0, "smith": 1, "smyth": 1, "jane": 2, "doe": 3, "Oslo": 4, "Bergen": 5}


class Model:
    """Axis-aligned words (smith and smyth are one), and the city where `personal`. Unit length, dim 8."""

    dim = 8
    vertical = VERTICAL
    num_interests = 1

    def __init__(self, key, personal):
        self.key = key
        self.personal = personal
        self.fingerprint = f"model of {key}"

    def with_vertical(self, vertical):
        changed = copy.copy(self)
        changed.vertical = vertical
        return changed

    def encode_requests(self, table):
        return self._encode(table["query"], table["city"])

    def encode_documents(self, table):
        return self._encode(table["name"], table["city"])

    def request_tower(self, searchers):
        return None

    def _encode(self, texts, cities):
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        vectors[:, 7] = 0.01
        for row, (text, city) in enumerate(zip(texts.to_pylist(), cities.to_pylist(), strict=True)):
            for word in words(text or ""):
                vectors[row, _AXES.get(word, 6)] += 1
            if self.personal and city is not None:
                vectors[row, _AXES.get(city, 6)] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


TEXT, UNIFIED = Model("people-text", personal=False), Model("people", personal=True)


def make_collection(path, models=(TEXT, UNIFIED)):
    collection = Collection.create(path, {model.key: model.dim for model in models}, metadata_of(models))
    collection.upsert(indexed(DOCUMENTS, models, datetime.datetime.now(datetime.UTC)).documents)
    return collection
