"""How long does one request take to encode, on one core? By torch, by ONNX and by arrays, for each request tower.

    python benchmarks/serving/query_tower.py [--requests 2000] [--clock cpu] [--out query_tower.json]

Untrained towers over a toy vertical with a text, a city and, for MGDSPR, behaviour of up to 50 events on each of three
time scales: latency does not depend on what the weights are. Queries have 1 to 6 words. Timed is a call from a table of
one row to its vector: featurising, and the tower. `arrays` is what a server does for a known searcher: a text and the
row of a searcher who was featurised before (towers/request_tower.py), for towers that it can compute. They take
turns request by request, with one thread each; their vectors are compared. --clock cpu counts the time of the thread,
which other processes do not lengthen.
The aim is Que2Search's: p99 under 1.5 ms for 2 layers, 4 heads and 128 dimensions.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import torch

from alicorn import Model, Vertical
from alicorn.towers.export.onnx_export import export_query_tower
from alicorn.towers.export.query_tower import QueryTower
from alicorn.training import Recipe

CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
WINDOWS = ("realtime", "short", "long")
TEXT = {"text": {"kind": "text", "column": "query"}, "city": {"kind": "id", "column": "city"}}
BEHAVIOUR = {
    window: {"kind": "sequence", "parts": {part: f"{window}_{part}" for part in ("item", "brand")}}
    for window in WINDOWS
}
VERTICAL = {
    "name": "toy",
    "embedding": "toy",
    "document": {
        "features": {"title": TEXT["text"] | {"column": "title"}},
        "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
    },
    "split": {"valid": 0.1},
}


def transformer(layers: int, heads: int, dim: int) -> dict[str, Any]:
    settings = {"kind": "transformer", "layers": layers, "heads": heads, "dim": dim}
    return {"dim": 128, "fusion": {"kind": "attention"}, "channels": {"request.text": settings}}


AROUND: dict[str, Any] = {
    "device": {"kind": "id", "column": "device"},
    "page": {"kind": "numeric", "column": "page"},
}
TOWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # towers, features of requests
    "EBR: n-grams and an id, concat": ({}, TEXT),
    "n-grams and an id, attention": ({"fusion": {"kind": "attention"}}, TEXT),
    "device and page of the context": ({}, TEXT | AROUND),
    "an id by a hash embedding": ({"tables": {"city": {"kind": "dhe", "dim": 16}}}, TEXT),
    "Que2Search: 2 layers, 4 heads, 128": (transformer(2, 4, 128), TEXT),
    "Que2Search: 3 layers, 4 heads, 256": (transformer(3, 4, 256), TEXT),
    "MGDSPR: behaviour on three time scales": (
        {"dim": 128, "fusion": {"kind": "semantic"} | {window: window for window in WINDOWS}},
        TEXT | BEHAVIOUR,
    ),
}


def requests(features: dict[str, Any], count: int) -> list[pa.Table]:
    """One row each. Events: 0 to 50 of each time scale."""
    rng = np.random.default_rng(0)
    strings = pa.list_(pa.string())
    rows = []
    for _ in range(count):
        words = ["".join(rng.choice(list("abcdeilmnorstu"), rng.integers(3, 10))) for _ in range(rng.integers(1, 7))]
        columns = {"query": pa.array([" ".join(words)]), "city": pa.array([f"c{rng.integers(500)}"])}
        if "device" in features:
            columns |= {"device": pa.array([f"d{rng.integers(4)}"]), "page": pa.array([float(rng.integers(9))])}
        for window in WINDOWS if "realtime" in features else ():
            length = int(rng.integers(0, 51))
            for part in ("item", "brand"):
                events = [f"{part}{number}" for number in rng.integers(0, 9999, length)]
                columns[f"{window}_{part}"] = pa.array([events], strings)
        rows.append(pa.table(columns))
    return rows


def measure(
    towers: dict[str, Any], features: dict[str, Any], count: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Milliseconds, and the largest difference between a number of both vectors."""
    around = [name for name in AROUND if name in features]
    vertical = Vertical.model_validate({**VERTICAL, "request": {"features": features, "context": around}})
    model = Model.new(vertical, Recipe.model_validate({"towers": towers}).plain(), "data", {}, 0)
    with tempfile.TemporaryDirectory() as folder:
        tower = QueryTower.open(export_query_tower(model, Path(folder) / "tower"))
    rows = requests(features, count + 100)
    searchers = pa.concat_tables(rows).drop_columns(["query", *around]).combine_chunks()
    arrays = model.request_tower(searchers)
    texts = [row["query"][0].as_py() for row in rows]
    contexts = [{name: row[name][0].as_py() for name in around} for row in rows]
    times = np.empty((len(rows), 4))
    apart = 0.0
    for number, row in enumerate(rows):
        started = clock()
        offline = model.encode_requests(row)
        middle = clock()
        online = tower.encode_requests(row)
        ended = clock()
        tower.padded(row)
        featurised = clock()
        one = offline if arrays is None else arrays.encode(texts[number], number, contexts[number])
        times[number] = middle - started, ended - middle, featurised - ended, clock() - featurised
        apart = max(apart, float(np.abs(offline - online).max()), float(np.abs(offline - one).max()))
    found: dict[str, float] = {"difference": apart}
    for name, column in zip(
        ("torch", "onnx", "featurising", "arrays"), times[100:].T * 1000, strict=True
    ):  # 100 to warm up
        found |= {f"{name}_p50_ms": float(np.median(column)), f"{name}_p99_ms": float(np.quantile(column, 0.99))}
    if arrays is None:
        del found["arrays_p50_ms"], found["arrays_p99_ms"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--out", type=Path, default=None, help="JSON file")
    parser.add_argument("--towers", default="", help="only those whose name has this text")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        name: measure(*given, arguments.requests, CLOCKS[arguments.clock])
        for name, given in TOWERS.items()
        if arguments.towers in name
    }
    print("| request tower | torch p50 | p99 | ONNX p50 | p99 (ms) | featurising p50 | arrays p50 | p99 | differ by |")
    print("|---" * 9 + "|")
    for name, row in found.items():
        times = [f"{row[key]:.2f}" for key in ("torch_p50_ms", "torch_p99_ms", "onnx_p50_ms", "onnx_p99_ms")]
        times.append(f"{row['featurising_p50_ms']:.2f}")
        times += [f"{row[key]:.3f}" if key in row else "-" for key in ("arrays_p50_ms", "arrays_p99_ms")]
        print(f"| {name} | {' | '.join(times)} | {row['difference']:.1e} |")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
