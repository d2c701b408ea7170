"""What does a request cost that has nothing to scan, and what does the first one of a process cost?

    python benchmarks/engine/overhead.py [--documents 20000] [--json FILE]

A fresh process opens a collection and asks once for each kind of expression, with Numba's compile events recorded. An
earlier process has asked the same, so all code that this machine needs is kept: a compile in the import or in a request
is a defect. Then the same requests again. All times are of the processor.
Aim: under 20 us for a simple hybrid expression, and no compile in a request.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness.fixed_overhead import fixed_overhead_us

KINDS = (
    "u:1%",
    "(and u:10% u:30%)",
    "(difference u:10% (or u:30% c:10%))",
    "(nn x :k 10 :nprobe 16)",
    "(nn x :k 10)",
    "(nn x :k 10 :filter u:1%)",
    "(nn x :k 10 :nprobe 16 :filter half)",
    "(and u:10% (nn x :radius 0.3))",
    "(or (and u:10% c:10%) (nn x :radius 0.3 :nprobe 16))",
    "(prefix z:1)",
    "(weak-and u:10% (half :optional-hits 3))",
)


def fresh(folder: Path) -> dict:
    """Run in a fresh process: ms of import, opening and the first request of each kind, and what Numba compiled."""
    started = time.process_time()
    from numba.core import event

    compiled = event.RecordingListener()
    event.register("numba:compile", compiled)
    from alicorn import Collection

    imported = time.process_time()
    at_import = len(compiled.buffer) // 2
    collection = Collection.open(folder)
    opened = time.process_time()
    vector = {"x": np.ones(collection.embeddings["x"], dtype=np.float32)}
    requests = []
    for expression in KINDS:
        times = []
        before = len(compiled.buffer)
        for _ in range(20):
            at = time.process_time()
            collection.search(expression, vector, 10)
            times.append((time.process_time() - at) * 1000)
        requests.append(
            {
                "expression": expression,
                "first_ms": times[0],
                "then_ms": float(np.median(times[1:])),
                "compiled": (len(compiled.buffer) - before) // 2,
            }
        )
    return {
        "import_ms": (imported - started) * 1000,
        "open_ms": (opened - imported) * 1000,
        "compiled_at_import": at_import,
        "requests": requests,
        "fixed_overhead_us": fixed_overhead_us(collection, vector["x"]),
    }


def show(result: dict) -> str:
    lines = [
        f"Import {result['import_ms']:.0f} ms ({result['compiled_at_import']} functions compiled), open"
        f" {result['open_ms']:.1f} ms.",
        "",
        "| expression | first ms | then ms | functions compiled |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{one['expression']}` | {one['first_ms']:.2f} | {one['then_ms']:.3f} | {one['compiled']} |"
        for one in result["requests"]
    ]
    lines += ["", "| nothing to scan | us |", "|---|---|"]
    lines += [f"| `{expression}` | {us:.0f} |" for expression, us in result["fixed_overhead_us"].items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--fresh", type=Path, help=argparse.SUPPRESS)  # the fresh process: prints JSON
    parsed = parser.parse_args(arguments)
    if parsed.fresh:
        print(json.dumps(fresh(parsed.fresh)))
        return
    from harness.ours import Alicorn  # not at the top: the fresh process must import nothing of the engine early
    from harness.vectors import make

    with tempfile.TemporaryDirectory() as folder:
        Alicorn.build(make(Path(folder), parsed.documents, 128), Path(folder))
        command = [sys.executable, __file__, "--fresh", str(Path(folder) / "collection")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # the first on this machine compiles
        result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(show(result))
    if parsed.json:
        parsed.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
