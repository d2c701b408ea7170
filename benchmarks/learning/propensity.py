"""Are the propensities that a log gives those of the searchers who made it? People world, whose searchers look at rank
r with probability 1 / r ** 0.5 and stop at the person they want.

    python benchmarks/learning/propensity.py --people 2000 --searches 200000

The production engine shuffles a fifth of its pages, and in all of them swaps neighbours, from the last rank to the
first, each with probability 0.5: so one document of one query is at several ranks. Beside the estimate with its
interval of 95 %: the world's propensity, and the clicks of the rank over those of the first, which is what one sees
without an estimate.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1] / "effects"))
from lab.production import production_engine

from alicorn import Collection, Vertical
from alicorn.logs.propensity import propensities
from alicorn.worlds import PEOPLE_VERTICAL, PeopleWorld
from alicorn.worlds.people.log_writer import Simulation, write_part
from alicorn.worlds.people.searching.clicks import ClickModel

SHUFFLED = 0.2  # of the pages
SLICE = 2_000  # searches between which the pages of a query differ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--searches", type=int, default=200_000)
    asked = parser.parse_args()
    world, vertical, rng = PeopleWorld.generate(asked.people), Vertical.load(PEOPLE_VERTICAL), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        logs = Path(temporary) / "logs"
        with Collection.create(Path(temporary) / "production") as production:
            for part, (start, stop) in enumerate(world.parts()):
                production.upsert(vertical.index_table(world.documents(start, stop), None))
                write_part(logs, "documents", part, world.documents(start, stop))
                write_part(logs, "searchers", part, world.searchers(start, stop))
            engine = production_engine(production, vertical, [])

            def swapped(queries: list[str]) -> list[list[str]]:
                pages = engine(queries)
                for page in pages:
                    if rng.random() < SHUFFLED:
                        rng.shuffle(page)
                    for k in range(len(page) - 2, -1, -1):
                        if rng.random() < 0.5:
                            page[k], page[k + 1] = page[k + 1], page[k]
                return pages

            simulation, counts = Simulation(world, swapped, ClickModel()), Counter()
            for part, first in enumerate(range(0, asked.searches, SLICE)):
                tables = simulation.slice(part, first, first + SLICE, asked.searches, counts)
                write_part(logs, "impressions", part, tables["impressions"])
        shown = pq.read_table(logs / "impressions", columns=["position", "clicked"])
        clicks = np.bincount(shown.filter(shown["clicked"])["position"].to_numpy(), minlength=11)[1:11]
        print(f"{asked.searches:,} searches, {counts['clicks']:,} clicks")
        truth = ClickModel().examination(10)
        for one in propensities(logs, vertical).ranks:
            at = one.rank - 1
            off = np.nan if one.value is None else one.value / truth[at] - 1
            beside = f"world {truth[at]:.3f}, off {off:+.1%}; clicks {clicks[at] / clicks[0]:.3f}"
            print(f"rank {one.rank}: {one.said()}, {beside}")


if __name__ == "__main__":
    main()
