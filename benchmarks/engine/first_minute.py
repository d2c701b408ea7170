"""How long is the first minute: import, first answer and first served request, on a machine that compiled nothing yet?

Data: the snippet "the engine alone" of README.md, two documents. Baseline: the src of another checkout, if any, in the
same run. Each step is a process of its own, first with an empty folder for compiled code, then with what it left there.
Wall seconds and processor seconds; then the functions that the snippet compiles: processor seconds (without those that
they call) and bytes of machine code.

    python benchmarks/engine/first_minute.py --base ../alicorn-before/src
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
SNIPPET = re.search(r"## The engine alone.*?```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
LISTED = """
import numba.core.event as events, atexit, sys, time
stack, rows = [], []
class Listener(events.Listener):
    def on_start(self, event):
        stack.append([time.process_time(), 0.0])
    def on_end(self, event):
        start, inner = stack.pop()
        seconds = time.process_time() - start
        if stack:
            stack[-1][1] += seconds
        compiled = event.data["dispatcher"]
        code = sum(len(one.library._get_compiled_object()) for one in compiled.overloads.values())
        name = compiled.py_func.__module__.removeprefix("alicorn.") + "." + compiled.py_func.__qualname__
        rows.append((seconds - inner, len(stack), code, name))
events.register("numba:compile", Listener())
def show():
    for seconds, depth, code, name in sorted(rows, reverse=True)[:COUNT]:
        print(f"{seconds:8.2f} {code:10,}  {name}{'' if depth else '  (called from Python)'}", file=sys.stderr)
    print(f"{sum(row[0] for row in rows):8.2f} in all, {len(rows)} functions", file=sys.stderr)
atexit.register(show)
"""


def timed(program: str, source: Path, kept: Path) -> tuple[float, float]:
    """Wall and processor seconds of a process that runs the program in an empty folder."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-c", program], env=_env(source, kept), cwd=folder, check=True, stdout=sys.stderr
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def served(source: Path, kept: Path) -> tuple[float, float]:
    """Seconds until a server of the snippet's collection is ready, and of its first answer."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", SNIPPET[1]], env=_env(source, kept), cwd=folder, check=True, stdout=2)
        for file in kept.rglob("*.*"):
            file.unlink(missing_ok=True)
        port = "8917"
        command = [sys.executable, "-c", "from alicorn.cli import main; main()", "serve", "things", "--port", port]
        start = time.perf_counter()
        with subprocess.Popen(command, env=_env(source, kept), cwd=folder) as server:
            try:
                _get(f"http://127.0.0.1:{port}/healthz", patience=300.0)
                ready = time.perf_counter() - start
                body = {
                    "expression": "(and tag:red (range price :max 15) (nn clip :radius 0.3))",
                    "vectors": {"clip": [1, 0, 0]},
                }
                start = time.perf_counter()
                _get(f"http://127.0.0.1:{port}/v1/search", json.dumps(body).encode())
                return ready, time.perf_counter() - start
            finally:
                server.terminate()


def _get(url: str, body: bytes | None = None, patience: float = 0.0) -> bytes:
    stop = time.perf_counter() + patience
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read()
        except urllib.error.URLError:
            if time.perf_counter() > stop:
                raise
            time.sleep(0.02)


def _env(source: Path, kept: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(source), "NUMBA_CACHE_DIR": str(kept)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="src of another checkout, measured first")
    parser.add_argument("--kernels", type=int, default=20, help="how many of the dearest to list")
    options = parser.parse_args()
    sources = {"here": ROOT / "src"} | ({"base": options.base.resolve()} if options.base else {})
    programs = {"import alicorn.Collection": "import alicorn; alicorn.Collection", "the snippet": SNIPPET[1]}
    print("| step | version | cold s | processor | again s | processor |\n|---|---|---|---|---|---|")
    for step, program in programs.items():
        for version, source in reversed(sources.items()):
            with tempfile.TemporaryDirectory() as kept:
                cold, again = timed(program, source, Path(kept)), timed(program, source, Path(kept))
            print(
                f"| {step} | {version} | {cold[0]:.1f} | {cold[1]:.1f} | {again[0]:.2f} | {again[1]:.2f} |", flush=True
            )
    with tempfile.TemporaryDirectory() as kept:
        ready, first = served(sources["here"], Path(kept))
    print(f"\nserver, cold: ready after {ready:.1f} s, its first answer after {1000 * first:.0f} ms more\n", flush=True)
    with tempfile.TemporaryDirectory() as kept:
        timed(LISTED.replace("COUNT", str(options.kernels)) + SNIPPET[1], sources["here"], Path(kept))


if __name__ == "__main__":
    main()
