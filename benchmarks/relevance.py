"""Do the trained towers and the hybrid find what BM25 finds, on real queries with real judgements?

Data: examples/movies (msrd: real queries, human labels) and examples/places (GeoNames: real alternate names, hidden
from the corpus), prepared by their own prepare.py; the valid split. A run prepares, mines, trains, publishes and asks:

    python benchmarks/relevance.py ../shared/data --out relevance [--only movies] [--retrain]

Baseline: BM25 of the bm25s library over the same words, k1 = 1.2 and b = 0.75 as in the engine, so that the two should
agree. Systems: that; BM25 of the engine; the towers by exact search; the vertical's hybrid expression by cosine; the
same by weighted sum of cosine and BM25; any word or the towers, by weighted sum. The weight is chosen on one half of
the searches and used on the other, both ways, so that no search is measured with a weight it helped to choose.

Read with care: the judged pool of movies is the top 24 of another BM25. Its recall@100 is high by construction, and a
movie outside the pool counts as wrong though nobody looked. "NDCG@10 judged" therefore drops unjudged documents before
it measures (a condensed list of the first 100); "NDCG@10" leaves them in with gain 0. Many queries are about one movie,
so that the intervals, over searches, are narrower than those over movies would be.
"""

import argparse
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import bm25s
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn import Collection, Model, Vertical, mine, train
from alicorn.evaluation.comparison import Measure, compare
from alicorn.evaluation.metrics import Targets, judged_only, ndcg_at, recall_at
from alicorn.evaluation.report import markdown, write_report
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems import bm25_run, embedding_run, expression_run, hybrid_run
from alicorn.publish import publish
from alicorn.text import words
from alicorn.training import Recipe
from alicorn.vertical.templates import fill_template

EXAMPLES = Path(__file__).parent.parent / "examples"
SOURCES = {"movies": "msrd", "places": "places-geonames"}
DEPTH = 100
WEIGHTS = (0.003, 0.01, 0.03, 0.1, 0.3)  # of BM25 beside a cosine of weight 1; BM25 of a good match is 5 to 20
BASELINE = "BM25 (bm25s)"
ANY_WORD_OR_NEAR = "(or {terms} (nn {key} :k 100 :nprobe 16))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/ and places-geonames/")
    parser.add_argument("--out", type=Path, default=Path("relevance"), help="everything is written below this folder")
    parser.add_argument("--only", choices=list(SOURCES), help="one example instead of both")
    parser.add_argument("--retrain", action="store_true", help="prepare, mine, train and publish again")
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else SOURCES:
        folder = arguments.out / name
        if arguments.retrain:
            shutil.rmtree(folder, ignore_errors=True)
        build(name, arguments.data / SOURCES[name], folder)
        report(name, folder)


def build(name: str, source: Path, folder: Path) -> None:
    """Logs, pairs, model and collection in `folder`; steps that are done are not repeated."""
    example = EXAMPLES / name
    vertical = Vertical.load(example / "vertical.yaml")
    steps = {
        "logs": lambda out: subprocess.run([sys.executable, example / "prepare.py", source, out], check=True),
        "pairs": lambda out: mine(folder / "logs", vertical, out),
        "model": lambda out: train(folder / "pairs", vertical, Recipe.load(example / "recipe.yaml"), out),
        "collection": lambda out: publish(
            folder / "pairs" / "documents.parquet", out, models=[Model.load(folder / "model")]
        ),
    }
    for step, run in steps.items():
        if not (folder / step).exists():
            started = time.perf_counter()
            folder.mkdir(parents=True, exist_ok=True)
            run(folder / step)
            print(f"{name}: {step} in {time.perf_counter() - started:.1f} s", file=sys.stderr)


def report(name: str, folder: Path) -> None:
    """Run every system on the valid split; write relevance.md, .json and .png, and print the Markdown."""
    vertical = Vertical.load(EXAMPLES / name / "vertical.yaml")
    searches = read_searches(folder / "pairs", split="valid")
    judged = judgements(folder / "pairs", searches)
    with Collection.open(folder / "collection") as collection:
        runs = run_systems(collection, vertical, Model.load(folder / "model"), searches)
    measures: dict[str, Measure] = {
        "recall@10": partial(recall_at, k=10),
        "recall@100": partial(recall_at, k=100),
        "NDCG@10": partial(ndcg_at, k=10),
    }
    notes = ["The weight of BM25 in a weighted sum was chosen on the other half of the searches."]
    if len(judged.documents) > len(searches.targets.documents):
        measures["NDCG@10 judged"] = lambda run, targets: ndcg_at(judged_only(run, judged), targets, 10)
        notes.append("NDCG@10 judged: without the documents that nobody judged for the search (condensed list).")
    comparison = compare(
        runs,
        searches.targets,
        measures=measures,
        segments=searches.segments,
        baseline=BASELINE,
    )
    title = f"{name}: {len(searches):,} searches of the valid split over {len(searches.documents):,} documents"
    write_report(comparison, folder, title=title, name="relevance", notes=notes)
    print(markdown(comparison, title=title, notes=notes))


def run_systems(collection: Collection, vertical: Vertical, model: Model, searches: Searches) -> dict[str, np.ndarray]:
    """System -> int32 (searches, DEPTH)."""
    requests = model.encode_requests(searches.requests)
    hybrid = partial(hybrid_run, collection, vertical, searches, requests, DEPTH)
    any_word = [fill_template(ANY_WORD_OR_NEAR, query, model.key) for query in searches.queries]
    any_word_or_near = partial(expression_run, collection, any_word, searches, DEPTH, vectors={model.key: requests})
    return {
        BASELINE: library_run(vertical, searches),
        "BM25 (engine)": bm25_run(collection, searches, DEPTH),
        "towers": embedding_run(requests, model.encode_documents(searches.documents), DEPTH),
        "hybrid by cosine": hybrid(order_by="nn"),
        "hybrid by weighted sum": cross_weighted(hybrid, searches.targets),
        "any word or towers, by weighted sum": cross_weighted(any_word_or_near, searches.targets),
    }


def library_run(vertical: Vertical, searches: Searches) -> np.ndarray:
    """BM25 by bm25s over the `text:` terms of the documents; a document without any word of the query is no result."""
    prefix = "text:"
    corpus = [
        [term.removeprefix(prefix) for term in row if term.startswith(prefix)]
        for row in vertical.terms(searches.documents).to_pylist()
    ]
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index(corpus, show_progress=False)
    queries = [list(dict.fromkeys(words(query))) for query in searches.queries]
    known = [[word for word in query if word in index.vocab_dict] for query in queries]
    run = np.full((len(searches), DEPTH), -1, dtype=np.int32)
    rows = [row for row, query in enumerate(known) if query]
    numbers, scores = index.retrieve([known[row] for row in rows], k=DEPTH, show_progress=False)
    run[rows] = np.where(scores > 0, numbers, -1)
    return run


def cross_weighted(run_with: partial, targets: Targets) -> np.ndarray:
    """The run by cosine + weight x BM25; each half of the searches has the weight of best NDCG@10 on the other."""
    runs = [run_with(order_by={"nn": 1.0, "bm25": weight}) for weight in WEIGHTS]
    values = np.stack([ndcg_at(run, targets, 10) for run in runs])  # (weights, searches)
    chosen = np.empty_like(runs[0])
    for half in (0, 1):
        best = int(np.nanmean(values[:, 1 - half :: 2], axis=1).argmax())
        print(f"  half {half}: weight {WEIGHTS[best]} of {WEIGHTS}", file=sys.stderr)
        chosen[half::2] = runs[best][half::2]
    return chosen


def judgements(pairs: Path, searches: Searches) -> Targets:
    """All documents shown in each search: what was judged. Targets of grade 0 would do as well: membership is used."""
    shown = pq.read_table(pairs / "impressions.parquet", columns=["session_id", "doc_id"])
    session_ids = searches.session_ids.combine_chunks()
    doc_ids = searches.documents["doc_id"].combine_chunks()
    rows = pc.index_in(shown["session_id"], session_ids)
    shown = shown.filter(pc.is_valid(rows))
    rows = rows.drop_null().to_numpy()
    order = np.argsort(rows, kind="stable")
    numbers = pc.index_in(shown["doc_id"], doc_ids).to_numpy()[order].astype(np.int32)
    starts = np.searchsorted(rows[order], np.arange(len(searches) + 1)).astype(np.int64)
    return Targets(starts, numbers, np.ones(len(numbers)))


if __name__ == "__main__":
    main()
