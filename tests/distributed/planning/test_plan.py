"""Plans: what follows from a cost, and what a cost is measured from."""

import numpy as np
import pytest

from alicorn.distributed.planning import Cost, Machine, PlannedSearch, Target, cost, measured_cost, plan
from alicorn.errors import ConfigError

COST = Cost(1e9, np.array([5e5, 1e6, 1.5e6]), 7, 64, 500.0, 0.0001, 1e-8, 0.0003, 0.0002)
MACHINE = Machine(memory=64e9, cores=16, price=2.0)


def test_a_shard_works_on_all_centroids_and_on_its_part_of_the_documents():
    assert COST.seconds == pytest.approx(0.0001 + 1e-8 * (131_072 + COST.scanned))
    assert COST.shard_seconds(4) == pytest.approx(0.0003 + 1e-8 * (131_072 + COST.scanned / 4))
    assert COST.num_bytes(4) == pytest.approx(500 * 1e9 / 4 + 4 * 64 * 131_072)
    assert COST.on(2.0).shard_seconds(4) == pytest.approx(COST.shard_seconds(4) / 2)
    assert COST.scanning(10.0).scanned == pytest.approx([5, 10, 15])


def test_files_fit_in_memory_and_processors_have_room():
    deployments = plan(COST, Target(200, 2), MACHINE)
    assert [one.shards for one in deployments] == [16, 32, 64, 128], "500 GB at 51 GB a machine"
    for one in deployments:
        assert one.memory == COST.num_bytes(one.shards) <= 0.8 * MACHINE.memory
        assert one.busy <= 0.5
        assert one.replicas >= 2
        assert one.disk == pytest.approx(one.memory * one.shards * one.replicas)
        assert one.p99 > one.p50 > 0.001 + 0.0002 + COST.shard_seconds(one.shards).mean()
        assert one.routers == 2
        assert one.machines == one.shards * one.replicas + 2
        assert one.price == pytest.approx(one.machines * 2.0 / (200 * 3600) * 1e6)
    assert deployments[-1].p50 < deployments[0].p50, "a shard has less to look at"


def test_a_higher_rate_needs_replicas():
    small = Cost(1e7, np.full(3, 1e5), 7, 64, 500.0, 0.0001, 1e-8, 0.0003, 0.0002)
    few, many = (plan(small, Target(rate, 1), MACHINE, [1])[0] for rate in (10, 100_000))
    assert (few.replicas, few.shards, few.routers) == (1, 1, 0)
    assert many.replicas == int(np.ceil(100_000 * small.seconds.mean() / 8))


def test_what_the_machines_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match=r"do not fit into 4,096 machines of 0 GB, of which files may fill 80%: plan"):
        plan(COST, Target(1, 1), Machine(1e6, 1, 1.0))
    with pytest.raises(ConfigError, match=r"do not fit into 6 machines of 64 GB"):
        plan(COST, Target(1, 1), MACHINE, [6])


def test_the_time_of_a_vector_is_the_slope_of_searches():
    assert cost.slope_of(np.array([(1_000, 0.003), (3_000, 0.007), (5_000, 0.011)])) == pytest.approx(2e-6)
    assert cost.slope_of(np.array([(1_000, 0.001), (5_000, 0.011)])) == pytest.approx(2e-6), "no negative constant"


@pytest.mark.slow
def test_a_cost_is_measured_in_a_collection_and_a_sample_of_it(monkeypatch):
    monkeypatch.setattr(cost, "SMALL", 10_000)
    monkeypatch.setattr(cost, "QUERIES", 20)
    vectors = np.random.default_rng(0).normal(size=(12_000, 8)).astype(np.float32)
    asked = PlannedSearch("x", 20, 0.9)
    with cost.indexed(vectors, "x", cost.Kept()) as collection:
        same, tenfold = (measured_cost(collection, asked, documents) for documents in (12_000, 120_000))
        assert 8 * 4 + 8 < same.bytes_per_document < 200
        assert same.asked_for == 20
        assert tenfold.asked_for == 2, "the 20 nearest of ten times as many"
        assert same.scanned.mean() < tenfold.scanned.mean() < 10 * same.scanned.mean()
        assert (same.scanned >= 70).all()
        assert same.seconds.mean() == pytest.approx(cost.seconds_of(collection, asked, vectors[:20]), rel=2)
        assert same.per_shard >= same.per_request >= 0
        with pytest.raises(ConfigError, match=r"key must be one of x, got 'y'"):
            measured_cost(collection, PlannedSearch("y", 20, 0.9), 1e6)
        monkeypatch.setattr(cost, "SMALL", 20_000)
        with pytest.raises(ConfigError, match=r"20,020 documents or more .* got 12,000"):
            measured_cost(collection, asked, 1e6)
