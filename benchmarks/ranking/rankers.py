"""Which features of an embedding, and which ranker, order best? Cosine, products, raw vectors; forest, BST.

    python benchmarks/effects/shop_world.py --out DIR
    python benchmarks/effects/shop_behaviour.py DIR                  # its model DIR/models/without reads the text alone
    python benchmarks/ranking/rankers.py DIR [--searches 1000] [--learn 1500] [--only NAME ...]

Data: the small shop world, a simulation. `alicorn rank train` learns a ranker for each set of features from `--learn`
valid searches, with the first 100 candidates of each as not chosen; every set has words, popularity, price and what
product and behaviour have in common. By searches of the test split: NDCG@10 of the product that was wanted (truth of
the world) and of what was clicked, 95 % intervals over searches, and the paired difference to the forest with the
cosine; p50 of a request's milliseconds by the clock, and the processor time of BST alone. EBR (section 5) found that
the cosine suffices.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from stages import DEPTH, NEAREST, WORDS, WORLDS, Truth, said

from alicorn import Collection, Model
from alicorn.evaluation.metrics.bootstrap import mean_interval, paired_difference
from alicorn.evaluation.metrics.ranking import ndcg_at
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.served import request_vectors, served, with_ranking
from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.ranking.bst import Bst
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.features.sequence import SequenceTokens
from alicorn.ranking.learning.lambdamart import ForestSettings
from alicorn.ranking.learning.learn import learn_ranker
from alicorn.ranking.stages import Pipeline
from alicorn.retrieval.retriever import Retriever

SEQUENCE: dict[str, Any] = {
    "parts": {name: f"realtime_{'item' if name == 'doc_id' else name}" for name in ("doc_id", "category", "brand")},
    "ages": "realtime_age_days",
}
BY_FOREST, BY_BST, BOTH = "[{kind: forest}]", "[{kind: bst}]", "[{kind: forest, keep: 50}, {kind: bst}]"
COSINE = "cosine"
SHOP = WORLDS["shop"]


class Row(NamedTuple):
    """key: embedding features. has_sequence: whether BST is learned. stages: of ranking.yaml, by the row's name."""

    of_embedding: tuple[str, ...]
    has_sequence: bool
    stages: dict[str, str]


ROWS = (
    Row((), False, {"no embedding": BY_FOREST}),
    Row(("cosine",), True, {COSINE: BY_FOREST, "BST": BY_BST, "forest, the first 50 by BST": BOTH}),
    Row(("hadamard",), False, {"products": BY_FOREST}),
    Row(("vectors",), False, {"raw vectors": BY_FOREST}),
    Row(("cosine", "hadamard"), False, {"cosine and products": BY_FOREST}),
    Row(("cosine", "vectors"), False, {"cosine and raw vectors": BY_FOREST}),
)


def features(row: Row, model: Model) -> FeatureSet:
    of_embedding: dict[str, dict[str, Any]] = {
        kind: {"kind": kind, "key": model.key, **({} if kind == "cosine" else {"dim": model.dim})}
        for kind in row.of_embedding
    }
    every = SHOP.feature_set().features
    others = {name: one.model_dump() for name, one in every.items() if one.kind not in ("cosine", "channel")}
    sequence = {"sequence": SEQUENCE} if row.has_sequence else {}
    return FeatureSet.model_validate({"features": {**others, **of_embedding}, **sequence})


def publish(folder: Path, work: Path, model: Model) -> Collection:
    documents = pq.read_table(folder / "logs" / "documents.parquet")
    table = indexed(documents, [model], datetime.datetime.now(datetime.UTC)).documents
    collection = Collection.create(work / "collection", {model.key: model.dim}, metadata_of([model]))
    collection.upsert(table)
    collection.flush()
    return collection


class Measured(NamedTuple):
    """wanted, clicked: NDCG@10, (searches,). took_ms: (searches,)."""

    wanted: np.ndarray
    clicked: np.ndarray
    took_ms: np.ndarray


def measured(found: Any, truth: Truth, searches: Searches) -> Measured:
    clicked = ndcg_at(found.run, searches.targets, 10)
    return Measured(truth.measures(found.run)["NDCG@10"], clicked, found.took_ms)


def rows_of(
    pairs: Path, work: Path, retriever: Retriever, searches: Searches, truth: Truth, learn: int, only: list[str]
) -> dict[str, Measured]:
    model = retriever.models[retriever.default_key]
    vectors = request_vectors(retriever, searches, model.key)
    plain = served(retriever, searches, DEPTH, "hybrid", model.key, vectors)
    found = {"nothing learned: by cosine": measured(plain, truth, searches)}
    settings = ForestSettings(positions=False)
    for number, row in enumerate(ROWS):
        if only and not set(only) & set(row.stages):
            continue
        place = work / str(number)
        place.mkdir()
        wanted = features(row, model)
        report = learn_ranker(pairs, retriever, wanted, place / "ranker", settings, "valid", DEPTH, learn)
        print(f"{', '.join(row.stages)}: learned from {report.searches['learning']} searches")
        for name, stages in row.stages.items():
            (place / "ranking.yaml").write_text(f"ranker: ranker\ncandidates: 200\nstages: {stages}\n")
            assert retriever.vertical is not None
            ranking = Pipeline.load(place / "ranking.yaml", retriever.vertical, retriever.collection)
            found[name] = measured(with_ranking(retriever, searches, DEPTH, model.key, ranking), truth, searches)
            if stages == BY_BST and ranking.ranker.bst is not None:
                print(f"BST alone: {taken(ranking.ranker.bst, len(ranking.ranker.features.names))}")
    return found


def taken(network: Bst, width: int) -> str:
    """Milliseconds of processor time for 50 and 200 candidates with 20 tokens of history."""
    rng = np.random.default_rng(0)
    history, ages = rng.integers(1, 1 << 30, (1, 20, len(SEQUENCE["parts"]))), np.ones((1, 20), dtype=np.float32)
    said = []
    for count in (50, 200):
        tokens = SequenceTokens(rng.integers(1, 1 << 30, (count, history.shape[2])), history, ages)
        matrix, times = rng.normal(size=(count, width)), []
        for _ in range(100):
            started = time.process_time()
            network.score(tokens, matrix)
            times.append((time.process_time() - started) * 1000.0)
        said.append(
            f"{count} candidates p50 {np.median(times):.1f}, p95 {np.quantile(times, 0.95):.1f} ms of processor"
        )
    return "; ".join(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="DIR of shop_world.py --out")
    parser.add_argument("--searches", type=int, default=1000, help="of the test split")
    parser.add_argument("--learn", type=int, default=1500, help="of the valid split; half of them teach")
    parser.add_argument("--only", nargs="*", default=[], help="names of rows")
    given = parser.parse_args()
    model = Model.load(given.folder / "models" / "without")
    model = model.with_vertical(SHOP.vertical({"words": WORDS, "nearest": NEAREST}, None))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        searches = read_searches(given.folder / "pairs", given.searches, split="test")
        truth = Truth(SHOP, given.folder, searches)
        with publish(given.folder, work, model) as collection:
            retriever = Retriever(collection, [model])
            pairs = given.folder / "pairs"
            said_of(rows_of(pairs, work, retriever, searches, truth, given.learn, given.only), len(searches))


def said_of(found: dict[str, Measured], count: int) -> None:
    print(f"{count} searches of the test split; small shop world, simulated\n")
    print("| | NDCG@10 of the wanted | to the cosine | of clicks | to the cosine | p50 ms |\n" + "|---" * 6 + "|")
    for name, of in found.items():
        cells = [name]
        for values, base in zip(of[:2], found.get(COSINE, of)[:2], strict=True):
            change = paired_difference(values, base)
            cells += [said(mean_interval(values)), f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"]
        print("| " + " | ".join([*cells, f"{np.median(of.took_ms):.1f}"]) + " |")


if __name__ == "__main__":
    main()
