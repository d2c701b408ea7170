"""Does a second stage that learns a teacher's margins (margin-MSE) make towers better?

Data: pairs/ of `alicorn mine --teacher`, such as examples/movies with the word-overlap judge. Three systems from one
recipe: as it is, which is the first stage of the other two; then the same loss again for as many epochs (the control: a
stage more is not the effect); then margin_mse over the documents that a search showed, at several scales. The second
stages learn at a tenth of the rates. The epoch is the best of the second stage on the valid split, its start is not
among them; measures are of the test split by exact search, differences to the control are paired.

    python benchmarks/learning/distillation.py PAIRS --vertical examples/movies/vertical.yaml \
        --recipe examples/movies/recipe.yaml [--scales 10 20 40] [--epochs 4]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

from alicorn.evaluation.metrics.comparison import compare, served_measures
from alicorn.evaluation.reports.comparison_report import markdown
from alicorn.evaluation.searches import read_searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.training import Recipe, train
from alicorn.vertical import Vertical

_CONTROL = "the same loss again"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="folder that `alicorn mine --teacher` wrote")
    parser.add_argument("--vertical", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--scales", type=float, nargs="+", default=[10.0, 20.0, 40.0])
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    searches = read_searches(arguments.pairs, split="test")
    runs = {}
    for name, recipe in _recipes(Recipe.load(arguments.recipe), arguments.scales, arguments.epochs).items():
        with tempfile.TemporaryDirectory() as out:
            vertical = Vertical.load(arguments.vertical)
            model = train(arguments.pairs, vertical, recipe, Path(out) / "model", progress=False).model
        found = model.encode_requests(searches.requests), model.encode_documents(searches.documents)
        runs[name] = embedding_run(*found, 100)
    measures = served_measures((10, 100), searches.targets)
    measures.pop("empty")
    compared = compare(runs, searches.targets, measures=measures, baseline=_CONTROL)
    print(markdown(compared, title="Distillation by margin-MSE"))


def _recipes(recipe: Recipe, scales: list[float], epochs: int) -> dict[str, Recipe]:
    shown = {"non_click": 4, "random": 0, "in_batch": False}
    second: dict[str, dict[str, Any]] = {_CONTROL: {}}
    for scale in scales:
        second[f"margin_mse, scale {scale:g}"] = {"loss": {"kind": "margin_mse", "scale": scale}, "negatives": shown}
    plain = recipe.plain() | {"epochs": epochs}
    plain["validation"]["start"] = False
    rates = plain["optimizer"]
    slower = {"optimizer": rates | {name: rates[name] / 10 for name in ("rate", "table_rate", "encoder_rate")}}
    staged = {name: Recipe.model_validate(plain | {"stages": [{}, slower | stage]}) for name, stage in second.items()}
    return {"first stage alone": Recipe.model_validate(plain), **staged}


if __name__ == "__main__":
    main()
