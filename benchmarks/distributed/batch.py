"""What do Ray and Spark cost a batch job on one machine, beside this process alone, and does memory stay flat?

    python benchmarks/distributed/batch.py [--documents 100000 1000000] [--engines local ray spark]

Documents: names of the people world's dictionary size made of random letters, in row groups of 20,000. The model: a
tower of hashed n-grams with random weights, since embedding costs the same. Each run is a process of its own; memory is
the most that it and all its children had together (PSS), looked at twice a second. A second is one of the wall: engines
have as many processes as there are processors.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.towers import Model
from alicorn.training import Recipe
from alicorn.vertical import Vertical

ROW_GROUP = 20_000
VERTICAL = {
    "name": "batch",
    "embedding": "batch",
    "document": {
        "features": {"name": {"kind": "text", "column": "name"}},
        "terms": [{"prefix": "text", "column": "name", "kind": "words"}],
    },
    "request": {"features": {"text": {"kind": "text", "column": "query"}}},
    "split": {"valid": 0.1},
}


def write_documents(path: Path, count: int, rng: np.random.Generator) -> None:
    letters = rng.integers(ord("a"), ord("z") + 1, (count, 16), dtype=np.uint8)
    letters[:, 7] = ord(" ")
    names = pa.array(letters.view("S16").ravel().astype(str))
    table = pa.table({"doc_id": pa.array(np.arange(count).astype(str)), "name": names})
    pq.write_table(table, path, row_group_size=ROW_GROUP)


def embed(engine: str, documents: Path, model: Path, out: Path) -> tuple[float, float]:
    """Run it in a process of its own -> seconds, and megabytes of all its processes."""
    command = [sys.executable, "-c", "from alicorn.cli import main; main()", "embed", str(model)]
    command += ["--documents", str(documents), "--out", str(out), "--engine", engine]
    started, most = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, sum(map(_megabytes, _family(process.pid))))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started, most


def _family(root: int) -> list[int]:
    """A process and all below it; Ray's and Spark's are its children, or in its session."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    family = [root]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def _megabytes(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--engines", nargs="+", default=["local", "ray", "spark"])
    parser.add_argument("--dim", type=int, default=128)
    parsed = parser.parse_args()
    print("| documents | engine | seconds | of local | MB of all processes |\n|--:|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        recipe = Recipe.model_validate({"towers": {"dim": parsed.dim}}).plain()
        Model.new(Vertical.model_validate(VERTICAL), recipe, "benchmark", {}, 0).save(work / "model")
        for count in parsed.documents:
            write_documents(work / "documents.parquet", count, np.random.default_rng(0))
            local = 0.0
            for engine in parsed.engines:
                out = work / f"{engine}-{count}"
                seconds, memory = embed(engine, work / "documents.parquet", work / "model", out)
                local = local or seconds
                print(f"| {count:,} | {engine} | {seconds:.1f} | {seconds / local:.2f} | {memory:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
