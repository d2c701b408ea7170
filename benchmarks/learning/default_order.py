"""By which order should the hits of a text come where nobody has tuned one, and must a hit have all its words?

    python benchmarks/learning/default_order.py DATA [--out defaults] [--only shop] [--split valid]

The default recipe learns each of the eight logs (eight_logs.py), and is published. Up to 500 searches are asked by two
hybrid expressions, of all words and of any word, in each of the orders below: NDCG@10 and recall@100, as served, beside
BM25 and the towers alone. A default is chosen by what it gives on valid over all logs, and by what it loses to the
better of the two alone at worst. Decision 069 has the results.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import yaml
from eight_logs import LOGS, prepared

from alicorn.config import plain_yaml
from alicorn.evaluation.metrics.ranking import ndcg_at, recall_at
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.served import any_word, request_vectors, served
from alicorn.language.order import OrderBy
from alicorn.publishing.publish import publish
from alicorn.query import Collection
from alicorn.reporting.markdown import table
from alicorn.retrieval.retriever import Retriever
from alicorn.towers import Model
from alicorn.training import Recipe, train
from alicorn.vertical import Vertical

EXPRESSIONS = {"all words": "(or (and {terms}) (nn {key} :k 100))", "any word": "(or {terms} (nn {key} :k 100))"}
ORDERS: dict[str, OrderBy] = {
    "rrf": {"rrf": ["nn", "bm25"]},
    **{
        f"{weight} * bm25, half at {half_at}": {"nn": 1, "bm25": {"weight": weight, "half_at": half_at}}
        for weight, half_at in ((1, 4), (1, 8), (1.5, 8), (2, 4), (2, 8), (2, 16), (3, 8), (3, 16))
    },
    **{f"{weight} * bm25": {"nn": 1, "bm25": weight} for weight in (0.05, 0.1, 0.2)},
}
Values = dict[str, list[float]]  # system -> NDCG@10, recall@100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/, places-geonames/, ml-latest-small/ and others")
    parser.add_argument("--out", type=Path, default=Path("defaults"), help="logs, models and measures are kept here")
    parser.add_argument("--only", choices=list(LOGS), help="one log instead of all")
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logs = [arguments.only] if arguments.only else list(LOGS)
    found = {log: measured(log, arguments.data, arguments.out, arguments.split) for log in logs}
    for at, measure in enumerate(("NDCG@10", "recall@100")):
        rows = [row(system, [found[log] for log in logs], at) for system in found[logs[0]]]
        print(f"\n{measure}, {arguments.split}\n\n{table(['', *logs, 'mean', 'worst'], rows)}")


def row(system: str, logs: list[Values], at: int) -> list[str]:
    """worst: what is lost to the better one of BM25 and nn, on the log where most is."""
    values = [log[system][at] for log in logs]
    lost = min(log[system][at] - max(log["BM25"][at], log["nn"][at]) for log in logs)
    return [system, *(f"{value:.3f}" for value in values), f"{np.mean(values):.4f}", f"{lost:+.3f}"]


def measured(log: str, data: Path, out: Path, split: str) -> Values:
    kept = out / log / f"orders-{split}.json"
    if not kept.exists():
        kept.write_text(json.dumps(asked(log, data, out, split)), encoding="utf-8")
    values: Values = json.loads(kept.read_text(encoding="utf-8"))
    return values


def asked(log: str, data: Path, out: Path, split: str) -> Values:
    pairs, vertical = prepared(log, data, out)
    if not (out / log / "model" / "history.json").exists():
        train(pairs, vertical, Recipe(), out / log / "model", progress=False)
    if not (out / log / "collection").exists():
        publish(pairs / "documents.parquet", out / log / "collection", [Model.load(out / log / "model")])
    searches = read_searches(pairs, 500, split=split)
    found: Values = {}
    with Collection.open(out / log / "collection", read_only=True) as collection:
        for name, hybrid in EXPRESSIONS.items():
            plain = plain_yaml((out / log / "vertical.yaml").read_text(encoding="utf-8"), where="vertical.yaml")
            plain["expressions"] = {**plain.get("expressions", {}), "hybrid": hybrid}
            plain.pop("order", None)
            written = out / log / "ordered.yaml"
            written.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
            model = Model.load(out / log / "model").with_vertical(Vertical.load(written))
            retriever = Retriever(collection, [model])
            vectors = request_vectors(retriever, searches, model.key)
            if not found:
                words = any_word(collection, model.vertical, searches, 100)
                found["BM25"] = values(words.run, searches)
                found["nn"] = values(served(retriever, searches, 100, "embedding", model.key, vectors).run, searches)
            for label, order in ORDERS.items():
                answered = served(retriever, searches, 100, "hybrid", model.key, vectors, order)
                found[f"{name}, {label}"] = values(answered.run, searches)
    return found


def values(run: np.ndarray, searches: Searches) -> list[float]:
    return [
        float(np.nanmean(ndcg_at(run, searches.targets, 10))),
        float(np.nanmean(recall_at(run, searches.targets, 100))),
    ]


if __name__ == "__main__":
    main()
