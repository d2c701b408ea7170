"""Does a learned ranker order real searches better than the tuned weighted sum and reciprocal-rank fusion?

    python benchmarks/learning/served.py DATA --out DIR --only movies
    python benchmarks/ranking/examples.py DIR [--only movies] [--features FILE] [--split test]

Data: what served.py made of examples/movies and examples/places: pairs, towers, a collection, and a vertical with the
order that `tune --order` found on valid. `alicorn rank train --no-positions --candidates 100` learns a forest from half
of the valid searches by the example's features.yaml, or by --features. NDCG@10 on the other half of valid, or on test,
of the hybrid expression in the tuned order (the weighted sum), by reciprocal-rank fusion and with the forest; paired
differences with 95 % intervals over searches. Choose features on valid, and look at test once.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from alicorn import Collection, Model, Vertical
from alicorn.evaluation.metrics.bootstrap import Interval
from alicorn.evaluation.metrics.comparison import Comparison
from alicorn.evaluation.searches import read_searches
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.learning.lambdamart import ForestSettings
from alicorn.ranking.learning.learn import FUSED, PRESENT, RANKED, compared, learn_ranker
from alicorn.ranking.stages import Pipeline
from alicorn.retrieval.retriever import Retriever

EXAMPLES = Path(__file__).parents[2] / "examples"
MEASURE = "NDCG@10"


def row_of(
    folder: Path, features: FeatureSet, split: str
) -> tuple[Comparison, dict[str, Interval], int, dict[str, float]]:
    """The comparison, the differences to rrf, how many searches, and the share of each feature in the forest."""
    model = Model.load(folder / "model-towers").with_vertical(Vertical.load(folder / "tuned-towers.yaml"))
    pairs = folder / "pairs"
    with (
        tempfile.TemporaryDirectory() as temporary,
        Collection.open(folder / "collection-towers", read_only=True) as collection,
    ):
        retriever, place = Retriever(collection, [model]), Path(temporary) / "ranker"
        report = learn_ranker(pairs, retriever, features, place, ForestSettings(positions=False), candidates=100)
        gains = report.learned.gains
        if split == "valid":
            return report.comparison, report.to_rrf, report.searches["measuring"], gains
        searches = read_searches(pairs, split=split)
        ranking = Pipeline.load(place, model.vertical, collection)
        return *compared(retriever, {RANKED: ranking}, searches), len(searches), gains


def said(of: Interval) -> str:
    return f"{of.mean:.3f} [{of.low:.3f}, {of.high:.3f}]"


def change(of: Interval) -> str:
    return f"{of.mean:+.3f} [{of.low:+.3f}, {of.high:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="DIR of served.py --out")
    parser.add_argument("--only", choices=["movies", "places"], help="one example instead of both")
    parser.add_argument("--features", type=Path, help="another features.yaml than the example's")
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    given = parser.parse_args()
    print("| set | searches | weighted sum | rrf | with ranking | to the weighted sum | to rrf |\n" + "|---" * 7 + "|")
    for name in [given.only] if given.only else ["movies", "places"]:
        features = FeatureSet.load(given.features or EXAMPLES / name / "features.yaml")
        found, to_rrf, count, gains = row_of(given.folder / name, features, given.split)
        means = " | ".join(said(found.mean(system, MEASURE)) for system in (PRESENT, FUSED, RANKED))
        beside = f"{change(found.difference(RANKED, MEASURE))} | {change(to_rrf[RANKED])}"
        print(f"| {name}, {given.split} | {count:,} | {means} | {beside} |", flush=True)
        print(", ".join(f"{feature} {share:.3f}" for feature, share in sorted(gains.items(), key=lambda one: -one[1])))


if __name__ == "__main__":
    main()
