"""How long does a forest take to score the candidates of a request, beside LightGBM?

    python benchmarks/ranking/forest.py [--repeats 200]

Data: LambdaMART forests of 30 features, a tenth of them missing, learned from 20,000 rows. Baseline: `Booster.predict`
of the same rows with one thread, in turns with ours. The scores are compared bit for bit. Processor time of a call,
median and 95th percentile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import lightgbm as lgb
import numpy as np

from alicorn.ranking.forest import Forest

SIZES = ((100, 200, 31), (200, 100, 31), (200, 300, 31), (200, 500, 63))  # candidates, trees, leaves
_FEATURES = 30


def learn(trees: int, leaves: int) -> tuple[lgb.Booster, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, _FEATURES))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    known = np.nan_to_num(rows)
    gain = known[:, :8] @ rng.normal(size=8) + known[:, 0] * known[:, 1] + rng.normal(size=len(rows)) * 2
    data = lgb.Dataset(rows, np.clip(gain.astype(int), 0, 4), group=[20] * (len(rows) // 20))
    parameters = {"objective": "lambdarank", "num_leaves": leaves, "min_data_in_leaf": 5, "verbosity": -1}
    return lgb.train(parameters | {"num_threads": 1}, data, trees), rows


def turns(calls: dict[str, Callable[[], np.ndarray]], repeats: int) -> dict[str, np.ndarray]:
    """Milliseconds of processor time of each call, one after the other, (repeats,) each."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.process_time()
            call()
            taken[name].append((time.process_time() - started) * 1000)
    return {name: np.array(each) for name, each in taken.items()}


def _percentiles(taken: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in np.percentile(taken, (50, 95)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    print("| candidates | trees x leaves | alicorn p50, p95 ms | LightGBM p50, p95 ms | equal bits |")
    print("|---|---|---|---|---|")
    for candidates, trees, leaves in SIZES:
        booster, rows = learn(trees, leaves)
        forest, asked = Forest.read(booster.model_to_string()), np.ascontiguousarray(rows[:candidates])
        same = np.array_equal(forest.score(rows), booster.predict(rows, num_threads=1))
        calls = {
            "ours": lambda forest=forest, asked=asked: forest.score(asked),
            "theirs": lambda booster=booster, asked=asked: booster.predict(asked, num_threads=1),
        }
        ours, theirs = (_percentiles(taken) for taken in turns(calls, repeats).values())
        print(f"| {candidates} | {trees} x {leaves} | {ours} | {theirs} | {'yes' if same else 'NO'} |")


if __name__ == "__main__":
    main()
