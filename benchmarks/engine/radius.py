"""How fast is everything within a radius, to 95 % and complete, without and with a filter?

    python benchmarks/engine/radius.py [--documents 1000000] [--queries 300] [--cache DIR] [--json FILE]

The radius is one for all requests of a row, such that half of them have 100 documents or more within it (and in the
filter). Recall is the share of a request's documents that were found. The complete rows compare with brute force, with
all clusters of IVFFlat, and, in the ratio that the issue asks for, with the best peer's speed at 0.95.
"""

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness.table import OURS, arguments_of, run, show, write
from harness.vectors import Data
from harness.workload import Filter, Request, Row, new_queries
from hybrid import radius_of

HITS = 100


def within(filter: Filter | None) -> Callable[[Data, np.random.Generator, int], list[Request]]:
    def draw(data: Data, rng: np.random.Generator, count: int) -> list[Request]:
        radius = radius_of(data, HITS, rng, filter)
        queries = new_queries(data, rng.integers(len(data), size=count), rng)
        return [Request(query, filter, radius=radius) for query in queries]

    return draw


_TENTH = Filter(all_of=("u:10%",))
ROWS = (
    Row("radius", within(None), aim=3),
    Row("radius and 10 %", within(_TENTH), aim=3),
    Row("radius, complete", within(None), exact=True),
    Row("radius and 10 %, complete", within(_TENTH), exact=True),
)


def complete_beside_approximate(result: dict) -> str:
    """Our complete rows as multiples of the best peer at 0.95; the aim is no less than 1."""
    rows = {row["row"]: row["systems"] for row in result["rows"]}
    lines = []
    for name in ("radius", "radius and 10 %"):
        if name in rows and f"{name}, complete" in rows:
            best = max(one["queries_per_s"] for peer, one in rows[name].items() if peer != OURS)
            ours = rows[f"{name}, complete"][OURS]["queries_per_s"]
            lines.append(f"{name}, complete: {ours / best:.2f} times the best peer at 0.95 (aim: at least 1).")
    return "\n" + "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = arguments_of(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    )
    parsed = parser.parse_args(arguments)
    result = run(ROWS, parsed)
    print(show(result) + complete_beside_approximate(result))
    write(result, parsed)


if __name__ == "__main__":
    main()
