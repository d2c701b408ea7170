"""What do spans cost a request? A server without them, with all of them, and with those of a tenth of the requests.

    python benchmarks/serving/tracing.py DEMO_FOLDER [--requests 2000] [--rounds 4]

DEMO_FOLDER: of `alicorn demo --out DEMO_FOLDER --no-serve`. `alicorn serve` is asked texts by searchers of the log on
one connection; the collector is a process that throws away what it is sent. The servers are asked in turns, a new one
each, in an order that changes from round to round. Processor time is the server's, of all its threads, the one that
sends spans included; the difference is the mean over the rounds, with its standard error.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import load
import numpy as np
import pyarrow.parquet as pq

COLLECTOR = 8127
TAKES_ALL = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""
KINDS = {"without": None, "a tenth": "0.1", "all": "1.0"}
"""Share of the requests that have spans."""


def bodies(demo: Path, count: int) -> list[bytes]:
    log = pq.read_table(demo / "logs/impressions", columns=["query", "searcher_id"])
    rng = random.Random(0)
    rows = [rng.randrange(len(log)) for _ in range(count)]
    asked = [{"text": log["query"][at].as_py(), "searcher": log["searcher_id"][at].as_py()} for at in rows]
    return [json.dumps(one).encode() for one in asked]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="folder of alicorn demo")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    demo: Path = arguments.demo
    asked = bodies(demo, arguments.requests + load.WARM)
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    collector = subprocess.Popen([sys.executable, "-c", TAKES_ALL, str(COLLECTOR)])
    try:
        for number in range(arguments.rounds):
            for kind in random.Random(number).sample(list(KINDS), len(KINDS)):
                with tempfile.TemporaryDirectory() as scratch:
                    command = [str(Path(sys.executable).parent / "alicorn"), "serve", str(demo / "collection")]
                    command += ["--model", str(demo / "model-unified"), "--searchers", str(demo / "logs/searchers")]
                    command += ["--served-log", f"{scratch}/served", "--port", str(load.PORT)]
                    os.environ.pop("OTEL_TRACES_SAMPLER_ARG", None)
                    if (share := KINDS[kind]) is not None:
                        command += ["--traces", f"http://127.0.0.1:{COLLECTOR}/v1/traces"]
                        os.environ |= {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
                    found[kind].append(load.measured(kind, command, asked, [], overloaded=False)[0])
    finally:
        collector.terminate()
        collector.wait()
    print("| spans | processor ms a request | more than without, ms | p50 ms |\n|---|---|---|---|")
    base = np.array([row["processor_ms"] for row in found["without"]])
    for kind, rows in found.items():
        own = np.array([row["processor_ms"] for row in rows])
        more, error = np.mean(own - base), np.std(own - base, ddof=1) / np.sqrt(len(own))
        p50 = np.median([row["p50_ms"] for row in rows])
        print(f"| {kind} | {own.mean():.3f} | {more:.3f} ± {error:.3f} | {p50:.2f} |")


if __name__ == "__main__":
    main()
