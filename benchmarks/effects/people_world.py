"""Is the people world like the world, and how long does it take to make?

    python benchmarks/effects/people_world.py [--size small|medium|large] [--searches N] [--people-only] [--json FILE]

Prints seconds of each stage and the measured properties that docs/people-world.md quotes. The production engine is the
project's own: the vertical's Boolean expression, without nn, on a collection in a temporary folder. The world is a
simulation. One thread but for the engine; generation is bound by sorting and random access to memory, the logs by the
engine and by Python strings.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from lab.people_properties import clicks_by_rank, log_properties, world_properties
from lab.production import production_engine

from alicorn import Collection, Vertical
from alicorn.worlds import PEOPLE_VERTICAL, SIZES, PeopleWorld


def measure_logs(world: PeopleWorld, num_searches: int, folder: Path) -> dict[str, float]:
    """Publish, write the logs, measure them; seconds and properties."""
    vertical = Vertical.load(PEOPLE_VERTICAL)
    started = time.perf_counter()
    with Collection.create(folder / "collection") as collection:
        for start, stop in world.parts():
            collection.upsert(vertical.index_table(world.documents(start, stop), None))
        published = time.perf_counter()
        seconds: list[float] = []
        world.write_logs(folder / "logs", num_searches, production_engine(collection, vertical, seconds))
    written = time.perf_counter() - published
    size = sum(file.stat().st_size for file in (folder / "logs").rglob("*.parquet"))
    return {
        "seconds: publish to the production engine": published - started,
        "seconds: write logs, the engine": sum(seconds),
        "seconds: write logs, the rest": written - sum(seconds),
        "logs on disk, MB": size / 1e6,
        **log_properties(world, folder / "logs"),
        **{f"clicks on the wanted at rank {n}": rate for n, rate in enumerate(clicks_by_rank(folder / "logs"), 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--searches", type=int, help="number of searches; default: that of the size")
    parser.add_argument("--people-only", action="store_true", help="no engine and no logs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()

    PeopleWorld.generate(1000)  # compiles the kernels, once per machine
    started = time.perf_counter()
    world = PeopleWorld.generate(arguments.size, arguments.seed)
    figures: dict[str, float] = {"seconds: generate people": time.perf_counter() - started}
    figures |= world_properties(world)
    if not arguments.people_only:
        with tempfile.TemporaryDirectory() as folder:
            figures |= measure_logs(world, arguments.searches or SIZES[arguments.size][1], Path(folder))
    figures["peak memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    for name, value in figures.items():
        print(f"{name:66s} {value:>14,.0f}" if value == int(value) else f"{name:66s} {value:>14.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"size": arguments.size, "seed": arguments.seed, **figures}, indent=1))


if __name__ == "__main__":
    main()
