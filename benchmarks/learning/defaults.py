"""Is the default recipe near the best of a grid, on eight logs of different kinds?

    python benchmarks/learning/defaults.py DATA [--out defaults] [--only shop ...] [--recipe recipe.yaml ...]

A recipe of the grid is the default with one change, learned and mixed as the default is; the first two are what the
default was before decisions 057 and 068. The best is chosen by recall on the valid split, and compared with the default
on the test split: difference with a paired 95 % interval, aim: at most 0.01. Two more tables have the difference of
every recipe from the default, on valid and on test. Recall is at 100, and at 10 where nearly all is found at 100.
--recipe measures these recipes in place of the grid. What was measured is kept in --out/measured.jsonl and not learned
again. Decisions 057, 068, 084 and 097 have the results.
"""

import argparse
import json
import sys
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
from alicorn.reporting.markdown import table
from alicorn.retrieval.encoder import search_vectors
from alicorn.training import Recipe, train

_UNMIXED = {"channel_balance": "equal", "validation": {"interpolate": []}}
_BEFORE = {"towers": {"dim": 64, "hidden": 128}, "batch": 1024}
GRID: dict[str, dict[str, Any]] = {
    "64, hidden layer, batch 1024, unmixed": {**_UNMIXED, **_BEFORE},
    "unmixed": {**_UNMIXED, "optimizer": {"rate": 0.001, "table_rate": 0.03}},
    "slow tables": {"optimizer": {"table_rate": 0.01}},
    "fast tables": {"optimizer": {"table_rate": 0.1}},
    "slow": {"optimizer": {"rate": 0.0005}},
    "log_q": {"negatives": {"log_q": True}},
    "batch 1024": {"batch": 1024},
    "wide": {"towers": {"dim": 256}},
    "hidden layer": {"towers": {"hidden": 128}},
    "soft": {"loss": {"kind": "softmax", "scale": 12}},
    "no dropout": {"dropout": 0},
    "more dropout": {"dropout": 0.4},
}
KS = dict.fromkeys(LOGS, 100) | {"people": 10, "small": 10}


class Measured(NamedTuple):
    """Recall of each search, of valid after the best epoch and of test."""

    valid: np.ndarray
    test: np.ndarray
    best_epoch: int


Found = dict[str, Measured]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/, places-geonames/, ml-latest-small/ and others")
    parser.add_argument("--out", type=Path, default=Path("defaults"), help="everything is written below this folder")
    parser.add_argument("--only", nargs="+", choices=list(LOGS), help="these logs instead of all")
    parser.add_argument("--recipe", nargs="+", type=Path, help="in place of the grid")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    given = {path.stem: Recipe.load(path) for path in arguments.recipe or ()}
    others = given or {name: Recipe.model_validate(plain) for name, plain in GRID.items()}
    found: dict[str, Found] = {}
    for log in arguments.only or LOGS:
        found[log] = {}
        for name, recipe in {"default": Recipe(), **others}.items():
            found[log][name] = one = measured(log, recipe, arguments.data, arguments.out)
            print(f"{log}, {name}: valid {one.valid.mean():.3f}, test {one.test.mean():.3f}", file=sys.stderr)
    print(best(found))
    for split in ("valid", "test"):
        print(f"\nDifference from the default, {split}\n\n{differences(found, split)}")


def best(found: dict[str, Found]) -> str:
    """The table of the recipes that valid chooses, beside the default on test."""
    header = ["log", "recall@", "searches", "default", "best on valid", "its recall", "difference, 95 %", "best epochs"]
    rows = []
    for log, of_log in found.items():
        name = max(of_log, key=lambda name: float(of_log[name].valid.mean()))
        base, other = of_log["default"], of_log[name]
        counts = [log, str(KS[log]), f"{len(base.test):,}"]
        recalls = [f"{base.test.mean():.3f}", name, f"{other.test.mean():.3f}"]
        rows.append([*counts, *recalls, difference(other.test, base.test), f"{base.best_epoch}, {other.best_epoch}"])
    return table(header, rows)


def differences(found: dict[str, Found], split: str) -> str:
    """Recipes by logs, and the mean over the logs; the first row is the recall of the default."""
    values = {log: {name: getattr(one, split) for name, one in of_log.items()} for log, of_log in found.items()}
    own = [of_log["default"].mean() for of_log in values.values()]
    rows = [["default", *(f"{recall:.3f}" for recall in own), f"{np.mean(own):.3f}"]]
    for name in list(next(iter(values.values())))[1:]:
        pairs = [(of_log[name], of_log["default"]) for of_log in values.values()]
        mean = np.mean([other.mean() - base.mean() for other, base in pairs])
        rows.append([name, *(difference(other, base) for other, base in pairs), f"{mean:+.4f}"])
    return table(["recipe", *values, "mean"], rows)


def difference(other: np.ndarray, base: np.ndarray) -> str:
    found = paired_difference(other, base)
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def measured(log: str, recipe: Recipe, data: Path, out: Path) -> Measured:
    """One recipe on one log; from measured.jsonl where it is there."""
    k = KS[log]
    recipe = recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"k": k, "searches": 3000})})
    kept = out / "measured.jsonl"
    for line in _lines(kept):
        if (line["log"], line["recipe"]) == (log, recipe.plain()):
            return Measured(np.array(line["valid"]), np.array(line["test"]), line["best_epoch"])
    pairs, vertical = prepared(log, data, out)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(pairs, vertical, recipe, Path(folder) / "model", progress=False)
    searches = read_searches(pairs, 3000, split="test")
    requests = search_vectors(trained.model, searches.requests)
    run = embedding_run(requests, trained.model.encode_documents(searches.documents), k)
    best = trained.epochs[trained.best_epoch]
    found = Measured(np.array(best.by_search), recall_at(run, searches.targets, k), best.number)
    line = {"log": log, "recipe": recipe.plain(), "best_epoch": found.best_epoch}
    with kept.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, "valid": found.valid.tolist(), "test": found.test.tolist()}) + "\n")
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    main()
