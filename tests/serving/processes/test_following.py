"""A searching process sees what another one writes: what was announced, at once; the rest within a second."""

import asyncio
import time

import pyarrow as pa
import pytest

from alicorn.query import Collection
from alicorn.serving.processes.following import Follower


@pytest.fixture
def both(tmp_path):
    with Collection.create(tmp_path / "collection") as written:
        written.upsert(pa.table({"doc_id": ["a"], "terms": [["text:a"]]}))
        with Collection.open(tmp_path / "collection", read_only=True) as followed:
            yield written, followed


def test_what_was_announced_is_seen_by_the_next_request(both, monkeypatch):
    monkeypatch.setattr("alicorn.serving.processes.following.MOST_WAIT_S", 10.0)
    written, followed = both
    follower = Follower(followed, lambda: written.snapshot().sequence)

    async def requests():
        for count in range(2, 6):
            assert not follower.is_behind
            written.upsert(pa.table({"doc_id": [f"d{count}"], "terms": [["text:a"]]}))
            assert follower.is_behind
            await asyncio.gather(*(follower.follow() for _ in range(3)))
            assert len(followed) == count

    asyncio.run(requests())
    follower.close()


def test_a_collection_of_this_process_is_never_behind(both):
    written, _ = both
    follower = Follower(written)
    follower._read_s -= 10.0
    assert (follower.is_behind, follower.age_s) == (False, 0.0)
    follower.close()


def test_a_request_does_not_wait_for_a_reading_that_takes_long(both, monkeypatch):
    written, followed = both
    follower = Follower(followed, lambda: written.snapshot().sequence)
    refresh = followed.refresh
    monkeypatch.setattr("alicorn.serving.processes.following.MOST_WAIT_S", 0.02)
    monkeypatch.setattr(followed, "refresh", lambda: (time.sleep(0.3), refresh()))

    async def request():
        written.delete(["a"])
        started = time.monotonic()
        await follower.follow()
        return time.monotonic() - started

    assert asyncio.run(request()) < 0.25
    follower.close()
    assert len(followed) == 0, "it is read to the end"


def test_a_damaged_collection_fails_the_request(both, monkeypatch):
    written, followed = both
    follower = Follower(followed, lambda: written.snapshot().sequence)
    followed.close()
    written.delete(["a"])
    with pytest.raises(Exception, match="is closed"):
        asyncio.run(follower.follow())
    follower.close()
