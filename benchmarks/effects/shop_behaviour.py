"""What is behaviour worth in the shop world: to find what was clicked, and to find what was wanted?

    python benchmarks/effects/shop_world.py --out DIR
    python benchmarks/effects/shop_behaviour.py DIR [--epochs 4] [--searches 6000]

Trains two towers on DIR/pairs that differ in one thing, whether the request tower reads the three windows of behaviour
(each the mean of its elements, by the fusion concat), and compares them on the test split by exact search, by the kind
of want: recall@100 of the targets of the log, which are what the production engine showed and somebody clicked; of the
product that was wanted, which only the truth of a simulation knows; and P_good@10. 95 % intervals of the paired
difference over searches. Models are kept in DIR/models. A simulation: docs/shop-world.md.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lab.people import recall, run_ranks

from alicorn import Model, Vertical, train
from alicorn.evaluation.metrics.bootstrap import paired_difference
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.exact import exact_top_k
from alicorn.training import Recipe
from alicorn.worlds import SHOP_VERTICAL
from alicorn.worlds.shop.sessions import KINDS

WINDOWS = ("realtime", "short", "long")
MEASURES = ("recall@100 of clicks", "recall@100 of the wanted", "P_good@10")


def recipe(request: tuple[str, ...], epochs: int) -> Recipe:
    tables = {
        "text": {"buckets": 1 << 16, "dim": 64},
        "item": {"buckets": 1 << 16, "dim": 32},
        "brand": {"buckets": 1 << 12, "dim": 32},
        "category": {"buckets": 1 << 10, "dim": 16},
        "shop": {"buckets": 1 << 12, "dim": 16},
    }
    document = ("item", "title", "category", "brand", "shop")
    return Recipe.model_validate(
        {
            "towers": {"hidden": 128, "features": {"request": request, "document": document}, "tables": tables},
            "loss": {"kind": "softmax", "scale": 16.0},
            "negatives": {"random": 512, "in_batch": True},
            "positives": ("click",),
            "optimizer": {"rate": 0.001, "table_rate": 0.05},
            "batch": 512,
            "epochs": epochs,
            "patience": 2,
            "channel_balance": "equal",
            "validation": {"searches": 2000, "k": 10, "interpolate": []},
        }
    )


def trained(folder: Path, name: str, chosen: Recipe) -> Model:
    out = folder / "models" / name
    if not (out / "model.json").exists():
        train(folder / "pairs", Vertical.load(SHOP_VERTICAL), chosen, out, progress=False, resume=True)
    return Model.load(out)


def measured(model: Model, searches: Searches, wanted: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """float64 (searches, measures). wanted: int64 (searches,), documents. relevant: bool (searches, documents)."""
    requests, documents = model.encode_requests(searches.requests), model.encode_documents(searches.documents)
    found = exact_top_k(requests, documents, 100)[0]
    clicks = recall(run_ranks(found, searches.targets), searches.targets, 100)
    good = np.take_along_axis(relevant, found[:, :10].astype(np.int64), axis=1).mean(axis=1)
    return np.stack([clicks, (found == wanted[:, None]).any(axis=1), good], axis=1)


def truth_of(folder: Path, searches: Searches) -> tuple[np.ndarray, np.ndarray]:
    """The wanted document of each search, and which documents have what its query asks for."""
    rows = pq.read_table(folder / "logs" / "truth.parquet")
    rows = rows.take(pc.index_in(searches.search_ids, rows["search_id"].combine_chunks()))
    wanted = pc.index_in(rows["doc_id"], searches.documents["doc_id"].combine_chunks()).to_numpy()
    relevant = np.ones((len(rows), len(searches.documents)), dtype=bool)
    names = {"department": "department", "leaf": "category", **{n: n for n in ("brand", "colour", "material", "size")}}
    for asked, column in names.items():
        values = searches.documents[column].combine_chunks().dictionary_encode()
        code = pc.fill_null(pc.index_in(rows[asked], values.dictionary), -1).to_numpy()
        relevant &= (code[:, None] < 0) | (values.indices.to_numpy()[None, :] == code[:, None])
    return wanted.astype(np.int64), relevant


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="DIR of shop_world.py --out")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--searches", type=int, default=6000, help="of the test split")
    arguments = parser.parse_args()
    searches = read_searches(arguments.folder / "pairs", arguments.searches, split="test")
    truth = truth_of(arguments.folder, searches)
    found = {}
    for name, request in (("without", ("text",)), ("with", ("text", *WINDOWS))):
        model = trained(arguments.folder, name, recipe(request, arguments.epochs))
        found[name] = measured(model, searches, *truth)
    kinds = np.array([row[0] for row in searches.segments])
    print("| kind | searches | " + " | ".join(MEASURES) + " |\n" + "|---" * (2 + len(MEASURES)) + "|")
    for kind in KINDS:
        rows = kinds == kind
        cells = []
        for column in range(len(MEASURES)):
            after, before = found["with"][rows, column], found["without"][rows, column]
            change = paired_difference(after, before)
            means = f"{before.mean():.3f} → {after.mean():.3f}"
            cells.append(f"{means}, {change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]")
        print(f"| {kind} | {int(rows.sum()):,} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
