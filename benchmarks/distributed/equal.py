"""Do 1, 2, 4 and 7 shards answer random trees as one collection does? More of them than a test has time for.

    python benchmarks/distributed/equal.py [--trees 10000] [--served 2000] [--seed 3]

The requests and the comparison are those of tests/distributed/test_equal.py: every operator, six levels deep, 14
orders, limits, offsets, facets, a part of the documents; ids, order, scores to the bit, total, facets, cursors, errors.
Trees that are refused are compared too and not counted. Then as many searches over HTTP as --served says, half of them
by random trees, with a ranker on and 3 shards, whose JSON is compared (tests/serving/test_served_shards.py). It ends
with an error at the first difference.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"
sys.path[:0] = [str(TESTS / "distributed"), *(str(path) for path in TESTS.iterdir() if path.is_dir()), str(TESTS)]

from sharded_world import NUM_SHARDS, make_world  # noqa: E402
from test_equal import check, random_request  # noqa: E402
from test_served_shards import both_servers, check_random, make_folder  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=10_000)
    parser.add_argument("--served", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    answered = refused = 0
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder))
        while answered < options.trees:
            has_answer = check(world, *random_request(rng, world))
            answered += has_answer
            refused += not has_answer
            if (answered + refused) % 1000 == 0:
                print(f"{answered} trees with an answer, {refused} refused: no difference", file=sys.stderr, flush=True)
        world.close()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        made = make_folder(Path(folder))
        hits = check_random(both_servers(stack, made, ranker=made / "ranker"), options.served, options.seed)
    seconds = time.process_time() - started
    print(
        f"{answered} trees with an answer, {refused} refused, by {NUM_SHARDS} shards: no difference\n"
        f"{options.served} searches over HTTP with a ranker, {hits} hits: no difference ({seconds:.0f} s)"
    )


if __name__ == "__main__":
    main()
