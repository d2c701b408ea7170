"""Rates of keys are counted by all processes together, to one request."""

import hashlib
import subprocess
import sys

import pytest

from alicorn.serving.processes.shared import NUM_RATES, SharedNumbers
from alicorn.serving.security.bucket import Rate, TokenBuckets

KEY = "ab" * 32


def take(buckets, per_second, count, now_s, key=KEY):
    (wait_s,) = buckets.take([Rate(key, per_second)], count, now_s)
    return wait_s


class SlowBucket:
    """The oracle: a list of what was taken when."""

    def __init__(self, per_second):
        self.per_second, self.most = per_second, max(1.0, per_second)
        self.tokens, self.at = self.most, 0.0

    def take(self, count, now):
        self.tokens, self.at = min(self.most, self.tokens + (now - self.at) * self.per_second), now
        if self.tokens < min(count, self.most) - 1e-9:
            return False
        self.tokens -= count
        return True


@pytest.mark.parametrize("per_second", [0.5, 3.0, 20.0])
def test_a_key_has_as_many_requests_as_its_rate_brings(per_second):
    buckets, slow = TokenBuckets(SharedNumbers()), SlowBucket(per_second)
    for step in range(300):
        now, count = step * 0.037, 1 + (step % 11 == 0) * 4
        assert (take(buckets, per_second, count, now) == 0.0) == slow.take(count, now)


def test_a_refused_key_has_a_token_after_the_time_that_it_was_told():
    buckets = TokenBuckets(SharedNumbers())
    assert take(buckets, 2.0, 5, 0.0) == 0.0, "more than a second brings, once"
    wait_s = take(buckets, 2.0, 1, 0.0)
    assert wait_s == pytest.approx(2.0)
    assert take(buckets, 2.0, 1, wait_s - 0.01) > 0.0
    assert take(buckets, 2.0, 1, wait_s + 0.01) == 0.0


def test_of_two_rates_none_is_spent_where_the_other_is_used_up():
    buckets = TokenBuckets(SharedNumbers())
    key, others = Rate(KEY, 5.0), Rate("cd" * 32, 2.0)
    assert [buckets.take([key, others], 1, 0.0) for _ in range(2)] == [[0.0, 0.0]] * 2
    assert buckets.take([key, others], 1, 0.0) == pytest.approx([0.0, 0.5])
    assert [take(buckets, 5.0, 1, 0.0) == 0.0 for _ in range(4)] == [True, True, True, False]


def test_keys_are_counted_apart_also_when_there_are_more_than_rows():
    buckets = TokenBuckets(SharedNumbers())
    keys = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(NUM_RATES + 500)]
    now = 0.0
    for key in keys:
        now += 0.001
        assert take(buckets, 1.0, 1, now, key) == 0.0
        assert take(buckets, 1.0, 1, now, key) > 0.0


@pytest.mark.slow
def test_processes_count_together(tmp_path):
    SharedNumbers.create(tmp_path / "numbers", 4)
    program = (
        "import sys; from pathlib import Path\n"
        "from alicorn.serving.processes.shared import SharedNumbers\n"
        "from alicorn.serving.security.bucket import Rate, TokenBuckets\n"
        "buckets = TokenBuckets(SharedNumbers(Path(sys.argv[1])))\n"
        f"print(sum(buckets.take([Rate({KEY!r}, 1000.0)], 1, 7.0) == [0.0] for _ in range(400)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "numbers")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = [int(process.communicate()[0]) for process in running]
    assert sum(taken) == 1000, taken
