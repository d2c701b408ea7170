"""What does each step after retrieval give: control, channels, ranking?

    python benchmarks/effects/shop_world.py --out DIR
    python benchmarks/effects/shop_behaviour.py DIR                  # its model DIR/models/without reads the text alone
    python benchmarks/ranking/stages.py DIR [--searches 1500] [--precision 0.95]

    alicorn demo --no-serve --out DIR
    python benchmarks/ranking/stages.py DIR --world people [--searches 1500] [--precision 0.95]

Data: the small shop world, or the small people world of the demo, simulations. First what is learned: the classifier of
intents, from the clicks of the log. Then one row for each way to answer the same searches of the test split: words
alone; the 100 nearest; the 100 nearest with relevance control, while searching and afterwards; all channels with
control; and these after a forest: learned from what the old engine showed, with positions, and learned with the first
100 candidates of all channels as not chosen. The third channel beside words and nearest is, in the shop, what is
related (Swing) to what the searcher had just done; of people, those of the searcher's city with any word of the query.
The control is, in the shop, of category, brand, colour, material and size; of people, of first and last name and city.
By the truth of the world: recall@100 of the document that was wanted, NDCG@10 of it alone, P_good@10 (what the query
asks for is what the product is; the person has the name of the one who was wanted); candidates: documents that reach
the next stage (Num_prank), at most 200; milliseconds of processor of a request, its reading and its share of a batch's
encoding among them. 95 % intervals over the searches, and of the difference to the nearest alone. Then the tables of
control and channels of `alicorn evaluate`.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
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
from alicorn.tables import read_table
from alicorn.vertical import Vertical
from alicorn.worlds import PEOPLE_VERTICAL, SHOP_VERTICAL

WORDS, NEAREST = "(and {terms})", "(nn {key} :k 100 :recall 0.95)"
DEPTH, CANDIDATES = 100, 200


@dataclass(frozen=True)
class World:
    """model: its folder below DIR. terms: prefix -> column of the values that terms are added for. intents: of the
    control. third: name and template of the channel beside words and nearest. asked: column of documents -> column of
    the truth that a document has to equal where it is not null. features: beside those of every world."""

    file: Path
    key: str
    model: str
    terms: Mapping[str, str]
    intents: tuple[str, ...]
    third: tuple[str, str]
    asked: Mapping[str, str]
    features: Mapping[str, Any]

    @property
    def channels(self) -> dict[str, str]:
        return {"words": WORDS, "nearest": NEAREST, self.third[0]: self.third[1]}

    def vertical(self, hybrid: str | Mapping[str, str], control: str | None) -> Vertical:
        """With another hybrid expression and control."""
        plain = plain_yaml(self.file.read_text(encoding="utf-8"), where="vertical.yaml")
        added = [{"prefix": prefix, "column": column, "kind": "value"} for prefix, column in self.terms.items()]
        plain["document"]["terms"] += added
        plain["further_columns"] = ["related"]
        plain["expressions"] = {"boolean": WORDS, "hybrid": hybrid}
        plain.pop("order", None)
        if control is not None:
            plain["control"] = {"intents": list(self.intents), "filter": control}
        return parse_config(plain, Vertical, where="vertical.yaml")

    def feature_set(self) -> FeatureSet:
        every = {
            "cosine": {"kind": "cosine", "key": self.key},
            "words": {"kind": "bm25", "prefix": "text"},
            "matched": {"kind": "matched", "prefix": "text"},
            "length": {"kind": "query_words", "prefix": "text"},
            "popularity": {"kind": "static_rank"},
            **{name: {"kind": "channel", "channel": name} for name in self.channels},
        }
        return FeatureSet.model_validate({"features": every | dict(self.features)})


_OF_SHOP = ("category", "brand", "colour", "material", "size")
WORLDS = {
    "shop": World(
        SHOP_VERTICAL,
        "shop",
        "models/without",
        {"id": "doc_id"},
        _OF_SHOP,
        ("related", "(extract related (or {searcher:realtime_item:id}))"),
        {"department": "department", "category": "leaf"} | {name: name for name in _OF_SHOP[1:]},
        {
            f"{window}-{what}": {"kind": "common", "document": what, "searcher": f"{window}_{what}"}
            for window in ("realtime", "short", "long")
            for what in ("category", "brand", "shop")
        }
        | {"price": {"kind": "column", "column": "price"}},
    ),
    "people": World(
        PEOPLE_VERTICAL,
        "people",
        "model-unified",
        {"first": "first", "last": "last"},
        ("first", "last", "city"),
        ("nearby", "(and (or {terms}) (or {searcher:city:city}))"),
        {"first": "first", "last": "last"},
        {name: {"kind": "common", "document": name, "searcher": name} for name in ("city", "region", "country")},
    ),
}


class Truth:
    """wanted: (searches,) document numbers. relevant: bool (searches, documents)."""

    def __init__(self, world: World, folder: Path, searches: Searches) -> None:
        rows = logged(folder, "truth")
        rows = rows.take(pc.index_in(searches.search_ids, rows["search_id"].combine_chunks()))
        self.wanted = searches.numbers(rows["doc_id"].combine_chunks())
        documents = logged(folder, "documents")
        documents = documents.take(pc.index_in(searches.documents["doc_id"], documents["doc_id"].combine_chunks()))
        self.relevant = np.ones((len(rows), len(documents)), dtype=bool)
        for column, name in world.asked.items():
            values = documents[column].combine_chunks().dictionary_encode()
            told = rows[name] if name in rows.column_names else documents[column].take(pa.array(self.wanted))
            code = pc.fill_null(pc.index_in(told, values.dictionary), -1).to_numpy()
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


def logged(folder: Path, name: str) -> pa.Table:
    """A table of the log, in one file or in parts."""
    return read_table(next((folder / "logs").glob(f"{name}*")), name)


def publish(folder: Path, work: Path, model: Model) -> Collection:
    """The documents with their vectors, and the documents that are related to each."""
    write_related(folder / "logs", model.vertical, work / "related.parquet")
    related = pq.read_table(work / "related.parquet")
    table = indexed(logged(folder, "documents"), [model], datetime.datetime.now(datetime.UTC)).documents
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
    world: World,
    pairs: Path,
    work: Path,
    collection: Collection,
    model: Model,
    classifier: IntentClassifier,
    searches: Searches,
) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """By way to answer: the run, how many candidates reach the next stage, and milliseconds of a request."""

    def retriever(hybrid: str | Mapping[str, str], control: str | None) -> Retriever:
        of_control = None if control is None else classifier
        return Retriever(collection, [model.with_vertical(world.vertical(hybrid, control))], classifier=of_control)

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
        "all channels, no control": answered(retriever(world.channels, None)),
        "all channels, control while searching": answered(retriever(world.channels, "while_searching")),
    }
    everything = retriever(world.channels, "while_searching")
    candidates = found["all channels, control while searching"][1]
    for name, count in (("ranked, learned from what was shown", 0), ("ranked, learned with candidates", 100)):
        ranking = ranking_of(world, pairs, work / f"with {count}", everything, count)
        whole, ms = timed(searches, partial(_ranked, everything, ranking, model.key))
        found[name] = whole.run, candidates, ms
    return found


def _ranked(asked: Retriever, ranking: Pipeline, key: str, searches: Searches) -> Answered:
    return with_ranking(asked, searches, DEPTH, key, ranking)


def ranking_of(world: World, pairs: Path, work: Path, retriever: Retriever, candidates: int) -> Pipeline:
    """A forest over the channels, each with its share of the candidates."""
    work.mkdir()
    settings = ForestSettings(trees=200, leaves=15, rate=0.05, rows_in_leaf=50, positions=not candidates, seed=0)
    learn_ranker(pairs, retriever, world.feature_set(), work / "ranker", settings, candidates=candidates)
    path = work / "ranking.yaml"
    shares = f"{{words: 60, nearest: 60, {world.third[0]}: 40}}"
    path.write_text(f"ranker: ranker\ncandidates: {CANDIDATES}\nchannels: {shares}\n")
    assert retriever.vertical is not None
    return Pipeline.load(path, retriever.vertical, retriever.collection)


def said(of: Interval) -> str:
    return f"{of.mean:.3f} [{of.low:.3f}, {of.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="DIR of shop_world.py --out, or of the demo")
    parser.add_argument("--world", choices=list(WORLDS), default="shop")
    parser.add_argument("--searches", type=int, default=1500, help="of the test split")
    parser.add_argument("--precision", type=float, default=0.95, help="of the intents that are learned")
    arguments = parser.parse_args()
    folder, pairs = arguments.folder, arguments.folder / "pairs"
    world = WORLDS[arguments.world]
    model = Model.load(folder / world.model)
    model = model.with_vertical(world.vertical(world.channels, "while_searching"))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        print(learn_intents(pairs, model.vertical, work / "intents.npz", arguments.precision).markdown() + "\n")
        classifier = IntentClassifier.load(work / "intents.npz")
        searches = read_searches(pairs, arguments.searches, split="test")
        truth = Truth(world, folder, searches)
        with publish(folder, work, model) as collection:
            found = rows_of(world, pairs, work, collection, model, classifier, searches)
            print(f"{len(searches)} searches of the test split; small {arguments.world} world, simulated\n")
            report(found, truth)
            everything = Retriever(collection, [model], classifier=classifier)
            for section in (control_report, channel_report):
                told = section(everything, searches, model.key, DEPTH)
                print("\n" + told.markdown() if told is not None else "")


def report(found: Mapping[str, tuple[np.ndarray, np.ndarray, float]], truth: Truth) -> None:
    measured = {name: truth.measures(run) for name, (run, _, _) in found.items()}
    names = list(measured["nearest alone"])
    print("| | " + " | ".join([*names, "P_good@10 to nearest alone", "candidates", "ms"]) + " |\n" + "|---" * 7 + "|")
    for name, of in measured.items():
        _, candidates, ms = found[name]
        change = paired_difference(of["P_good@10"], measured["nearest alone"]["P_good@10"])
        cells = [said(mean_interval(of[measure])) for measure in names]
        cells += [f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]", f"{candidates.mean():.0f}"]
        print(f"| {name} | " + " | ".join([*cells, f"{ms:.2f}"]) + " |")


if __name__ == "__main__":
    main()
