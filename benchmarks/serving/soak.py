"""Does a server lose anything in minutes of searches, writes and events, killed now and then?

    python benchmarks/serving/soak.py DEMO_FOLDER [--minutes 4] [--kills 2] [--searchers 4] [--workers 1]
        [--switches 0] [--json FILE]

DEMO_FOLDER: of `alicorn demo --out DEMO_FOLDER --no-serve`; its collection is copied. The server runs with its log.
Searchers ask texts of the log, and report a click on the first hit of each; writers add, change and delete documents of
their own, one at a time. In the first half of the time the server is killed (SIGKILL) and started again, `--kills`
times; the second half shows how its memory grows, after a sixth of it to settle. With --workers above 1 one process of
the server is killed instead, a searching one or, each third time, the owner, and the server starts another.

With --switches the server has both models of the demo, which change places so many times; a switch that a kill took the
answer from is not made again.

memory: of each process, what it holds of its own: anonymous pages, those that it shares with others in proportion, so
without the page cache of segments, models and code. Before each look the process collects its garbage and gives free
pages back (SIGUSR2, by a sitecustomize of this script), so that what is left is held. growth: the slope over time, as
a share of the mean in half an hour, and its 95 % interval by a bootstrap of blocks of the residuals, which follow each
other: the journal becomes parts every ten minutes, and a memtable a segment.

A request fails if it has another status than 200, 204 and 429, or no answer without a kill. lost: documents that are
not as the last acknowledged write left them, and acknowledged clicks that are not in the log exactly once; of a request
that a kill took the answer from, either is right.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow.parquet as pq
from load import processes

PORT = 8109
WRITERS = 2
OWN_DOCUMENTS = 300
"""Ids of a writer."""
CHECKED = 100
SAMPLE_S = 10.0
"""Between two looks at the memory."""
RELEASED_S = 0.5
GROWTH_S = 1800.0
RELEASES = """
import ctypes, gc, signal, sys

def release(*_):
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)

signal.signal(signal.SIGUSR2, release)
"""


@dataclass
class Seen:
    """What the clients saw. documents: id -> the names that it may have; None: that it may be gone."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    in_flight: int = 0
    busy: int = 0
    documents: dict[str, set[str | None]] = field(default_factory=dict)
    clicks: set[str] = field(default_factory=set)


class Server:
    """`alicorn serve`, and how often it was killed."""

    def __init__(self, command: list[str], owner: Path | None, imports: Path) -> None:
        """owner: file with the process id of the owner; None: there is one process. imports: gets a sitecustomize."""
        imports.mkdir()
        (imports / "sitecustomize.py").write_text(RELEASES)
        self._environment = {**os.environ, "PYTHONPATH": f"{imports}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        self._command = command
        self._owner = owner
        self.kills = 0
        self.start()

    def start(self) -> None:
        to = subprocess.DEVNULL
        self.process = subprocess.Popen(self._command, env=self._environment, stdout=to, stderr=to)

    async def held_mb(self) -> list[float]:
        """Of each process, by its id, what it holds once it has let go of what it does not need."""
        pids = sorted(processes(self.process))
        for pid in pids:
            os.kill(pid, signal.SIGUSR2)
        await asyncio.sleep(RELEASED_S)
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
        return [int(text.split("Pss_Anon:")[1].split()[0]) / 1024 for text in rollups]

    async def kill(self) -> None:
        self.kills += 1
        if self._owner is not None:
            owner = int(self._owner.read_text())
            others = [pid for pid in processes(self.process)[1:] if pid != owner]
            os.kill(owner if self.kills % 3 == 0 else random.choice(others), signal.SIGKILL)
            return
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()
        await self.up()

    async def up(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", PORT)
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("the server ended") from None
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


class Client:
    """One connection at a time, opened again where it is lost."""

    def __init__(self, server: Server, seen: Seen) -> None:
        self._server, self._seen = server, seen
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Any = None, expected: tuple[int, ...] = (200, 204)) -> Any:
        """The answer; None where a kill took it. A busy server is asked again."""
        while True:
            kills = self._server.kills
            try:
                status, content = await self._exchange(method, path, body)
            except (OSError, EOFError, asyncio.IncompleteReadError) as error:
                self._streams = None
                await self._server.up()
                if kills == self._server.kills:
                    self._seen.failed.append(f"{method} {path}: {error!r}")
                self._seen.in_flight += 1
                return None
            if status == 429:
                self._seen.busy += 1
                await asyncio.sleep(0.2)
                continue
            if status == 503 and kills != self._server.kills:  # the owner, to which it was handed on, was killed
                self._seen.in_flight += 1
                return None
            if status not in expected:
                self._seen.failed.append(f"{method} {path}: {status} {content[:300]!r}")
                return None
            self._seen.answered[f"{method} /{path.split('/')[2]}"] += 1
            return json.loads(content) if content else {}

    def leave(self) -> None:
        """Ask on another connection from now on."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _exchange(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", PORT)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in answer.split("\r\n")[1:] if ": " in line)
        return int(answer[9:12]), await reader.readexactly(int(fields.get("content-length", 0)))


async def searches(client: Client, seen: Seen, pairs: list[tuple[str, str]], number: int, until: float) -> None:
    rng = random.Random(number)
    while time.monotonic() < until:
        text, searcher = rng.choice(pairs)
        answer = await client.ask("POST", "/v1/search", {"text": text, "searcher": searcher})
        if not answer or not answer["hits"]:
            continue
        event = {"action": "click", "search_id": answer["search_id"], "doc_id": answer["hits"][0]["doc_id"]}
        event["event_id"] = f"{number}-{rng.getrandbits(60):x}"
        if await client.ask("POST", "/v1/events", [event]) is not None:
            seen.clicks.add(event["event_id"])


async def writes(client: Client, seen: Seen, number: int, until: float) -> None:
    rng = random.Random(1000 + number)
    step = 0
    while time.monotonic() < until:
        step += 1
        doc_id = f"soak-{number}-{rng.randrange(OWN_DOCUMENTS)}"
        known = seen.documents.setdefault(doc_id, {None})
        if rng.random() < 0.25:
            name, answer = None, await client.ask("DELETE", f"/v1/documents/{doc_id}")
        else:
            name = f"soak {step}"
            document = {"doc_id": doc_id, "terms": ["text:soak", f"text:{step % 50}"], "columns": {"name": name}}
            answer = await client.ask("POST", "/v1/documents", [document])
        seen.documents[doc_id] = {*known, name} if answer is None else {name}


async def switches(client: Client, seen: Seen, count: int, until: float) -> None:
    """Let the models change places, at equal distances, once there are searches to check them by."""
    while seen.answered["POST /search"] < CHECKED:
        await asyncio.sleep(0.1)
    limits = {"agreement": 0.0, "slower": 1000.0, "recall": 0.0, "clicks_lost": 1.0}
    await client.ask("POST", "/v1/models/people-text/check", {"limits": limits})
    await client.ask("POST", "/v1/models/people-text/switch")
    begun = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + (until - begun) * (number + 0.5) / count - time.monotonic()))
        client.leave()  # the server closes a connection that nobody used for five seconds
        await client.ask("POST", "/v1/models/rollback")


async def lost_documents(client: Client, seen: Seen) -> list[str]:
    lost = []
    for doc_id, names in seen.documents.items():
        found = (await client.ask("GET", f"/v1/documents/{doc_id}", expected=(200, 404))).get("name")
        if found not in names:
            lost.append(f"{doc_id}: {found!r}, acknowledged {names}")
    return lost


def lost_clicks(folder: Path, seen: Seen) -> list[str]:
    """Acknowledged ones that are not in the log exactly once."""
    found = Counter(pq.read_table(folder / "events", columns=["event_id"])["event_id"].to_pylist())
    return [f"click {event_id}: {found[event_id]} times" for event_id in sorted(seen.clicks) if found[event_id] != 1]


async def soak(server: Server, pairs: list[tuple[str, str]], arguments: argparse.Namespace) -> dict[str, Any]:
    seen = Seen()
    await server.up()
    begun, whole_s = time.monotonic(), arguments.minutes * 60.0
    until = begun + whole_s
    tasks = [
        asyncio.create_task(searches(Client(server, seen), seen, pairs, number, until))
        for number in range(arguments.searchers)
    ]
    tasks += [asyncio.create_task(writes(Client(server, seen), seen, number, until)) for number in range(WRITERS)]
    if arguments.switches:
        tasks.append(asyncio.create_task(switches(Client(server, seen), seen, arguments.switches, until)))
    for kill in range(arguments.kills):
        await asyncio.sleep(begun + whole_s / 2 * (kill + 1) / arguments.kills - time.monotonic())
        await server.kill()
    await asyncio.sleep(max(0.0, (until - time.monotonic()) / 6))
    begun = time.monotonic()
    memory: list[tuple[float, list[float]]] = []
    while time.monotonic() + SAMPLE_S < until:
        await asyncio.sleep(SAMPLE_S)
        memory.append((time.monotonic() - begun, await server.held_mb()))
    await asyncio.gather(*tasks)
    return {
        "minutes": arguments.minutes,
        "answered": dict(sorted(seen.answered.items())),
        "kills": server.kills,
        "in_flight": seen.in_flight,
        "busy": seen.busy,
        "failed": seen.failed[:20],
        "documents": len(seen.documents),
        "clicks": len(seen.clicks),
        "memory_mb": [[round(one, 1) for one in of] for _, of in memory],
        "memory_s": [round(at) for at, _ in memory],
        "growth": growth([at for at, _ in memory], [sum(of) for _, of in memory]),
        "lost": await lost_documents(Client(server, seen), seen),
        "seen": seen,
    }


def growth(at_s: list[float], held_mb: list[float]) -> dict[str, float]:
    """The share by which memory grows in half an hour, with its 95 % interval."""
    times, values = np.array(at_s), np.array(held_mb)
    slope, start = np.polyfit(times, values, 1)
    line = start + slope * times
    residuals, size = values - line, max(2, len(values) // 6)
    rng = np.random.default_rng(0)
    slopes = []
    for _ in range(2000):
        starts = rng.integers(len(values) - size + 1, size=-(-len(values) // size))
        drawn = np.concatenate([residuals[at : at + size] for at in starts])[: len(values)]
        slopes.append(np.polyfit(times, line + drawn, 1)[0])
    low, high = np.quantile(slopes, [0.025, 0.975])
    shares = np.array([slope, low, high]) * GROWTH_S / values.mean()
    return dict(zip(("in_half_an_hour", "from", "to"), shares.round(4).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="folder of alicorn demo")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--searchers", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--switches", type=int, default=0)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    demo: Path = arguments.demo
    log = pq.read_table(demo / "logs/impressions", columns=["query", "searcher_id"]).slice(0, 2000)
    pairs = list(zip(*(log[name].to_pylist() for name in ("query", "searcher_id")), strict=True))
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(demo / "collection", f"{scratch}/collection")
        command = [str(Path(sys.executable).parent / "alicorn"), "serve", f"{scratch}/collection", "--port", str(PORT)]
        command += ["--model", str(demo / "model-unified"), "--searchers", str(demo / "logs/searchers")]
        command += ["--served-log", f"{scratch}/served", "--workers", str(arguments.workers)]
        if arguments.switches:
            command += ["--model", str(demo / "model-text")]
        owner = None if arguments.workers == 1 else Path(scratch) / "collection" / "writer.lock"
        server = Server(command, owner, Path(scratch) / "imports")
        try:
            found = asyncio.run(soak(server, pairs, arguments))
        finally:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait()
        found["lost"] += lost_clicks(Path(scratch) / "served", found.pop("seen"))
    for name, value in found.items():
        print(f"{name}: {value}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if found["failed"] or found["lost"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
