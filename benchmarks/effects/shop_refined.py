"""What are vectors worth that were refined over the graph of choices (GRCN)? In the shop world.

    python benchmarks/effects/shop_world.py --out DIR
    python benchmarks/effects/shop_behaviour.py DIR                  # its model DIR/models/without is refined
    python benchmarks/effects/shop_refined.py DIR [--epochs 4] [--searches 6000]

`alicorn refine` makes vectors from the choices of the training split. First as item to item: how often is a choice of a
test search among the 50 products nearest to what its searcher chose last in train, by the vectors of the model and by
the refined ones? Then as an input: a second model is trained that differs in one feature of documents, `{kind: dense,
column: refined}`, and both are compared on the test split by exact search. 95 % intervals of the paired difference over
searchers and over searches; of one seed each. A simulation: docs/shop-world.md.
"""

import argparse
import datetime
import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from shop_behaviour import MEASURES, measured, recipe, truth_of

from alicorn import Collection, Model, Vertical, train
from alicorn.config import parse_config, plain_yaml
from alicorn.evaluation.metrics.bootstrap import paired_difference
from alicorn.evaluation.searches import read_searches
from alicorn.interests.refined import REFINED, write_refined
from alicorn.pairs import PairsFolder
from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.worlds import SHOP_VERTICAL

NEAREST = 50


def refine(folder: Path, model: Model, out: Path) -> dict[str, float]:
    place = out / "collection"
    shutil.rmtree(place, ignore_errors=True)
    documents = pq.read_table(folder / "logs" / "documents.parquet")
    with Collection.create(place, {model.key: model.dim}, metadata_of([model])) as collection:
        collection.upsert(indexed(documents, [model], datetime.datetime.now(datetime.UTC)).documents)
        return write_refined(
            folder / "pairs", collection.snapshot(), model.key, out / "refined.parquet", overwrite=True
        )


def next_choices(pairs: Path) -> tuple[list[str], list[str]]:
    """Of each searcher with both: the last choice of train, and the first of test, another document."""
    shown = PairsFolder(pairs).read("impressions", ["searcher_id", "time", "doc_id", "grade", "split"])
    chosen = shown.filter(pc.and_(pc.greater(shown["grade"], 0.0), shown["searcher_id"].is_valid()))
    last: dict[str, str] = {}
    following: dict[str, str] = {}
    for row in chosen.sort_by([("time", "ascending"), ("doc_id", "ascending")]).to_pylist():
        who = row["searcher_id"]
        if row["split"] == "train":
            last[who] = row["doc_id"]
        elif row["split"] == "test" and last.get(who) != row["doc_id"]:
            following.setdefault(who, row["doc_id"])
    both = [who for who in following if who in last]
    return [last[who] for who in both], [following[who] for who in both]


def hits(vectors: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(searchers,): whether the next choice is among the nearest to the one before, itself left out."""
    found = np.empty(len(before))
    for row, (one, other) in enumerate(zip(before, after, strict=True)):
        cosines = vectors @ vectors[one]
        cosines[one] = -np.inf
        found[row] = (cosines > cosines[other]).sum() < NEAREST
    return found


def with_feature(folder: Path, out: Path, model: Model, epochs: int) -> Model:
    """Trained on the same pairs, whose documents have the column."""
    pairs = out / "pairs"
    shutil.rmtree(pairs, ignore_errors=True)
    shutil.copytree(folder / "pairs", pairs, ignore=shutil.ignore_patterns("features*"))
    documents, vectors = pq.read_table(pairs / "documents.parquet"), pq.read_table(out / "refined.parquet")
    at = pc.index_in(documents["doc_id"].combine_chunks(), vectors["doc_id"].combine_chunks())
    pq.write_table(
        documents.append_column(REFINED, vectors[REFINED].combine_chunks().take(at)), pairs / "documents.parquet"
    )
    plain = plain_yaml(SHOP_VERTICAL.read_text(encoding="utf-8"), where="vertical.yaml")
    plain["document"]["features"][REFINED] = {"kind": "dense", "column": REFINED, "dim": model.dim}
    wanted = recipe(("text",), epochs).model_dump(mode="json")
    wanted["towers"]["features"]["document"] = [*wanted["towers"]["features"]["document"], REFINED]
    vertical = parse_config(plain, Vertical, where="vertical.yaml")
    place = out / "model"
    shutil.rmtree(place, ignore_errors=True)
    chosen = parse_config(wanted, type(recipe(("text",), epochs)), where="recipe.yaml")
    train(pairs, vertical, chosen, place, progress=False)
    return Model.load(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="DIR of shop_world.py --out")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--searches", type=int, default=6000, help="of the test split")
    arguments = parser.parse_args()
    folder, out = arguments.folder, arguments.folder / "refined"
    out.mkdir(exist_ok=True)
    model = Model.load(folder / "models" / "without")
    print(refine(folder, model, out))
    own = model.encode_documents(pq.read_table(folder / "pairs" / "documents.parquet"))
    table = pq.read_table(out / "refined.parquet")
    ids = table["doc_id"].combine_chunks()
    refined = np.stack(table[REFINED].to_numpy())
    before, after = (pc.index_in(np.array(each), ids).to_numpy() for each in next_choices(folder / "pairs"))
    rows = [("item to item", len(before), f"hit@{NEAREST}", *(hits(v, before, after) for v in (own, refined)))]
    searches = read_searches(folder / "pairs", arguments.searches, split="test")
    truth = truth_of(folder, searches)
    base = measured(model, searches, *truth)
    second = with_feature(folder, out, model, arguments.epochs)
    searches = read_searches(out / "pairs", arguments.searches, split="test")
    with_it = measured(second, searches, *truth)
    for column, measure in enumerate(MEASURES):
        rows.append(("feature of documents", len(base), measure, base[:, column], with_it[:, column]))
    print("\n| used as | n | measure | without, with | change |\n" + "|---" * 5 + "|")
    for name, count, measure, first, other in rows:
        change = paired_difference(other, first)
        said = f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
        print(f"| {name} | {count:,} | {measure} | {first.mean():.3f} → {other.mean():.3f} | {said} |")


if __name__ == "__main__":
    main()
