"""What do searches see of a switch of models? Searches at a fixed rate while the models change places many times.

    python benchmarks/serving/switching.py DEMO_FOLDER [--rate 200] [--seconds 30] [--switches 100] [--workers 1]

DEMO_FOLDER: of `alicorn demo --out DEMO_FOLDER --no-serve`; a copy of its collection is served with both of its models,
by `alicorn serve`. Each answer names its model and is compared with what that model alone answers: others are mixed.
Requests come at fixed times whatever the server does, and waiting counts. The same load without a switch comes first.
busy: requests that were refused with 429, which a server that is slower than the rate does; failed: those with another
status than 200 and 429, without an answer, and switches that were refused. Times are those of all requests.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
from load import PORT, Connection, in_turns

TEXTS = 40
KEYS = ("people", "people-text")


def hits(answer: dict[str, Any]) -> list[tuple[str, float]]:
    return [(hit["doc_id"], hit["score"]) for hit in answer["hits"]]


def expected(client: httpx.Client, asked: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What each model answers to each search, by key."""
    return [{key: hits(client.post("/v1/search", json=one | {"key": key}).json()) for key in KEYS} for one in asked]


async def loaded(
    bodies: list[bytes], right: list[dict[str, Any]], rate: float, seconds: float, switches: int
) -> tuple[list[float], Counter[str]]:
    """Seconds of each answer from the time at which it was due; and how many answers were of which kind."""
    free: list[tuple[float, Connection]] = []  # the server closes what nobody used for five seconds
    kinds: Counter[str] = Counter()
    begun = time.perf_counter() + 0.1

    async def search(number: int) -> float:
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        is_fresh = free and time.perf_counter() - free[-1][0] < 2.0
        connection = free.pop()[1] if is_fresh else await Connection.open()
        try:
            status, content = await connection.exchange(bodies[number % len(bodies)])
        except (OSError, EOFError):
            kinds["failed"] += 1
            return time.perf_counter() - due
        free.append((time.perf_counter(), connection))
        if status != 200:
            kinds["busy" if status == 429 else "failed"] += 1
        else:
            answer = json.loads(content)
            (key,) = answer["models"]
            kinds[key if hits(answer) == right[number % len(right)][key] else "mixed"] += 1
        return time.perf_counter() - due

    async def switch() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", trust_env=False) as client:
            for number in range(switches):
                await asyncio.sleep(max(0.0, begun + (number + 0.5) * seconds / switches - time.perf_counter()))
                answer = await client.post("/v1/models/rollback")
                kinds["switches" if answer.status_code == 200 else "failed"] += 1

    took = await asyncio.gather(switch(), *(search(number) for number in range(int(rate * seconds))))
    return [one for one in took if one is not None], kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="folder of alicorn demo")
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--switches", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    demo: Path = arguments.demo
    log = pq.read_table(demo / "logs/impressions", columns=["query", "searcher_id"])
    rng = random.Random(0)
    rows = [rng.randrange(len(log)) for _ in range(TEXTS)]
    asked = [{"text": log["query"][at].as_py(), "searcher": log["searcher_id"][at].as_py()} for at in rows]
    bodies = [json.dumps(one).encode() for one in asked]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(demo / "collection", f"{scratch}/collection")
        command = [str(Path(sys.executable).parent / "alicorn"), "serve", f"{scratch}/collection", "--port", str(PORT)]
        command += ["--model", str(demo / "model-unified"), "--model", str(demo / "model-text")]
        command += ["--searchers", str(demo / "logs/searchers"), "--served-log", f"{scratch}/served"]
        command += ["--workers", str(arguments.workers)]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    asyncio.run(in_turns(bodies, 1))
                    break
                except OSError:
                    assert server.poll() is None, "the server ended"
                    time.sleep(0.2)
            with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", trust_env=False, timeout=60) as client:
                right = expected(client, asked)
                limits = {"limits": {"agreement": 0.0, "slower": 10.0, "recall": 0.5}}
                print(client.post(f"/v1/models/{KEYS[1]}/check", json=limits).text)
                switched = client.post(f"/v1/models/{KEYS[1]}/switch")
                assert switched.status_code == 200, switched.text
            print("| switches | requests | p50 ms | p99 ms | busy | failed | mixed | by model |\n" + "|---" * 8 + "|")
            for switches in (0, arguments.switches):
                took, kinds = asyncio.run(loaded(bodies, right, arguments.rate, arguments.seconds, switches))
                ms = np.array(took) * 1e3
                by = ", ".join(f"{key} {kinds[key]}" for key in KEYS)
                figures = f"{len(took)} | {np.median(ms):.2f} | {np.quantile(ms, 0.99):.2f} | {kinds['busy']}"
                print(f"| {kinds['switches']} | {figures} | {kinds['failed']} | {kinds['mixed']} | {by} |")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
