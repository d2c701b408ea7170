"""By which validation measure should the epoch and the mix of weights be chosen: recall@10 or recall@100?

    python benchmarks/learning/monitored.py DATA [--out monitored] [--only cold ...] [--seeds 0 1]

The default recipe is learned twice on each log and seed, once with `validation: {k: 10}`, once with `{k: 100}`: the
runs differ in nothing but which weights are kept. The table has, on test, recall@10, recall@100 and NDCG@10 of the
first, and the difference that the second makes, with a paired 95 % interval over searches of all seeds. What was
measured is kept in --out/monitored.jsonl. Decision 112 has the results.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from defaults import difference
from eight_logs import LOGS, prepared

from alicorn.evaluation.metrics.ranking import ndcg_at, recall_at
from alicorn.evaluation.searches import read_searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.reporting.markdown import table
from alicorn.retrieval.encoder import search_vectors
from alicorn.training import Recipe, train

MEASURES = {
    "recall@10": lambda run, targets: recall_at(run, targets, 10),
    "recall@100": lambda run, targets: recall_at(run, targets, 100),
    "NDCG@10": lambda run, targets: ndcg_at(run, targets, 10),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/, places-geonames/, ml-latest-small/ and others")
    parser.add_argument("--out", type=Path, default=Path("monitored"), help="everything is written below this folder")
    parser.add_argument("--only", nargs="+", choices=list(LOGS), default=list(LOGS), help="these logs instead of all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for log in arguments.only:
        by_k = {
            k: [measured(log, k, seed, arguments.data, arguments.out) for seed in arguments.seeds] for k in (10, 100)
        }
        cells = [log, f"{len(by_k[10][0]['recall@10']):,}"]
        for name in MEASURES:
            first, second = (np.concatenate([np.array(one[name]) for one in by_k[k]]) for k in (10, 100))
            cells += [f"{first.mean():.3f}", difference(second, first)]
        shares = ["/".join(f"{one['share']:g}" for one in by_k[k]) for k in (10, 100)]
        rows.append([*cells, *shares])
        print(" | ".join(rows[-1]), flush=True)
    header = ["log", "searches", *(cell for name in MEASURES for cell in (f"{name}, by @10", "by @100 minus that"))]
    print(table([*header, "shares by @10", "by @100"], rows))


def measured(log: str, k: int, seed: int, data: Path, out: Path) -> dict:
    """The measures of each test search, and the share of what was learned; from monitored.jsonl where it is there."""
    kept = out / "monitored.jsonl"
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else ():
        found = json.loads(line)
        if (found["log"], found["k"], found["seed"]) == (log, k, seed):
            return found
    pairs, vertical = prepared(log, data, out)
    recipe = Recipe.model_validate({"seed": seed, "validation": {"k": k}})
    with tempfile.TemporaryDirectory() as folder:
        trained = train(pairs, vertical, recipe, Path(folder) / "model", progress=False)
    searches = read_searches(pairs, 3000, split="test")
    vectors = search_vectors(trained.model, searches.requests)
    run = embedding_run(vectors, trained.model.encode_documents(searches.documents), 100)
    best = trained.epochs[trained.best_epoch]
    values = {name: measure(run, searches.targets).tolist() for name, measure in MEASURES.items()}
    found = {"log": log, "k": k, "seed": seed, "epoch": best.number, "share": best.share, **values}
    with kept.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")
    return found


if __name__ == "__main__":
    main()
