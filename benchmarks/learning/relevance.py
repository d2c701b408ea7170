"""What do people find without training data, on the real queries of examples/movies and examples/places?

    python benchmarks/learning/relevance.py DATA --out relevance [--only movies] [--split valid]

prepares and mines each example below --out and measures the baselines of rank_baselines.py: BM25 by bm25s, untrained
MiniLM, their reciprocal-rank fusion (k = 60: Cormack et al., SIGIR 2009), and for places BM25 of character trigrams
with popularity, whose weight is chosen on `valid`. `alicorn train`, `publish`, `tune --order` and `evaluate` on the
same folders give ours, over the same searches (docs/evaluation.md says how, and how far to trust either).
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import rank_baselines

from alicorn import Vertical, mine
from alicorn.evaluation.metrics.comparison import compare, served_measures
from alicorn.evaluation.reports.comparison_report import markdown, write_report
from alicorn.evaluation.searches import read_searches

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCES = {"movies": "msrd", "places": "places-geonames"}
DEPTH = 100
BASELINE = "RRF of BM25 and MiniLM"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/ and places-geonames/")
    parser.add_argument("--out", type=Path, default=Path("relevance"), help="everything is written below this folder")
    parser.add_argument("--only", choices=list(SOURCES), help="one example instead of both")
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else SOURCES:
        vertical = Vertical.load(EXAMPLES / name / "vertical.yaml")
        pairs = mined(name, vertical, arguments.data / SOURCES[name], arguments.out / name)
        report(name, vertical, pairs, arguments.split, arguments.out / name)


def mined(name: str, vertical: Vertical, source: Path, folder: Path) -> Path:
    """The pairs/ of an example; what is there already is kept."""
    logs, pairs = folder / "logs", folder / "pairs"
    folder.mkdir(parents=True, exist_ok=True)
    if not logs.exists():
        subprocess.run([sys.executable, str(EXAMPLES / name / "prepare.py"), str(source), str(logs)], check=True)
    if not pairs.exists():
        mine(logs, vertical, pairs)
    return pairs


def report(name: str, vertical: Vertical, pairs: Path, split: str, folder: Path) -> None:
    """Run every baseline; write baselines.md, .json and .svg, and print the Markdown."""
    valid, searches = (read_searches(pairs, split=one) for one in ("valid", split))
    notes: list[str] = []
    words = rank_baselines.word_run(vertical, searches, DEPTH)
    meaning = rank_baselines.encoder_run(searches, rank_baselines.ENCODED[name], DEPTH)
    runs: dict[str, np.ndarray] = {
        "BM25 (bm25s)": words,
        "MiniLM, untrained": meaning,
        BASELINE: rank_baselines.fused([words, meaning], DEPTH),
    }
    if name == "places":
        runs["character n-grams and popularity"] = rank_baselines.character_run(valid, searches, DEPTH, notes)
    measures = served_measures((1, 10, DEPTH), searches.targets)
    comparison = compare(runs, searches.targets, measures=measures, segments=searches.segments, baseline=BASELINE)
    title = f"{name}: {len(searches):,} searches of the {split} split over {len(searches.documents):,} documents"
    write_report(comparison, folder, title=title, name="baselines", notes=notes)
    print(markdown(comparison, title=title, notes=notes))


if __name__ == "__main__":
    main()
