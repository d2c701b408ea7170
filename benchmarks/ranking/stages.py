"""What does each step after retrieval give: control, channels, ranking?

    python benchmarks/effects/shop_world.py --out DIR
    python benchmarks/effects/shop_behaviour.py DIR                  # its model DIR/models/without reads the text alone
    python benchmarks/ranking/stages.py DIR [--model DIR/models/without] [--searches 1500] [--precision 0.95]

Data: the small shop world, a simulation. First what is learned: the classifier of intents, from the clicks of the log.
Then one row for each way to answer the same searches of the test split: words alone; the 100 nearest; the 100 nearest
with relevance control, while searching and afterwards; the channels words, nearest and related (Swing; from what the
searcher had just done) with control; and these after a forest: learned from what the old engine showed, with positions,
and learned with the first 100 candidates of all channels as not chosen. By the truth of the world:
recall@100 of the product that was wanted, NDCG@10 of it alone, P_good@10 (what the query asks for is what the product
is); candidates: documents that reach the next stage (Num_prank), at most 200; milliseconds of processor of a
request, its reading and its share of a batch's encoding among them. 95 %
intervals over the searches, and of the difference to the nearest alone. Then the tables of control and channels of
`alicorn evaluate`.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn import Collection, Model
from alicorn.config import parse_config, plain_yaml
from alicorn.evaluation.metrics.bootstrap import Interval, mean_interval, paired_difference
from alicorn.evaluation.reports.channel_report import channel_report
from alicorn.evaluation.reports.control import control_report
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.served import Answered, request_vectors, served, with_ranking
from alicorn.intents import IntentClassifier
from alicorn.intents.learning import learn_intents
from alicorn.logs.related import write_related
from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.learning.lambdamart import ForestSettings
from alicorn.ranking.learning.learn import learn_ranker
from alicorn.ranking.stages import Pipeline
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Vertical
from alicorn.worlds import SHOP_VERTICAL

WORDS, NEAREST = "(and {terms})", "(nn {key} :k 100 :recall 0.95)"
CHANNELS = {"words": WORDS, "nearest": NEAREST, "related": "(extract related (or {searcher:realtime_item:id}))"}
INTENTS = ("category", "brand", "colour", "material", "size")
FEATURES = {
    "cosine": {"kind": "cosine", "key": "shop"},
    "words": {"kind": "bm25", "prefix": "text"},
    "matched": {"kind": "matched", "prefix": "text"},
    "length": {"kind": "query_words", "prefix": "text"},
    "popularity": {"kind": "static_rank"},
    "price": {"kind": "column", "column": "price"},
    **{name: {"kind": "channel", "channel": name} for name in CHANNELS},
    **{
        f"{window}-{what}": {"kind": "common", "document": what, "searcher": f"{window}_{what}"}
        for window in ("realtime", "short", "long")
        for what in ("category", "brand", "shop")
    },
}
DEPTH, CANDIDATES = 100, 200


def vertical_with(hybrid: str | Mapping[str, str], control: str | None) -> Vertical:
    """The vertical of the world with another hybrid expression and control."""
    plain = plain_yaml(SHOP_VERTICAL.read_text(encoding="utf-8"), where="vertical.yaml")
    plain["document"]["terms"].append({"prefix": "id", "column": "doc_id", "kind": "value"})
    plain["further_columns"] = ["related"]
    plain["expressions"] = {"boolean": WORDS, "hybrid": hybrid}
    if control is not None:
        plain["control"] = {"intents": list(INTENTS), "filter": control}
    return parse_config(plain, Vertical, where="vertical.yaml")


class Truth:
    """wanted: (searches,) document numbers. relevant: bool (searches, documents)."""

    def __init__(self, folder: Path, searches: Searches) -> None:
        rows = pq.read_table(folder / "logs" / "truth.parquet")
        rows = rows.take(pc.index_in(searches.search_ids, rows["search_id"].combine_chunks()))
        self.wanted = searches.numbers(rows["doc_id"].combine_chunks())
        self.relevant = np.ones((len(rows), len(searches.documents)), dtype=bool)
        asked = {"department": "department", "leaf": "category"} | {name: name for name in INTENTS[1:]}
        for name, column in asked.items():
            values = searches.documents[column].combine_chunks().dictionary_encode()
            code = pc.fill_null(pc.index_in(rows[name], values.dictionary), -1).to_numpy()
            self.relevant &= (code[:, None] < 0) | (values.indices.to_numpy()[None, :] == code[:, None])

    def measures(self, run: np.ndarray) -> dict[str, np.ndarray]:
        """(searches,) each. run: int32 (searches, depth)."""
        hits = run == self.wanted[:, None]
        rank = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, np.inf)
        first = run[:, :10]
        good = np.take_along_axis(self.relevant, np.maximum(first, 0).astype(np.int64), axis=1) & (first >= 0)
        return {
            "recall@100": (rank <= DEPTH).astype(np.float64),
            "NDCG@10": np.where(rank <= 10, 1.0 / np.log2(1.0 + np.minimum(rank, 10)), 0.0),
            "P_good@10": good.mean(axis=1),
        }


def publish(folder: Path, work: Path, model: Model) -> Collection:
    """The products with their vectors, and the documents that are related to each."""
    write_related(folder / "logs", model.vertical, work / "related.parquet")
    related = pq.read_table(work / "related.parquet")
    documents = pq.read_table(folder / "logs" / "documents.parquet")
    table = indexed(documents, [model], datetime.datetime.now(datetime.UTC)).documents
    place = pc.index_in(table["doc_id"].combine_chunks(), related["doc_id"].combine_chunks())
    table = table.append_column("related", related["related"].combine_chunks().take(place))
    collection = Collection.create(work / "collection", {model.key: model.dim}, metadata_of([model]))
    collection.upsert(table)
    collection.flush()
    return collection


def timed(searches: Searches, ask: Callable[[Searches], Answered]) -> tuple[Answered, float]:
    """The answers, and milliseconds of processor of each search, after some that compile what is to be compiled."""
    few = np.arange(20)
    ask(searches.take(few, searches.targets.take(few)))
    started = time.process_time()
    found = ask(searches)
    return found, (time.process_time() - started) * 1e3 / len(searches)


def rows_of(
    pairs: Path, work: Path, collection: Collection, model: Model, classifier: IntentClassifier, searches: Searches
) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """By way to answer: the run, how many candidates reach the next stage, and milliseconds of a request."""

    def retriever(hybrid: str | Mapping[str, str], control: str | None) -> Retriever:
        of_control = None if control is None else classifier
        return Retriever(collection, [model.with_vertical(vertical_with(hybrid, control))], classifier=of_control)

    def answered(asked: Retriever, mode: Any = "hybrid") -> tuple[np.ndarray, np.ndarray, float]:
        def ask(some: Searches) -> Answered:
            vectors = None if mode == "boolean" else request_vectors(asked, some, model.key)
            return served(asked, some, CANDIDATES, mode, None if mode == "boolean" else model.key, vectors)

        whole, ms = timed(searches, ask)
        return whole.run[:, :DEPTH], (whole.run >= 0).sum(axis=1), ms

    found = {
        "words alone": answered(retriever(NEAREST, None), "boolean"),
        "nearest alone": answered(retriever(NEAREST, None)),
        "nearest, control while searching": answered(retriever(NEAREST, "while_searching")),
        "nearest, control afterwards": answered(retriever(NEAREST, "afterwards")),
        "all channels, no control": answered(retriever(CHANNELS, None)),
        "all channels, control while searching": answered(retriever(CHANNELS, "while_searching")),
    }
    everything = retriever(CHANNELS, "while_searching")
    candidates = found["all channels, control while searching"][1]
    for name, count in (("ranked, learned from what was shown", 0), ("ranked, learned with candidates", 100)):
        ranking = ranking_of(pairs, work / f"with {count}", everything, count)
        whole, ms = timed(searches, partial(_ranked, everything, ranking, model.key))
        found[name] = whole.run, candidates, ms
    return found


def _ranked(asked: Retriever, ranking: Pipeline, key: str, searches: Searches) -> Answered:
    return with_ranking(asked, searches, DEPTH, key, ranking)


def ranking_of(pairs: Path, work: Path, retriever: Retriever, candidates: int) -> Pipeline:
    """A forest over the channels, each with its share of the candidates."""
    work.mkdir()
    features = FeatureSet.model_validate({"features": FEATURES})
    settings = ForestSettings(trees=200, leaves=15, rate=0.05, rows_in_leaf=50, positions=not candidates, seed=0)
    learn_ranker(pairs, retriever, features, work / "ranker", settings, candidates=candidates)
    path = work / "ranking.yaml"
    path.write_text(f"ranker: ranker\ncandidates: {CANDIDATES}\nchannels: {{words: 60, nearest: 60, related: 40}}\n")
    assert retriever.vertical is not None
    return Pipeline.load(path, retriever.vertical, retriever.collection)


def said(of: Interval) -> str:
    return f"{of.mean:.3f} [{of.low:.3f}, {of.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="DIR of shop_world.py --out")
    parser.add_argument("--model", type=Path, help="DIR/models/without unless given")
    parser.add_argument("--searches", type=int, default=1500, help="of the test split")
    parser.add_argument("--precision", type=float, default=0.95, help="of the intents that are learned")
    arguments = parser.parse_args()
    folder, pairs = arguments.folder, arguments.folder / "pairs"
    model = Model.load(arguments.model or folder / "models" / "without")
    model = model.with_vertical(vertical_with(CHANNELS, "while_searching"))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        print(learn_intents(pairs, model.vertical, work / "intents.npz", arguments.precision).markdown() + "\n")
        classifier = IntentClassifier.load(work / "intents.npz")
        searches = read_searches(pairs, arguments.searches, split="test")
        truth = Truth(folder, searches)
        with publish(folder, work, model) as collection:
            found = rows_of(pairs, work, collection, model, classifier, searches)
            report(found, truth, len(searches))
            everything = Retriever(collection, [model], classifier=classifier)
            for section in (control_report, channel_report):
                told = section(everything, searches, model.key, DEPTH)
                print("\n" + told.markdown() if told is not None else "")


def report(found: Mapping[str, tuple[np.ndarray, np.ndarray, float]], truth: Truth, count: int) -> None:
    measured = {name: truth.measures(run) for name, (run, _, _) in found.items()}
    names = list(measured["nearest alone"])
    print(f"{count} searches of the test split; small shop world, simulated\n")
    print("| | " + " | ".join([*names, "P_good@10 to nearest alone", "candidates", "ms"]) + " |\n" + "|---" * 7 + "|")
    for name, of in measured.items():
        _, candidates, ms = found[name]
        change = paired_difference(of["P_good@10"], measured["nearest alone"]["P_good@10"])
        cells = [said(mean_interval(of[measure])) for measure in names]
        cells += [f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]", f"{candidates.mean():.0f}"]
        print(f"| {name} | " + " | ".join([*cells, f"{ms:.2f}"]) + " |")


if __name__ == "__main__":
    main()
