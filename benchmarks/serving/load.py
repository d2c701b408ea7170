"""How long does a search take over HTTP, and where does the time go? Beside the floor: the same bytes without a search.

    python benchmarks/serving/load.py DEMO_FOLDER [--requests 3000] [--rate 200 400] [--workers 1 2] [--json FILE]

DEMO_FOLDER: of `alicorn demo --out DEMO_FOLDER --no-serve`. The server is `alicorn serve` with its log; the load comes
from this process. The floor is uvicorn and Starlette that decode the same body by msgspec and answer the bytes of one
hybrid search. Requests are texts by searchers of the log, limit 10.

one connection, 16 connections: the next request of a connection follows its answer. At a rate: requests come at fixed
times whatever the server does, on connections that are free or new, and waiting counts; refused are those that were not
answered 200, whose times do not count. Three times its capacity: the
same at three times the requests/s of 16 connections; goodput are the answers 200 a second, refused those with 429, and
the processor for answers is the share of the processor time that as many answers took at 16 connections.
Processor time is the server's, of all its threads and processes. --workers: of `alicorn serve`, one server for each
count. memory: the proportional share of the pages of all its processes. The table of
stages is of one process without HTTP, each stage alone, by thread time.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow.parquet as pq

PORT = 8107
WARM = 200
_HEAD = "HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
FLOOR = """
import sys, msgspec, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from alicorn.serving.api.messages import SearchRequest
answer = open(sys.argv[1], "rb").read()
async def search(request):
    msgspec.json.decode(await request.body(), type=SearchRequest)
    return Response(answer, media_type="application/json")
async def health(request):
    return Response(b"{}")
app = Starlette(routes=[Route("/v1/search", search, methods=["POST"]), Route("/healthz", health)])
uvicorn.run(app, port=int(sys.argv[2]), access_log=False, log_level="warning")
"""


class Connection:
    """One HTTP/1.1 connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._used_s = time.monotonic()

    @classmethod
    async def open(cls) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", PORT))

    @property
    def is_stale(self) -> bool:
        """Whether the server may have closed it: uvicorn does after 5 s without a request."""
        return time.monotonic() - self._used_s > 4.0

    async def post(self, body: bytes) -> bytes:
        """The answer's body. Raises RuntimeError for another status than 200."""
        status, content = await self.exchange(body)
        if status != 200:
            raise RuntimeError(content.decode())
        return content

    async def exchange(self, body: bytes, path: str = "/v1/search") -> tuple[int, bytes]:
        """Status and body of the answer."""
        head = f"POST {path} {_HEAD}content-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in answer.decode().lower().split("\r\n")[1:] if ": " in line)
        content = await self._reader.readexactly(int(fields["content-length"]))
        self._used_s = time.monotonic()
        return int(answer[9:12]), content


async def in_turns(bodies: Sequence[bytes], connections: int) -> list[float]:
    """Seconds of each request, on so many connections."""
    seconds: list[float] = []

    async def run(own: Sequence[bytes]) -> None:
        connection = await Connection.open()
        for body in own:
            started = time.perf_counter()
            await connection.post(body)
            seconds.append(time.perf_counter() - started)

    await asyncio.gather(*(run(bodies[at::connections]) for at in range(connections)))
    return seconds


async def at_rate(bodies: Sequence[bytes], rate: float, path: str = "/v1/search") -> list[tuple[float, int]]:
    """Of each request the seconds from the time at which it was due to its answer, and the status."""
    free: list[Connection] = []
    begun = time.perf_counter() + 0.1

    async def one(number: int, body: bytes) -> tuple[float, int]:
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        while free and free[-1].is_stale:
            free.pop()
        connection = free.pop() if free else await Connection.open()
        status, _ = await connection.exchange(body, path)
        free.append(connection)
        return time.perf_counter() - due, status

    return list(await asyncio.gather(*(one(number, body) for number, body in enumerate(bodies))))


async def answered_at_rate(bodies: Sequence[bytes], rate: float) -> list[float]:
    """The seconds of the requests of at_rate that were answered 200; the others were refused."""
    return [seconds for seconds, status in await at_rate(bodies, rate) if status == 200]


def processes(server: "subprocess.Popen[bytes]") -> list[int]:
    """Ids of a server's process, of those that it started, and of theirs."""
    found = [server.pid]
    for pid in found:
        found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


def processor_s(server: "subprocess.Popen[bytes]") -> float:
    ticks = 0
    for pid in processes(server):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(server: "subprocess.Popen[bytes]") -> float:
    """Proportional: a page that several processes share counts once in all."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes(server))
    return sum(int(text.split("Pss:")[1].split()[0]) for text in rollups) / 1024


def measured(
    name: str,
    command: list[str],
    bodies: list[bytes],
    rates: Sequence[float],
    workers: int = 1,
    overloaded: bool = True,
) -> list[dict[str, Any]]:
    """The rows of one server. overloaded: asked for three times its capacity, too."""
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        asyncio.run(ready(server, bodies[:1]))
        _idle(server)  # the last of them listens, too
        asyncio.run(in_turns(bodies[:WARM], 2 * workers))
        loads: dict[str, Callable[[], Any]] = {
            "one connection": lambda: in_turns(bodies[WARM:], 1),
            "16 connections": lambda: in_turns(bodies[WARM:], 16),
        }
        loads |= {f"{rate:g} requests/s": lambda rate=rate: answered_at_rate(bodies[WARM:], rate) for rate in rates}
        rows = []
        for load, run in loads.items():
            used, started = processor_s(server), time.perf_counter()
            seconds = np.array(asyncio.run(run())) * 1e3
            if not len(seconds):
                raise RuntimeError(f"{name}, {load}: the server answered no request with 200")
            wall = time.perf_counter() - started
            used = (processor_s(server) - used) / len(seconds) * 1e3
            row = {"server": name, "load": load, "p50_ms": float(np.median(seconds))}
            row |= {"p99_ms": float(np.quantile(seconds, 0.99)), "per_s": len(seconds) / wall, "processor_ms": used}
            refused = len(bodies) - WARM - len(seconds)
            rows.append(row | {"refused": refused, "memory_mb": memory_mb(server)})
        if overloaded:
            rows[0]["overload"] = overload(server, bodies[WARM:], rows[1])
        return rows
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def _idle(server: "subprocess.Popen[bytes]") -> None:
    """Wait until the processes of a server do nothing."""
    used = -1.0
    while (now := processor_s(server)) > used + 0.05:
        used = now
        time.sleep(1.0)


def overload(server: "subprocess.Popen[bytes]", bodies: list[bytes], at_capacity: dict[str, Any]) -> dict[str, float]:
    """At three times the capacity: what is answered, how soon the rest is refused, and a second later."""
    used, started = processor_s(server), time.perf_counter()
    found = asyncio.run(at_rate(bodies * 3, 3 * at_capacity["per_s"]))
    took_s, used = time.perf_counter() - started, processor_s(server) - used
    answered = np.array([seconds for seconds, status in found if status == 200]) * 1e3
    refused = np.array([seconds for seconds, status in found if status == 429]) * 1e3
    row = {"capacity_per_s": at_capacity["per_s"], "goodput_per_s": len(answered) / took_s}
    row |= {"refused_per_s": len(refused) / took_s, "others": float(len(found) - len(answered) - len(refused))}
    row["processor_for_answers"] = len(answered) * at_capacity["processor_ms"] / 1e3 / max(used, 0.01)
    row["at_capacity_p99_ms"] = at_capacity["p99_ms"]
    for name, values in (("answered", answered), ("refused", refused)):
        if len(values):
            row |= {f"{name}_p50_ms": float(np.median(values)), f"{name}_p99_ms": float(np.quantile(values, 0.99))}
    time.sleep(1.0)
    row["a_second_later_p50_ms"] = float(np.median(asyncio.run(in_turns(bodies[:200], 1)))) * 1e3
    return row


async def ready(server: "subprocess.Popen[bytes]", bodies: Sequence[bytes]) -> None:
    while True:
        try:
            await in_turns(bodies, 1)
        except OSError:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended: {server.args}") from None
            await asyncio.sleep(0.2)
        else:
            return


def stages(demo: Path, bodies: list[bytes]) -> dict[str, float]:
    """Microseconds of each stage of a search in one process, the least of five rounds; and one answer's bytes."""
    import msgspec

    from alicorn import Collection, Model
    from alicorn.retrieval.retriever import Retriever
    from alicorn.retrieval.searchers import Searchers
    from alicorn.serving.api.messages import SearchRequest, decode
    from alicorn.serving.api.search_endpoint import SearchEndpoint
    from alicorn.tables import read_table

    model = Model.load(demo / "model-unified")
    with Collection.open(demo / "collection", read_only=True) as collection:
        searchers = Searchers(model.vertical, read_table(demo / "logs/searchers", "searchers"))
        endpoint = SearchEndpoint(Retriever(collection, [model], searchers), None)
        asked = [decode(body, SearchRequest) for body in bodies[:300]]
        retriever = endpoint.retriever
        requests = [_read(retriever, one) for one in asked]
        answers = [endpoint.search(one) for one in asked]
        results = [retriever.search(request) for request in requests]
        return {
            "decode the body": _us(lambda at: decode(bodies[at], SearchRequest)),
            "expression and vector": _us(
                lambda at: retriever.request(text=asked[at].text, searcher=asked[at].searcher)
            ),
            "the engine": _us(lambda at: retriever.search(requests[at])),
            "stored columns of 10 hits": _us(lambda at: results[at].table().to_pylist()),
            "the whole search": _us(lambda at: endpoint.search(asked[at])),
            "encode the answer": _us(lambda at: msgspec.json.encode(answers[at])),
            "the whole search, with why": _us(lambda at: endpoint.search(msgspec.structs.replace(asked[at], why=True))),
        }


def _read(retriever: Any, asked: Any) -> Any:
    return retriever.request(text=asked.text, searcher=asked.searcher)


def _us(stage: Callable[[int], object]) -> float:
    rounds = []
    for _ in range(5):
        started = time.thread_time()
        for at in range(300):
            stage(at)
        rounds.append((time.thread_time() - started) / 300 * 1e6)
    return min(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="folder of alicorn demo")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--rate", type=float, nargs="*", default=[200.0, 400.0])
    parser.add_argument("--workers", type=int, nargs="*", default=[1])
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    demo: Path = arguments.demo
    log = pq.read_table(demo / "logs/impressions", columns=["query", "searcher_id"])
    rng = random.Random(0)
    chosen = [rng.randrange(len(log)) for _ in range(arguments.requests + WARM)]
    pairs = [(log["query"][at].as_py(), log["searcher_id"][at].as_py()) for at in chosen]
    bodies = [json.dumps({"text": query, "searcher": searcher}).encode() for query, searcher in pairs]
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        serve = [str(Path(sys.executable).parent / "alicorn"), "serve", str(demo / "collection")]
        serve += ["--model", str(demo / "model-unified"), "--searchers", str(demo / "logs/searchers")]
        serve += ["--served-log", f"{scratch}/served", "--port", str(PORT)]
        rows = []
        for count in arguments.workers:
            command = [*serve, "--workers", str(count)]
            rows += measured(f"alicorn serve, {count}", command, bodies, arguments.rate, count)
        answer.write_bytes(b"{" + b'"padding":"' + b"x" * 7300 + b'"}')
        floor = [sys.executable, "-c", FLOOR, str(answer), str(PORT)]
        rows += measured("floor: the bytes alone", floor, bodies, arguments.rate)
    print("| server | load | p50 ms | p99 ms | requests/s | processor ms an answer | refused | memory MB |")
    print("|---" * 8 + "|")
    for row in rows:
        times = f"{row['p50_ms']:.2f} | {row['p99_ms']:.2f} | {row['per_s']:,.0f} | {row['processor_ms']:.2f}"
        times += f" | {row['refused']:,} | {row['memory_mb']:.0f}"
        print(f"| {row['server']} | {row['load']} | {times} |")
    for row in rows:
        for name, value in row.get("overload", {}).items():
            print(f"{row['server']}, three times its capacity: {name} {value:,.2f}")
    found = stages(demo, bodies)
    print("\n| stage | us |\n|---|---|")
    for name, us in found.items():
        print(f"| {name} | {us:.0f} |")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"rows": rows, "stages": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
