"""Do several learned interests find more than one vector, and do DRIM's regularisers keep them apart? On MovieLens.

    python benchmarks/effects/capsules.py --data ml-latest-small/ --out DIR [--seeds N]

Data: examples/movielens without queries: every liked movie is a search of a real user that wants it, in the order of
time; the request is the 50 movies liked before. Searches of the test split whose user liked something before. Recipes
differ in one thing: one vector (the mean of the history), four capsules, and these with a regulariser. **Recall@50** by
exact search over all movies, a document as near as to the nearest interest; **distance**: 1 - the mean cosine of two
interests. **Effect**: relative change of the mean over seeds; **interval**: 95 %, bootstrap over users, paired; it does
not cover what differs between trainings: recall of each seed is printed. **Verdict** as in effects.py. DRIM's figures
are unknown: a row claims a sign. All is kept in DIR; a run that is interrupted goes on.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from effects import Effect

from alicorn import Model, Vertical, mine, train
from alicorn.evaluation.metrics.bootstrap import resampled_means
from alicorn.evaluation.metrics.ranking import recall_at
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.retrieval.encoder import search_vectors
from alicorn.training import Recipe

K, COUNT = 50, 4
EXAMPLE = Path(__file__).parents[2] / "examples" / "movielens"
VERTICAL = Vertical.model_validate(
    {
        "name": "movielens-history",
        "embedding": "movielens",
        "document": {
            "features": {"item": {"kind": "id", "column": "doc_id"}, "genres": {"kind": "ids", "column": "genres"}}
        },
        "request": {
            "behaviour": {"kinds": ["liked"], "windows": {"history": {"newest": 50}}},
            "features": {"history": {"kind": "sequence", "parts": {"item": "history_item"}}},
        },
        "split": {"valid": 0.1, "test": 0.1},
        "expressions": {"boolean": "(or)", "hybrid": "(nn {key} :k 100)"},
    }
)
ONE, SEVERAL = "one vector", "four interests"
DIVERSITY: dict[str, dict[str, Any]] = {
    "entropy, weight 0.1": {"kind": "entropy", "weight": 0.1},
    "entropy, weight 1": {"kind": "entropy", "weight": 1.0},
    "centre, weight 0.1": {"kind": "centre", "weight": 0.1},
    "pairs, weight 0.1": {"kind": "pairs", "weight": 0.1},  # the centre's with weight 0.4: losses/diversity.py
}


def recipe(seed: int, interests: bool, diversity: dict[str, Any] | None = None) -> Recipe:
    towers: dict[str, Any] = {
        "dim": 32,
        "hidden": 0,
        "tables": {"item": {"buckets": 65536, "dim": 32}, "genres": {"buckets": 256, "dim": 16}},
    }
    if interests:
        towers["interests"] = {"feature": "history", "count": COUNT}
    plain = {
        "towers": towers,
        "negatives": {"random": 256},
        "positives": ["click"],
        "dropout": 0,
        "optimizer": {"rate": 0.002, "table_rate": 0.05},
        "batch": 256,
        "epochs": 4,
        "patience": 4,
        "channel_balance": "equal",
        "validation": {"k": K, "start": False, "interpolate": []},
        "diversity": diversity,
    }
    return Recipe.model_validate({**plain, "seed": seed})


def recipes(seed: int) -> dict[str, Recipe]:
    regularised = {name: recipe(seed, True, settings) for name, settings in DIVERSITY.items()}
    return {ONE: recipe(seed, False), SEVERAL: recipe(seed, True), **regularised}


def pairs_of(data: Path, out: Path) -> Path:
    """The mined log, made once."""
    if not (out / "logs").exists():
        subprocess.run([sys.executable, EXAMPLE / "prepare.py", data, out / "logs"], check=True)
    if not (out / "pairs").exists():
        mine(out / "logs", VERTICAL, out / "pairs")
    return out / "pairs"


def measured(model: Model, searches: Searches) -> np.ndarray:
    """(searches, 2): recall and the distance of the interests, 0 for one."""
    vectors = search_vectors(model, searches.requests)
    run = embedding_run(vectors, model.encode_documents(searches.documents), K)
    distance = np.zeros(len(searches))
    if vectors.ndim == 3:
        cosines = np.einsum("sid,sjd->s", vectors, vectors) - COUNT
        distance = 1 - cosines / (COUNT * (COUNT - 1))
    return np.stack([recall_at(run, searches.targets, K), distance], axis=1)


class Lab:
    """The test searches whose user liked something before, and what each system makes of them."""

    def __init__(self, data: Path, out: Path) -> None:
        self.out, self.pairs = out, pairs_of(data, out)
        self.searches = read_searches(self.pairs, split="test")
        self.kept = pc.greater(pc.list_value_length(self.searches.requests["history_item"]), 0).to_numpy()
        table = pq.read_table(self.pairs / "searches.parquet")
        rows = pc.index_in(self.searches.search_ids, table["search_id"].combine_chunks())
        self.users = np.asarray(table["searcher_id"].take(rows).to_pylist())[self.kept]

    def measured(self, seed: int, name: str) -> np.ndarray:
        """(searches, 2), made once."""
        path = self.out / "measured" / f"{seed} {name}.npy"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            folder = self.out / "models" / f"{seed} {name}"
            trained = train(self.pairs, VERTICAL, recipes(seed)[name], folder, progress=False, resume=True)
            np.save(path, measured(trained.model, self.searches)[self.kept])
            print(f"  seed {seed}, {name}: {np.load(path).mean(axis=0).round(4).tolist()}", flush=True)
        return np.load(path)


def effect(baseline: np.ndarray, variant: np.ndarray, users: np.ndarray, seeds: int) -> Effect:
    """Of means over users of their searches. Both: (searches,)."""
    names = np.unique(users)
    each = np.array([[one[users == user].mean() for one in (baseline, variant)] for user in names])
    means = resampled_means(each)
    low, high = np.quantile(means[:, 1] / means[:, 0] - 1, [0.025, 0.975])
    first, second = each.mean(axis=0)
    return Effect(seeds, float(first), float(second), float(second / first - 1), float(low), float(high))


class _Up:
    """What Effect.verdict reads of a row."""

    expected, size = "up", None


def table(means: dict[str, np.ndarray], users: np.ndarray, seeds: int) -> tuple[str, dict[str, Any]]:
    lines = [f"| compared | recall@{K} | change | | distance | change | |", "|---" * 7 + "|"]
    plain: dict[str, Any] = {}
    for name, baseline in ((SEVERAL, ONE), *((name, SEVERAL) for name in DIVERSITY)):
        cells = [f"{name} / {baseline}"]
        for at in range(1 if baseline == ONE else 2):
            one = effect(means[baseline][:, at], means[name][:, at], users, seeds)
            change = f"{one.change:+.1%} [{one.low:+.1%}, {one.high:+.1%}]"
            cells += [f"{one.baseline:.4f} → {one.variant:.4f}", change, one.verdict(_Up())]  # type: ignore[arg-type]
            plain.setdefault(cells[0], []).append(vars(one))
        lines.append("| " + " | ".join(cells + [""] * (7 - len(cells))) + " |")
    return "\n".join(lines), plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of ml-latest-small")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    lab = Lab(arguments.data, arguments.out)
    print(f"{len(lab.users)} searches of {len(np.unique(lab.users))} users", flush=True)
    for seeds in range(1, arguments.seeds + 1):  # a table after each, for a run that ends early
        each = {name: [lab.measured(seed, name) for seed in range(seeds)] for name in recipes(0)}
        shown, plain = table({name: np.mean(found, axis=0) for name, found in each.items()}, lab.users, seeds)
        by_seed = {name: [round(float(one[:, 0].mean()), 4) for one in found] for name, found in each.items()}
        print(f"\n{seeds} seeds; recall@{K} of each, over searches: {by_seed}\n\n{shown}\n", flush=True)
        (arguments.out / "effect_capsules.json").write_text(json.dumps({"seeds": by_seed, "effects": plain}, indent=1))


if __name__ == "__main__":
    main()
