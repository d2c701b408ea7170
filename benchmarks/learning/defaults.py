"""Is the default recipe near the best of a grid, on eight logs of different kinds?

    python benchmarks/learning/defaults.py DATA [--out defaults] [--only shop] [--recipe recipe.yaml]

Every recipe of the grid learns to its end, from channels that count alike, and is not mixed with its start. The best is
chosen by recall on the valid split, and compared with the default recipe on the test split: difference with a paired
95 % interval, aim: at most 0.01. Recall is at 100, and at 10 where nearly all is found at 100. What was measured is
kept in --out/measured.jsonl and not learned again. Decisions 057, 068 and 084 have the results.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from eight_logs import LOGS, prepared

from alicorn.evaluation.metrics.bootstrap import paired_difference
from alicorn.evaluation.metrics.ranking import recall_at
from alicorn.evaluation.searches import read_searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.retrieval.encoder import search_vectors
from alicorn.training import Recipe, train

_WIDE = {"dim": 128, "hidden": 0}
_LOG_Q = {"log_q": True}
_BEFORE = {"towers": {"dim": 64, "hidden": 128}, "optimizer": {"rate": 0.002, "table_rate": 0.05}}
_NOW = {"towers": _WIDE, "batch": 256, "optimizer": {"rate": 0.002, "table_rate": 0.05}}
_GRID: dict[str, dict[str, Any]] = {
    "64, hidden, batch 1024": {**_BEFORE, "batch": 1024},
    "64, hidden": {**_BEFORE, "batch": 256},
    "64, hidden, log_q": {**_BEFORE, "batch": 256, "negatives": _LOG_Q},
    "64, hidden, slow tables": {**_BEFORE, "batch": 256, "optimizer": {"rate": 0.002, "table_rate": 0.01}},
    "batch 1024": {**_NOW, "batch": 1024},
    "fast": _NOW,
    "fast tables": {**_NOW, "optimizer": {"rate": 0.0005, "table_rate": 0.05}},
    "slower tables": {**_NOW, "optimizer": {"rate": 0.002, "table_rate": 0.02}},
    "256, fast": {**_NOW, "towers": {"dim": 256, "hidden": 0, "tables": {"text": {"buckets": 131072, "dim": 128}}}},
    "fast, log_q": {**_NOW, "negatives": _LOG_Q},
}
GRID = {name: {**plain, "channel_balance": "equal", "validation": {"interpolate": []}} for name, plain in _GRID.items()}

KS = dict.fromkeys(LOGS, 100) | {"people": 10, "small": 10}


class Measured(NamedTuple):
    """valid: recall after the best epoch. test: recall of each search."""

    valid: float
    best_epoch: int
    test: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/, places-geonames/, ml-latest-small/ and others")
    parser.add_argument("--out", type=Path, default=Path("defaults"), help="everything is written below this folder")
    parser.add_argument("--only", choices=list(LOGS), help="one log instead of all")
    parser.add_argument("--recipe", type=Path, help="in place of the default recipe")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    given = Recipe.load(arguments.recipe) if arguments.recipe else Recipe()
    print("| log | recall@ | default | best of the grid | its recall | difference, 95 % | best epochs |")
    print("|---|--:|--:|---|--:|---|---|")
    for log in [arguments.only] if arguments.only else LOGS:
        grid = {"default": given} | {name: Recipe.model_validate(plain) for name, plain in GRID.items()}
        found = {name: measured(log, recipe, arguments.data, arguments.out) for name, recipe in grid.items()}
        best = max(found, key=lambda name: found[name].valid)
        base, other = found["default"], found[best]
        gain = paired_difference(other.test, base.test)
        print(
            f"| {log} | {KS[log]} | {base.test.mean():.3f} | {best} | {other.test.mean():.3f} | {gain.mean:+.3f} "
            f"[{gain.low:+.3f}, {gain.high:+.3f}] | {base.best_epoch}, {other.best_epoch} |",
            flush=True,
        )


def measured(log: str, recipe: Recipe, data: Path, out: Path) -> Measured:
    """One recipe on one log; from measured.jsonl where it is there."""
    k = KS[log]
    recipe = recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"k": k, "searches": 3000})})
    kept = out / "measured.jsonl"
    for line in _lines(kept):
        if (line["log"], line["recipe"]) == (log, recipe.plain()):
            return Measured(line["valid"], line["best_epoch"], np.array(line["test"]))
    pairs, vertical = prepared(log, data, out)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(pairs, vertical, recipe, Path(folder) / "model", progress=False)
    searches = read_searches(pairs, 3000, split="test")
    requests = search_vectors(trained.model, searches.requests)
    run = embedding_run(requests, trained.model.encode_documents(searches.documents), k)
    test = recall_at(run, searches.targets, k)
    found = Measured(trained.epochs[trained.best_epoch].recall[str(k)], trained.best_epoch, test)
    line = {"log": log, "recipe": recipe.plain(), "valid": found.valid, "best_epoch": found.best_epoch}
    with kept.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, "test": test.tolist()}) + "\n")
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    main()
