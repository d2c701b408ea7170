"""How many pairs a second do several processes learn, beside one, and do they learn the same?

    python benchmarks/distributed/training.py PAIRS --vertical FILE [--recipe FILE] [--processes 1 2]

Each run is `alicorn train`, started by torchrun, with one thread of arithmetic a process. The last columns compare the
loss of the last epoch, and recall on the valid split, with the first run's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def train(processes: int, arguments: list[str], out: Path) -> dict[str, Any]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    verb = ["--no-python", sys.executable, "-c", "from alicorn.cli import main; main()", "train", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, *verb, "--out", str(out)], check=True, env=environment, stdout=subprocess.DEVNULL)
    history: dict[str, Any] = json.loads((out / "history.json").read_text())
    return history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--vertical", type=Path, required=True)
    parser.add_argument("--recipe", type=Path)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parsed = parser.parse_args()
    arguments = [str(parsed.pairs), "--vertical", str(parsed.vertical)]
    arguments += ["--recipe", str(parsed.recipe)] if parsed.recipe else []
    print("| processes | pairs/s, median epoch | of one | loss of the last epoch | difference | recall, difference |")
    print("|--:|--:|--:|--:|--:|--:|")
    first: dict[str, Any] = {}
    for processes in parsed.processes:
        with tempfile.TemporaryDirectory() as folder:
            history = train(processes, arguments, Path(folder) / "model")
        learned = history["epochs"][1:]
        rates = sorted(epoch["pairs_per_s"] for epoch in learned)
        now = {"rate": rates[len(rates) // 2], "loss": learned[-1]["loss"], "recall": learned[-1]["recall"]["10"]}
        first = first or now
        print(
            f"| {processes} | {now['rate']:,.0f} | {now['rate'] / first['rate']:.2f} | {now['loss']:.6f} |"
            f" {now['loss'] - first['loss']:+.1e} | {now['recall'] - first['recall']:+.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
