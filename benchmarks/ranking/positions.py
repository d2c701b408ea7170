"""How much of what position bias takes from a ranker does it regain where positions are known?

    python benchmarks/ranking/positions.py [--world people shop] [--exponent 1 2] [--searches 20000] [--seed 0]

Data: the worlds' searches, answered by words and popularity; a result at rank r is looked at with probability
1 / r ** exponent. The forest learns from train and stops on valid; it orders the pages of test anew, and NDCG@10 is by
the truth: what is clicked in the same world where everything is looked at (exponent 0). Features: words, popularity,
which is the order of the log, and what searcher and document have in common; in the shop also price and what was
browsed before. Five orders: as logged, learned from clicks, from clicks with positions whose factors are learned beside
the forest, from clicks with the propensities of the world, at least 1/10, from the truth. The
share regained is (with positions - clicks) / (truth - clicks), with a bootstrap interval over the searches of test;
where clicks are as good as the truth within theirs, there is no gap.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.logs import mine
from alicorn.logs.click_weights import MOST
from alicorn.pairs import PairsFolder
from alicorn.query import Collection
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.forest import Forest
from alicorn.ranking.learning.examples import RankExamples, rank_examples, searches_of
from alicorn.ranking.learning.lambdamart import ForestSettings, learn_forest
from alicorn.tables import read_table
from alicorn.vertical import Vertical
from alicorn.worlds import PEOPLE_VERTICAL, SHOP_VERTICAL, PeopleWorld, ShopWorld
from alicorn.worlds.people.searching.clicks import ClickModel
from alicorn.worlds.shop.clicks import ShopClickModel

WORDS = {
    "words": {"kind": "bm25", "prefix": "text"},
    "matched": {"kind": "matched", "prefix": "text"},
    "length": {"kind": "query_words", "prefix": "text"},
    "popularity": {"kind": "static_rank"},
}
PEOPLE = {name: {"kind": "common", "document": name, "searcher": name} for name in ("city", "region", "country")}
SHOP = {
    f"{window}-{what}": {"kind": "common", "document": what, "searcher": f"{window}_{what}"}
    for window in ("realtime", "short", "long")
    for what in ("category", "brand", "shop")
} | {"price": {"kind": "column", "column": "price"}}
FEATURES = {
    "people": FeatureSet.model_validate({"features": WORDS | PEOPLE}),
    "shop": FeatureSet.model_validate({"features": WORDS | SHOP}),
}
_RESAMPLES = 1000


def make(kind: str, exponent: float, num_searches: int, seed: int, folder: Path) -> Vertical:
    """Logs, pairs, pairs whose grades are the truth, and the collection of a world, its own production engine."""
    vertical = Vertical.load(PEOPLE_VERTICAL if kind == "people" else SHOP_VERTICAL)
    world: Any = PeopleWorld.generate(5_000, seed) if kind == "people" else ShopWorld.generate((5_000, 1_000), seed)
    with Collection.create(folder / "collection", {}) as collection:
        documents = world.documents()
        columns = {name: documents[name] for name in vertical.document.stored}
        terms, ranks = vertical.terms(documents), documents[vertical.document.static_rank]
        collection.upsert(pa.table({"doc_id": documents["doc_id"], "terms": terms, "static_rank": ranks, **columns}))

        def engine(queries: list[str]) -> list[list[str]]:
            asked = [vertical.expression("boolean", query) for query in queries]
            return [found.ids for found in collection.search_many(asked, limit=10, order_by="static_rank")]

        for name, power in (("logs", exponent), ("looked", 0.0)):
            clicks = ClickModel(exponent=power) if kind == "people" else ShopClickModel(exponent=power)
            world.write_logs(folder / name, num_searches, engine, clicks=clicks)
    mine(folder / "logs", vertical, folder / "pairs")
    copytree(folder / "pairs", folder / "truth")
    shown = pq.read_table(folder / "pairs" / "impressions.parquet")
    looked = next(path for path in (folder / "looked").iterdir() if path.stem == "impressions")
    grades = pa.array(true_grades(shown, read_table(looked, "impressions")))
    at = shown.schema.get_field_index("grade")
    pq.write_table(shown.set_column(at, "grade", grades), folder / "truth" / "impressions.parquet")
    return vertical


def true_grades(shown: pa.Table, looked: pa.Table) -> np.ndarray:
    """(shown,) float64: 1 for what is clicked where everything is looked at. The searches and pages are the same."""
    clicked = looked.filter(looked["clicked"])
    pairs = [pc.binary_join_element_wise(table["search_id"], table["doc_id"], " ") for table in (shown, clicked)]
    return np.asarray(pc.is_in(pairs[0], pairs[1].combine_chunks())).astype(np.float64)


def examples_of(pairs: Path, folder: Path, kind: str, vertical: Vertical) -> RankExamples:
    with Collection.open(folder / "collection", read_only=True) as collection:
        asks: Any = SimpleNamespace(collection=collection, vertical=vertical, models={}, columns=(), regions=None)
        splits = ("train", "valid", "test")
        return rank_examples(PairsFolder(pairs), asks, FEATURES[kind], None, splits, num_searches=10**9)


def ndcg(scores: np.ndarray, truth: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """NDCG@10 of each search, all of whose pages have at most ten documents."""
    found = []
    for start, stop in pairwise(starts.tolist()):
        gains, discounts = truth[start:stop], 1 / np.log2(np.arange(2, stop - start + 2))
        order = np.argsort(-scores[start:stop], kind="stable")
        best = (np.sort(gains)[::-1] * discounts).sum()
        found.append((gains[order] * discounts).sum() / best if best else np.nan)
    return np.array(found)


def orders(kind: str, exponent: float, num_searches: int, seed: int) -> dict[str, np.ndarray]:
    """NDCG@10 of the searches of test, by each order."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        vertical = make(kind, exponent, num_searches, seed, folder)
        clicked, true = (examples_of(folder / name, folder, kind, vertical) for name in ("pairs", "truth"))
    looked = tuple(np.maximum(1 / np.arange(1, 11) ** exponent, 1 / MOST).tolist())
    test = true.take(searches_of(true, "test"))
    found = {"as logged": ndcg(-test.positions.astype(np.float64), test.grades, test.starts)}
    learned: dict[str, tuple[RankExamples, ForestSettings]] = {
        "clicks": (clicked, ForestSettings(positions=False, seed=seed)),
        "clicks with positions": (clicked, ForestSettings(seed=seed)),
        "clicks with propensities": (clicked, ForestSettings(propensities=looked, seed=seed)),
        "truth": (true, ForestSettings(positions=False, seed=seed)),
    }
    for name, (examples, settings) in learned.items():
        parts = (examples.take(searches_of(examples, split)) for split in ("train", "valid"))
        forest = Forest.read(learn_forest(*parts, FEATURES[kind], settings).text)
        found[name] = ndcg(forest.score(test.matrix), test.grades, test.starts)
    return found


def regained(found: dict[str, np.ndarray], by: str, seed: int) -> str:
    clicks, positions, truth = (found[name] for name in ("clicks", by, "truth"))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(truth), size=(_RESAMPLES, len(truth)))
    gaps = truth[drawn].mean(axis=1) - clicks[drawn].mean(axis=1)
    if np.percentile(gaps, 2.5) <= 0:
        return "no gap"
    shares = (positions[drawn].mean(axis=1) - clicks[drawn].mean(axis=1)) / gaps
    share = (positions.mean() - clicks.mean()) / (truth.mean() - clicks.mean())
    low, high = np.percentile(shares, (2.5, 97.5))
    return f"{share:.0%} [{low:.0%}, {high:.0%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", nargs="+", default=["people", "shop"], choices=["people", "shop"])
    parser.add_argument("--exponent", nargs="+", type=float, default=[1.0, 2.0])
    parser.add_argument("--searches", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(
        "| world | exponent | as logged | clicks | with positions | with propensities | truth | regained by positions |"
        " by propensities | searches |"
    )
    print("|---" * 10 + "|")
    for kind in given.world:
        for exponent in given.exponent:
            found = orders(kind, exponent, given.searches, given.seed)
            means = " | ".join(f"{each.mean():.3f}" for each in found.values())
            count = len(found["truth"])
            ways = ("clicks with positions", "clicks with propensities")
            shares = " | ".join(regained(found, way, given.seed) for way in ways)
            print(f"| {kind} | {exponent:g} | {means} | {shares} | {count} |", flush=True)


if __name__ == "__main__":
    main()
