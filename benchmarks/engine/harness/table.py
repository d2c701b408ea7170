"""Run rows over all systems, and write what came out: Markdown tables with ratios, and JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from harness.builds import Build, one_core
from harness.fixed_overhead import fixed_overhead_us
from harness.machine import Machine, this_machine
from harness.measure import TARGET, in_turns, recall, tune
from harness.ours import Alicorn, OneSetting
from harness.systems import NAMES, open_all
from harness.vectors import Data, make
from harness.workload import Filters, Row, truth

OURS = Alicorn.name


def arguments_of(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments that the benchmarks share."""
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=300, help="requests measured in each row")
    parser.add_argument("--tuning", type=int, default=100, help="other requests, to tune settings on")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "alicorn-benchmarks")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers", nargs="*", default=list(NAMES), choices=NAMES)
    parser.add_argument("--rows", nargs="*", help="only rows whose name contains one of these")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: processor time, for a machine that is not quiet"
    )
    parser.add_argument("--in-a-row", type=int, default=1, help="requests that a system answers before the next one")
    parser.add_argument("--threads-to-build", type=int, default=1)
    return parser


def run(
    rows: Sequence[Row], arguments: argparse.Namespace, data: Data | None = None, ours: type[Alicorn] = Alicorn
) -> dict[str, Any]:
    """Build, tune and measure everything; what `show` prints. data: made as the arguments say unless given."""
    data = data or make(arguments.cache, arguments.documents, arguments.dim)
    filters = Filters(data)
    systems, builds = open_all(data, filters, arguments.cache, arguments.peers, arguments.threads_to_build, ours)
    one_core()
    machine = this_machine()
    overhead = fixed_overhead_us(systems[OURS].collection, data.vectors[0])
    measured = []
    for row in rows:
        if arguments.rows and not any(part in row.name for part in arguments.rows):
            continue
        started = time.perf_counter()
        measured.append(_measure(row, data, filters, systems, arguments))
        measured[-1]["bound"] = _bound(measured[-1], data, machine, overhead)
        print(f"{row.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    systems[OURS].collection.close()
    return {
        "documents": len(data),
        "dim": data.dim,
        "clock": arguments.clock,
        "in_a_row": arguments.in_a_row,
        "machine": asdict(machine),
        "fixed_overhead_us": overhead,
        "builds": {name: _described(build) for name, build in builds.items()},
        "rows": measured,
    }


def _described(build: Build) -> dict[str, float]:
    described = asdict(build)
    del described["folder"]
    return described


def _measure(row: Row, data: Data, filters: Filters, systems: dict[str, Any], arguments: Any) -> dict[str, Any]:
    """One row: tuned on some requests, measured on others."""
    rng = np.random.default_rng(len(data) + sum(row.name.encode()))
    queries = -(-arguments.queries // row.batch) * row.batch
    requests = row.draw(data, rng, arguments.tuning + queries)
    tuning, testing = requests[: arguments.tuning], requests[arguments.tuning :]
    answers = truth(data, filters, requests)
    if row.one_setting:
        systems = systems | {OURS: OneSetting(systems[OURS])}
    tuned, calls = {}, {}
    for name, system in systems.items():
        if not system.can(requests[0]):
            continue
        found = tune(system, tuning, answers[: arguments.tuning], row.exact, 0.999 if row.exact else TARGET)
        if found is not None:
            tuned[name] = found
            calls[name] = _call(system, testing, found.setting, row.batch)
    turns = queries // row.batch
    results = in_turns(calls, turns, {name: one.us for name, one in tuned.items()}, arguments.in_a_row)
    described = {"row": row.name, "aim": row.aim, "batch": row.batch, "systems": {}}
    for name, one in results.items():
        system = systems[name]
        found_documents, wanted = [], []
        for at, answer in zip(one.requests, one.answers, strict=True):
            each = answer if row.batch > 1 else [answer]
            found_documents += [system.documents(part) for part in each]
            first = arguments.tuning + at * row.batch
            wanted += answers[first : first + row.batch]
        described["systems"][name] = {
            **one.summary(arguments.clock, row.batch),
            "recall": recall(found_documents, wanted),
            "reached": tuned[name].recall >= (0.999 if row.exact else TARGET),
            "setting": str(tuned[name].setting),
            "select_us": _select_us(system, testing),
        }
    described["work"] = _work(systems[OURS], testing, tuned[OURS].setting)
    described["mean_hits"] = float(np.mean([len(answer) for answer in answers]))
    return described


def _call(system: Any, requests: Sequence[Any], setting: Any, batch: int):
    if batch == 1:
        return system.bind(requests, setting)
    if hasattr(system, "bind_batch"):
        return system.bind_batch(requests, setting, batch)
    one = system.bind(requests, setting)
    return lambda i: [one(j) for j in range(i * batch, (i + 1) * batch)]


def _select_us(system: Any, requests: Sequence[Any]) -> float | None:
    """What making the selector of a filter costs, where the system keeps them beforehand."""
    filtered = [request for request in requests if request.filter is not None]
    if not filtered or not hasattr(system, "select"):
        return None
    times = []
    for request in filtered[:20]:
        started = time.process_time_ns()
        system.filters.make_mask(request.filter)
        system.select(request.filter)
        times.append((time.process_time_ns() - started) / 1000)
    return float(np.median(times))


def _work(ours: Alicorn, requests: Sequence[Any], setting: Any) -> dict[str, float]:
    counts = [ours.work(request, setting) for request in requests[:20]]
    return {name: float(np.mean([count[name] for count in counts])) for name in counts[0]}


def _bound(measured: dict[str, Any], data: Data, machine: Machine, overhead: dict[str, float]) -> dict[str, Any]:
    """The least time that the row's counted work takes on this core, by kind; the largest kind bounds it."""
    work = measured["work"]
    centroids = 4 * data.dim * (1 << round(np.log2(4 * np.sqrt(len(data))))) if work["clusters_probed"] else 0
    memory = work["code_bytes"] / machine.stream_gb_per_s / 1e3 + work["exact_distances"] * machine.random_vector_us
    arithmetic = (work["documents_scanned"] + work["exact_distances"]) * data.dim + centroids / 4
    parts = {
        "memory": memory,
        "arithmetic": arithmetic / machine.multiply_adds_per_us,
        "Python": overhead["(nn x :k 10 :filter tag:none)"],
    }
    largest = max(parts, key=lambda name: parts[name])
    p50 = measured["systems"][OURS]["p50_us"]
    return {"by": largest, "us": parts, "times_the_bound": p50 / max(parts[largest], 1e-9)}


def show(result: dict[str, Any]) -> str:
    """Three tables: ours beside the best peer, everyone, and what bounds our rows; then builds and overheads."""
    machine = result["machine"]
    lines = [
        f"{result['documents']:,} documents x {result['dim']}, one thread, recall >= {TARGET} tuned on other requests;"
        f" {machine['name']}, {result['clock']} clock,"
        f" turns of {result['in_a_row']}, load {machine['load']:.1f} on {machine['cores']} cores",
        "",
        "| row | alicorn: queries/s (p50, p99 us) | recall | setting | best peer | ratio | aim |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_summary_line(row) for row in result["rows"]]
    names = [name for name in (OURS, *NAMES) if any(name in row["systems"] for row in result["rows"])]
    lines += [
        "",
        "Queries/s (recall); * missed the target; + us to make the selector, which is not in the queries/s",
        "",
    ]
    lines += ["| row | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in result["rows"]:
        lines.append(f"| {row['row']} | " + " | ".join(_cell(row["systems"].get(name)) for name in names) + " |")
    lines += ["", "Lower bounds of alicorn's rows: least us by kind, and p50 as a multiple of the largest", ""]
    lines += ["| row | codes scanned | exact distances | KB read | memory | arithmetic | Python | p50 us | times |"]
    lines += ["|---" * 9 + "|"]
    lines += [_bound_line(row) for row in result["rows"]]
    lines += [
        "",
        f"One core streams {machine['stream_gb_per_s']:.1f} GB/s, does {machine['multiply_adds_per_us']:,.0f}"
        f" multiply-adds a us from cache, needs {machine['random_vector_us']:.2f} us for a vector at a random place.",
        "Nothing to scan: " + ", ".join(f"`{e}` {us:.0f} us" for e, us in result["fixed_overhead_us"].items()),
        "",
        "| build | documents/s | seconds | processor s | peak memory, x the vectors | files, bytes per document |",
        "|---|---|---|---|---|---|",
    ]
    vectors = result["documents"] * result["dim"] * 4
    clock = "seconds" if result["clock"] == "wall" else "cpu_seconds"
    for name, build in result["builds"].items():
        lines.append(
            f"| {name} | {result['documents'] / build[clock]:,.0f} | {build['seconds']:.1f} |"
            f" {build['cpu_seconds']:.1f} |"
            f" {build['peak_bytes'] / vectors:.1f} | {build['size_bytes'] / result['documents']:.0f} |"
        )
    return "\n".join(lines)


def _summary_line(row: dict[str, Any]) -> str:
    ours = row["systems"][OURS]
    able = {name: one for name, one in row["systems"].items() if name != OURS and one["reached"]}
    left = f"| {row['row']} | {_speed(ours)} | {ours['recall']:.3f} | {ours['setting']} |"
    if not able:
        return f"{left} none reached it | - | {_aim(row)} |"
    name = max(able, key=lambda name: able[name]["queries_per_s"])
    ratio = ours["queries_per_s"] / able[name]["queries_per_s"]
    return f"{left} {name} {_speed(able[name])} | {ratio:.2f}x | {_aim(row)} |"


def _aim(row: dict[str, Any]) -> str:
    return "-" if row["aim"] is None else f"{row['aim']:g}x"


def _speed(one: dict[str, Any]) -> str:
    return f"{one['queries_per_s']:,.0f} ({one['p50_us']:,.0f}, {one['p99_us']:,.0f})"


def _cell(one: dict[str, Any] | None) -> str:
    if one is None:
        return "-"
    star = "" if one["reached"] else "*"
    select = f" +{one['select_us']:.0f}" if one["select_us"] is not None else ""
    return f"{one['queries_per_s']:,.0f} ({one['recall']:.2f}){star}{select}"


def _bound_line(row: dict[str, Any]) -> str:
    work, bound = row["work"], row["bound"]
    parts = " | ".join(f"**{us:.1f}**" if name == bound["by"] else f"{us:.1f}" for name, us in bound["us"].items())
    kilobytes = (work["code_bytes"] + work["vector_bytes"]) / 1000
    p50 = row["systems"][OURS]["p50_us"]
    return (
        f"| {row['row']} | {work['documents_scanned']:,.0f} | {work['exact_distances']:,.0f} | {kilobytes:,.0f} |"
        f" {parts} | {p50:,.0f} | {bound['times_the_bound']:.1f} |"
    )


def write(result: Any, arguments: argparse.Namespace) -> None:
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1, default=float) + "\n")
