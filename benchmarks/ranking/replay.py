"""Is a served log, scored again, the same to the last bit; and is a change named?

    python benchmarks/ranking/replay.py [--products 20000] [--searches 10000] [--seed 0]

Data: products of the shop world; titles are embedded by fixed random directions of their words. A server's endpoint
answers `--searches` texts, three words of a title each, by 100 hits, so that 10,000 searches log 1,000,000 hits, of 8
features, a weighted sum and a forest of 100 trees. Then the log is scored again: by the same ranker; with stop words;
with another definition of a feature; with another forest; and after one product in a hundred has changed. Printed are
the numbers that were compared, those that differ, the first of them, the processor time of each hit, and the greatest
memory of the process until then.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import xxhash

from alicorn.feedback import ServedLog
from alicorn.feedback.replay import Replayer
from alicorn.feedback.replayed import Replay
from alicorn.feedback.served_log import utc_now
from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.query import Collection
from alicorn.ranking.features import ClickHistory, FeatureSet
from alicorn.ranking.forest import Forest
from alicorn.ranking.ranker import Ranker, header_of
from alicorn.ranking.stages import Pipeline
from alicorn.ranking.stages.pipeline import RankingConfig
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.serving.api.messages import SearchRequest
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.text import words
from alicorn.vertical import Vertical
from alicorn.worlds import ShopWorld

VERTICAL = {
    "name": "products",
    "embedding": "products",
    "document": {
        "features": {"title": {"kind": "text", "column": "title"}},
        "terms": [
            {"prefix": "text", "column": "title", "kind": "words"},
            {"prefix": "brand", "column": "brand", "kind": "value"},
        ],
        "stored": ["title", "brand", "category", "price"],
        "static_rank": "popularity",
    },
    "request": {"features": {"text": {"kind": "text", "column": "query"}, "brand": {"kind": "id", "column": "brand"}}},
    "split": {"valid": 0.1},
}
FEATURES = {
    "cosine": {"kind": "cosine", "key": "products"},
    "words": {"kind": "bm25", "prefix": "text"},
    "matched": {"kind": "matched", "prefix": "text"},
    "length": {"kind": "query_words", "prefix": "text"},
    "popularity": {"kind": "static_rank"},
    "price": {"kind": "column", "column": "price"},
    "brand": {"kind": "common", "document": "brand", "searcher": "brand"},
    "clicks": {"kind": "clicks", "half_life_days": 30.0},
}
CONFIG = RankingConfig.model_validate(
    {"ranker": "-", "stages": [{"kind": "sum", "weights": {"cosine": 1.0, "words": 0.05}}, {"kind": "forest"}]}
)
_DIM = 32


class WordsModel:
    """A text is the sum of fixed random directions of its words."""

    key, dim, num_interests, fingerprint = "products", _DIM, 1, "words"

    def __init__(self, vertical: Vertical) -> None:
        self.vertical = vertical
        self._directions: dict[str, np.ndarray] = {}

    def encode_requests(self, table: pa.Table) -> np.ndarray:
        return self._encode(table["query"])

    def encode_documents(self, table: pa.Table) -> np.ndarray:
        return self._encode(table["title"])

    def request_tower(self, searchers: pa.Table) -> None:
        return None

    def _encode(self, texts: pa.ChunkedArray) -> np.ndarray:
        rows = np.array([np.sum([self._direction(word) for word in words(text)], axis=0) for text in texts.to_pylist()])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def _direction(self, word: str) -> np.ndarray:
        if word not in self._directions:
            rng = np.random.default_rng(xxhash.xxh3_64_intdigest(word.encode()))
            self._directions[word] = rng.normal(size=_DIM)
        return self._directions[word]


def make_ranker(features: FeatureSet, vertical: Vertical, history: ClickHistory, seed: int) -> Ranker:
    """A forest of 100 trees that was learned from noise: what it says does not matter, only that it is repeated."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(5_000, len(features.names)))
    data = lgb.Dataset(rows, rng.random(5_000) + rows[:, 0], feature_name=list(features.names))
    text = lgb.train({"verbosity": -1, "num_threads": 1, "num_leaves": 31}, data, 100).model_to_string()
    header = header_of(features, vertical, {"products": WordsModel.fingerprint}, {})
    return Ranker(header, features, Forest.read(text), history)


def make_history(doc_ids: pa.Array, rng: np.random.Generator) -> ClickHistory:
    shown = {
        "doc_id": doc_ids.take(pa.array(rng.integers(0, len(doc_ids), 100_000))),
        "time": (1_600_000_000 + rng.integers(0, 10**8, 100_000)).astype("M8[s]"),
        "position": rng.integers(1, 11, 100_000),
        "clicked": rng.random(100_000) < 0.2,
    }
    return ClickHistory.of(pa.table(shown))


def serve(collection: Collection, model: Any, ranker: Ranker, log: ServedLog, titles: list[str], count: int) -> float:
    """Microseconds of processor for each search."""
    rng, brands = np.random.default_rng(1), [f"brand{at}" for at in range(50)]
    searchers = pa.table({"searcher_id": [str(at) for at in range(50)], "brand": brands})
    pipeline = Pipeline(ranker, CONFIG, model.vertical, collection)
    endpoint = SearchEndpoint(Retriever(collection, [model], Searchers(model.vertical, searchers), pipeline), log)
    started = time.process_time()
    for _ in range(count):
        title = words(titles[rng.integers(len(titles))])
        text = " ".join(rng.choice(title, min(3, len(title)), replace=False))
        who = str(rng.integers(50))
        endpoint.search(SearchRequest(text=text, searcher=who, mode="embedding", limit=100, columns=[]))
    return (time.process_time() - started) / count * 1e6


def peak_mb() -> int:
    """Of this process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def told(title: str, found: Replay, seconds: float) -> None:
    compared = sum(found.compared.values())
    print(f"## {title}")
    print(
        f"{found.hits:,} hits, {compared:,} numbers compared, {seconds / found.hits * 1e6:.1f} us of processor a hit,"
        f" {peak_mb()} MB at most until now"
    )
    print(f"differing: {dict(found.differing)}; features not computed: {dict(found.passed)}")
    print(f"changed: {found.changed}")
    print(f"first: {next(iter(found.first.values()), None)}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    vertical, rng = Vertical.model_validate(VERTICAL), np.random.default_rng(given.seed)
    documents = ShopWorld.generate((given.products, 1_000), given.seed).documents()
    features, model = FeatureSet.model_validate({"features": FEATURES}), WordsModel(vertical)
    history = make_history(documents["doc_id"].combine_chunks(), rng)
    ranker = make_ranker(features, vertical, history, given.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = Collection.create(folder / "collection", {"products": _DIM}, metadata_of([model], vertical))
        with made as collection:
            collection.upsert(indexed(documents, [model], utc_now()).documents)
            collection.flush()
            with ServedLog(folder / "log") as log:
                served = serve(collection, model, ranker, log, documents["title"].to_pylist(), given.searches)
            print(f"served {given.searches:,} searches, {served:.0f} us of processor each; {peak_mb()} MB at most\n")

            def replay(title: str, by: Ranker, read: Vertical = vertical) -> None:
                started = time.process_time()
                found = Replayer(by, CONFIG, read, collection).replay(folder / "log")
                told(title, found, time.process_time() - started)

            replay("the same ranker", ranker)
            common = ["for", "and", "with", *words(documents["title"][0].as_py())]
            other_words = Vertical.model_validate(VERTICAL | {"analysis": {"text": {"stop_words": common}}})
            replay("with stop words", ranker, other_words)
            defined = FeatureSet.model_validate(
                {"features": FEATURES | {"clicks": {"kind": "clicks", "half_life_days": 31.0}}}
            )
            replay("another half-life of clicks", Ranker(ranker.header, defined, ranker.forest, history))
            replay("another forest", make_ranker(features, vertical, history, given.seed + 1))
            some = documents["doc_id"].combine_chunks()[::100]
            collection.update(
                pa.table({"doc_id": some, "price": pa.array(np.full(len(some), 9.99), documents["price"].type)})
            )
            replay("after one product in a hundred got another price", ranker)


if __name__ == "__main__":
    main()
