"""Response times beside what is known of queues."""

import numpy as np
import pytest

from alicorn.distributed.planning.queues import response_times, slowest_of


def test_a_queue_of_random_services_waits_as_theory_says():
    rng = np.random.default_rng(0)
    service = rng.exponential(1.0, 100_000)
    for busy in (0.0, 0.3, 0.7):
        found = response_times(service, busy, 400_000, rng)
        assert found.mean() == pytest.approx(service.mean() / (1 - busy), rel=0.05), "M/M/1"


def test_constant_services_wait_half_as_long():
    found = response_times(np.ones(1), 0.5, 400_000, np.random.default_rng(0))
    assert found.mean() == pytest.approx(1 + 0.5 / (2 * (1 - 0.5)), rel=0.03), "M/D/1, Pollaczek and Khinchine"


def test_waits_are_those_of_the_recursion():
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    service = np.array([1.0, 5.0])
    times, gaps = again.choice(service, 50), again.exponential(service.mean() / 0.8, 50)
    wait, expected = 0.0, []
    for row in range(50):
        wait = max(0.0, wait + times[row - 1] - gaps[row]) if row else 0.0
        expected.append(wait + times[row])
    np.testing.assert_allclose(response_times(service, 0.8, 50, rng), expected)


def test_a_server_that_is_always_busy_is_refused():
    with pytest.raises(ValueError, match="utilisation"):
        response_times(np.ones(1), 1.0, 10, np.random.default_rng(0))


def test_the_slowest_of_many_shards_is_in_the_tail_of_one():
    responses = np.arange(1, 101.0)
    longest, answered = slowest_of(responses, 100, 5_000, np.random.default_rng(0))
    assert np.mean(longest <= 99) == pytest.approx(0.99**100, abs=0.02)
    assert (answered == 1).all()


def test_a_second_request_cuts_the_tail_and_replaces_a_lost_replica():
    responses = np.concatenate([np.ones(95), np.full(5, 100.0)])
    alone, _ = slowest_of(responses, 50, 4_000, np.random.default_rng(0))
    hedged, _ = slowest_of(responses, 50, 4_000, np.random.default_rng(0), hedge_after=2.0)
    assert np.median(alone) == 100
    assert np.median(hedged) == 3
    lossy = {"lost": 0.01, "deadline": 50.0}
    longest, without = slowest_of(np.ones(1), 50, 4_000, np.random.default_rng(0), **lossy)
    _, with_second = slowest_of(np.ones(1), 50, 4_000, np.random.default_rng(0), hedge_after=2.0, **lossy)
    assert without.mean() == pytest.approx(0.99, abs=0.002)
    assert with_second.mean() == pytest.approx(0.9999, abs=0.0002)
    assert set(longest) == {1.0, 50.0}
