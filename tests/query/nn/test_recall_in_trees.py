"""Random trees with `:recall` equal the oracle, whose rule is written out here: every plan, one segment and several."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from oracle import Oracle
from random_trees import random_tree
from test_engine import DIMS, PLANS, World, fits, ids_of

from alicorn.language.tree import Nn, walk
from alicorn.quantization import Calibration, first_scan, least_cosine
from alicorn.quantization.calibration import KS, RECALLS
from alicorn.query.nn import few
from alicorn.query.nn import recall as recall_module
from alicorn.query.run import Execution

FEW = 12
CALIBRATION = Calibration(
    spread=0.8,
    slopes=np.full(len(KS), 0.5),
    bases=np.linspace(-0.9, 0.2, len(RECALLS)) * np.ones((len(KS), 1)),
    measured_on=50,
    growth=np.full(len(KS), 0.1),
)


class BorderError(Exception):
    """A cluster is so near to the least cosine that rounding may decide."""


@pytest.fixture(scope="module", params=itertools.product(("sq8", "none"), (False, True)), ids=str)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    codec, merged = request.param
    made = World(tmp_path_factory.mktemp("recall") / "c", seed=8, codec=codec, num_clusters=12)
    if merged:
        made.collection.merge()
    yield made
    made.collection.close()


def in_clusters_read(world: World, oracle: Oracle, node: Nn, allowed: set[str]) -> set[str]:
    """The definition: all of few; else what is in the nearest clusters that hold 2 k + 30, and in all whose centroid
    has the least cosine that the k-th nearest of these asks for."""
    distances = {doc_id: oracle.distance(doc_id, node) for doc_id in allowed}
    near = {doc_id for doc_id, distance in distances.items() if distance is not None}
    if len(near) <= FEW:
        return near
    query = oracle.vectors[node.vector or node.key]
    cosines = np.sort(world.collection.snapshot().quantizers[node.key].coarse.cosines(query))[::-1]
    read = near
    for first in range(1, len(cosines) + 1):
        read = near & world.clusters(node.key, query, first)
        if len(read) >= first_scan(node.k):
            break
    else:
        return near
    bound = 1 - sorted(distances[doc_id] for doc_id in read)[node.k - 1]
    total = sum(document["embeddings"][node.key] is not None for document in world.documents.values())
    slack = CALIBRATION.slack(node.k, node.recall, total)
    least = least_cosine(CALIBRATION.spread, slack.slope, slack.base, bound)
    if np.abs(cosines - least).min() < 1e-5:
        raise BorderError
    return near & world.clusters(node.key, query, max(first, int((cosines >= least).sum())))


def test_random_trees_equal_the_oracle_under_every_plan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_module, "FEW", FEW)
    monkeypatch.setattr(few, "FEW", FEW)
    snapshot = world.collection.snapshot()
    calibrated = {key: replace(one, calibration=CALIBRATION) for key, one in snapshot.quantizers.items()}
    snapshot = replace(snapshot, quantizers=calibrated)
    words = replace(world.words, recalls=(0.5, 0.9, 0.97, 1.0), largest_count=12)
    rng, left_out, checked = random.Random(3), 0, 0

    def recalled(oracle: Oracle, node: Nn, allowed: set[str]) -> set[str]:
        nonlocal left_out
        found = allowed if node.recall > RECALLS[-1] else in_clusters_read(world, oracle, node, allowed)
        left_out += any(oracle.distance(doc_id, node) is not None for doc_id in allowed - found)
        return found

    while checked < 100:
        vectors = world.vectors(rng)
        oracle = Oracle(world.documents.values(), vectors, world.clusters, world.stored, recalled)
        for _ in range(5):
            root = random_tree(rng, words, depth=rng.randint(1, 5))
            if not fits(root) or not any(isinstance(node, Nn) and node.recall for node in walk(root)):
                continue
            try:
                if oracle.is_borderline(root):
                    continue
                expected = oracle.evaluate(root)
            except BorderError:
                continue
            for plan in PLANS:
                found = ids_of(snapshot, Execution(snapshot, vectors, forced=plan).run(root))
                assert found == expected, f"plan {plan}: {root}"
            checked += 1
    assert left_out > 50
    assert set(DIMS) == set(calibrated)
