"""Do the trained towers and the hybrid find what BM25 and a pretrained encoder find, on real queries?

Data: examples/movies (msrd: real queries, human labels) and examples/places (GeoNames: real alternate names, hidden
from the corpus), prepared by their own prepare.py. Weights and the epoch to keep are chosen on `valid`, which is held
out of the sets' own train splits; figures are of `test`, the sets' own valid splits, on which some sizes in the recipes
were chosen earlier (their comments say which). A run prepares, mines, trains one model for each recipe*.yaml of the
example, publishes all into one collection, and asks:

    python benchmarks/learning/relevance.py DATA --out relevance [--only movies] [--retrain]

Baseline: reciprocal-rank fusion (k = 60: Cormack et al., SIGIR 2009) of BM25 and untrained MiniLM, as people without
training data build it. Systems: rank_baselines.py; then for each recipe the towers by exact search, and the hybrids
through the engine: the vertical's hybrid expression by cosine, the same and a wider one by a weighted sum of cosine,
BM25 and static rank. Weights: the best NDCG@10 on `valid`, one after the other.

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
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import rank_baselines

from alicorn import Collection, Model, Vertical, mine, train
from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.comparison import Measure, compare
from alicorn.evaluation.metrics.ranking import Targets, judged_only, ndcg_at, recall_at
from alicorn.evaluation.reports.comparison_report import markdown, write_report
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.runs import embedding_run, expression_run
from alicorn.evaluation.systems.served import any_word
from alicorn.language.templates import Template
from alicorn.publishing.publish import publish
from alicorn.training import Recipe

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCES = {"movies": "msrd", "places": "places-geonames"}
DEPTH = 100
BM25_WEIGHTS = (0.0, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)  # beside a cosine of weight 1; BM25 of a good match is 5 to 20
STATIC_WEIGHTS = (0.0, 0.003, 0.01, 0.02, 0.05, 0.1)  # of the logarithm of votes or population
BASELINE = "RRF of BM25 and MiniLM"
WIDER = "(or {terms} (nn {key} :k 100))"  # any word
Runner = Callable[[Searches, dict[str, float]], np.ndarray]


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
        models = build(name, arguments.data / SOURCES[name], folder)
        report(name, folder, models)


def build(name: str, source: Path, folder: Path) -> list[Model]:
    """Logs, pairs, models and collection in `folder`; steps that are done are not repeated. Returns the models."""
    example = EXAMPLES / name
    vertical = Vertical.load(example / "vertical.yaml")
    folder.mkdir(parents=True, exist_ok=True)
    prepare = [sys.executable, str(example / "prepare.py"), str(source), str(folder / "logs")]
    _once(folder / "logs", lambda: subprocess.run(prepare, check=True))
    _once(folder / "pairs", lambda: mine(folder / "logs", vertical, folder / "pairs"))
    models = []
    for path in sorted(example.glob("recipe*.yaml")):
        out = folder / path.stem.replace("recipe", "model")
        try:
            _once(out, partial(train, folder / "pairs", vertical, Recipe.load(path), out))
            models.append(Model.load(out))
        except ConfigError as error:
            print(f"{path.name} is left out: {error}", file=sys.stderr)
    _once(folder / "collection", lambda: publish(folder / "pairs" / "documents.parquet", folder / "collection", models))
    return models


def _once(out: Path, work: Callable[[], object]) -> None:
    if not out.exists():
        started = time.perf_counter()
        work()
        print(f"{out}: {time.perf_counter() - started:.1f} s", file=sys.stderr)


def report(name: str, folder: Path, models: list[Model]) -> None:
    """Run every system on the test split; write relevance.md, .json and .svg, and print the Markdown."""
    vertical = Vertical.load(EXAMPLES / name / "vertical.yaml")
    valid, test = (read_searches(folder / "pairs", split=split) for split in ("valid", "test"))
    judged = judgements(folder / "pairs", test)
    notes: list[str] = []
    with Collection.open(folder / "collection") as collection:
        runs = run_systems(name, collection, vertical, models, valid, test, notes)
    measures: dict[str, Measure] = {
        "recall@1": partial(recall_at, k=1),
        "recall@10": partial(recall_at, k=10),
        "recall@100": partial(recall_at, k=100),
        "NDCG@10": partial(ndcg_at, k=10),
    }
    if len(judged.documents) > len(test.targets.documents):
        del measures["recall@1"]  # a search has several targets
        measures["NDCG@10 judged"] = lambda run, targets: ndcg_at(judged_only(run, judged), targets, 10)
        notes.append("NDCG@10 judged: without the documents that nobody judged for the search (condensed list).")
    comparison = compare(runs, test.targets, measures=measures, segments=test.segments, baseline=BASELINE)
    title = f"{name}: {len(test):,} searches of the set's valid split over {len(test.documents):,} documents"
    write_report(comparison, folder, title=title, name="relevance", notes=notes)
    print(markdown(comparison, title=title, notes=notes))


def run_systems(
    name: str,
    collection: Collection,
    vertical: Vertical,
    models: list[Model],
    valid: Searches,
    test: Searches,
    notes: list[str],
) -> dict[str, np.ndarray]:
    """System -> int32 (searches, DEPTH). What was chosen on the valid split is added to the notes."""
    words = rank_baselines.word_run(vertical, test, DEPTH)
    meaning = rank_baselines.encoder_run(test, rank_baselines.ENCODED[name], DEPTH)
    runs = {
        "BM25 (bm25s)": words,
        "BM25 (engine)": any_word(collection, vertical, test, DEPTH).run,
        "MiniLM, untrained": meaning,
        BASELINE: rank_baselines.fused([words, meaning], DEPTH),
    }
    if name == "places":
        runs["character n-grams and popularity"] = rank_baselines.character_run(valid, test, DEPTH, notes)
    for model in models:
        label = "towers" + model.key.removeprefix(vertical.embedding).replace("-", ", ")
        requests = model.encode_requests(test.requests)
        runs[label] = embedding_run(requests, model.encode_documents(test.documents), DEPTH)
        hybrid = vertical.expressions.hybrid
        by_cosine = partial(asked, collection, model, hybrid)
        runs[f"hybrid of {label}, by cosine"] = by_cosine(test, {"nn": 1.0})
        for kind, template in (("hybrid", hybrid), ("any word or", WIDER)):
            system = f"{kind}{' of' if kind == 'hybrid' else ''} {label}, by weighted sum"
            runner = partial(asked, collection, model, template)
            order_by = best_order(runner, valid)
            notes.append(f"{system}: `{template}` by {order_by}.")
            runs[system] = runner(test, order_by)
    return runs


def asked(
    collection: Collection, model: Model, template: str, searches: Searches, order_by: dict[str, float]
) -> np.ndarray:
    """The template filled for each search, answered by the collection."""
    parsed = Template.parse(template)
    expressions = [model.vertical.fill(parsed, query, model.key) for query in searches.queries]
    vectors = {model.key: model.encode_requests(searches.requests)}
    return expression_run(collection, expressions, searches, DEPTH, vectors=vectors, order_by=order_by)


def best_order(runner: Runner, valid: Searches) -> dict[str, float]:
    """Weights of cosine (1), BM25 and static rank with the best NDCG@10 on `valid`, one after the other."""
    order_by = {"nn": 1.0}
    for name, weights in (("bm25", BM25_WEIGHTS), ("static_rank", STATIC_WEIGHTS)):
        tried = [order_by | ({name: weight} if weight else {}) for weight in weights]
        values = [float(np.nanmean(ndcg_at(runner(valid, order), valid.targets, 10))) for order in tried]
        order_by = tried[int(np.argmax(values))]
    return order_by


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
