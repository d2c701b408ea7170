"""A new version of shards that take writes: documents of it, and the writes that it has not."""

import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from test_writing import look_again, written_shards

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.following import LogFollower
from alicorn.distributed.processes.frames import listen
from alicorn.distributed.processes.promoting import promote
from alicorn.distributed.processes.server import ShardServer
from alicorn.distributed.protocol.codec import to_stream
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.protocol.messages import AskLog, AskStatus, AskWrite, Lead, LogPart, NotHere, Status, Written
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router.sharded import ShardedCollection
from alicorn.distributed.shard.versions import ShardVersions, Writable
from alicorn.distributed.shard.written import WrittenShard
from alicorn.index.writer import maintenance
from alicorn.query import Collection

Documents = dict[str, int]


def table(documents: Documents) -> pa.Table:
    ids = list(documents)
    return pa.table(
        {"doc_id": pa.array(ids, pa.string()), "terms": [["tag:1"]] * len(ids), "n": [documents[one] for one in ids]}
    )


def publish(folder: Path, documents: Documents, count: int, until: datetime | None = None, **metadata: str) -> None:
    shutil.rmtree(folder / "whole", ignore_errors=True)
    with Collection.create(folder / "whole", metadata=metadata) as whole:
        whole.upsert(table(documents))
        publish_shards(whole, folder / "sharded", count, written_until=until)


def held(sharded: ShardedCollection) -> Documents:
    found = sharded.search("tag:1", limit=100_000)
    return dict(zip(found.ids, found.table(["n"])["n"].to_pylist(), strict=True))


@pytest.mark.parametrize("count", [1, 3])
def test_a_new_version_has_the_writes_that_are_later(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random writes, versions of what the documents were at a random moment before; the oracle plays them in a dict."""
    monkeypatch.setattr(maintenance, "FLUSH_OPERATIONS", 5)
    rng = random.Random(count)
    known: Documents = {f"d{number}": number for number in range(40)}
    publish(tmp_path, known, count)
    local = written_shards(tmp_path / "sharded", tmp_path / "data", count)
    with ShardedCollection(tmp_path / "sharded", local) as sharded:
        for _ in range(6):
            source, until = dict(known), datetime.now(UTC)
            later: list[dict[str, int | None]] = []
            for number in range(rng.randrange(12)):
                ids = [f"d{rng.randrange(60)}" for _ in range(rng.randint(1, 5))]
                changed = {one: rng.randrange(1_000) for one in ids} if rng.random() < 0.6 else dict.fromkeys(ids)
                if rng.random() < 0.3:  # the source takes it, before it is read
                    time.sleep(0.001)
                    source, until, later = dict(known), datetime.now(UTC), []
                if None in changed.values():
                    sharded.delete(ids)
                else:
                    sharded.upsert(table({one: value for one, value in changed.items() if value is not None}))
                later.append(changed)
                for one, value in changed.items():
                    known.pop(one, None) if value is None else known.update({one: value})
                assert held(sharded) == known, number
            source |= {f"only-published-{rng.randrange(99)}": 7, "d1": 5_000}  # what nobody wrote to the shards
            publish(tmp_path, source, count, until)
            look_again(local)
            assert sharded.refresh()
            assert sharded.manifest.version == read_manifest(tmp_path / "sharded").version
            known = source
            for changed in later:
                for one, value in changed.items():
                    known.pop(one, None) if value is None else known.update({one: value})
            assert held(sharded) == known
            assert len(sharded) == len(known)
    with ShardedCollection(
        tmp_path / "sharded", written_shards(tmp_path / "sharded", tmp_path / "data", count)
    ) as again:
        assert held(again) == known


def test_what_does_not_fit_is_refused_and_the_version_before_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, {"a": 1}, 1, model="one")
    local = written_shards(tmp_path / "sharded", tmp_path / "data", 1)
    with ShardedCollection(tmp_path / "sharded", local) as sharded:
        sharded.upsert(table({"b": 2}))
        for reason, until, metadata in (
            ("publish it with --written-until", None, {"model": "one"}),
            ("has other models or vertical than", datetime.now(UTC), {"model": "two"}),
        ):
            publish(tmp_path, {"c": 3}, 1, until, **metadata)
            look_again(local)
            assert reason in caplog.text
            assert not sharded.refresh()
            sharded.upsert(table({"b": 3}))
            assert held(sharded) == {"a": 1, "b": 3}
        publish(tmp_path, {"c": 3}, 1, datetime.fromtimestamp(0, UTC), model="one")
        look_again(local)
        assert sharded.refresh()
        assert held(sharded) == {"b": 3, "c": 3}


def test_the_copy_of_an_older_version_goes_with_its_log(tmp_path: Path) -> None:
    publish(tmp_path, {"a": 0}, 1)
    local = written_shards(tmp_path / "sharded", tmp_path / "data", 1)
    with ShardedCollection(tmp_path / "sharded", local) as sharded:
        for number in range(1, 5):
            sharded.upsert(table({"b": number}))
            publish(tmp_path, {"a": number}, 1, datetime.now(UTC))
            look_again(local)
            sharded.refresh()
        kept = [one for one in (tmp_path / "data" / "0").iterdir() if one.is_dir()]
        assert len(kept) == 2
        newest = local._shards[0].newest.collection
        assert sum(len(one) for _, one in newest.operations(0, 1 << 30)) == 0  # its documents had all of it


class Process:
    """A copy of a shard in this process, with the socket and the follower of one of its own."""

    def __init__(self, folder: Path, data: Path, sockets: Path, at: int, num_copies: int) -> None:
        self.address = f"unix:{sockets}/{at}"
        peers = [f"unix:{sockets}/{one}" for one in range(num_copies) if one != at]
        self.shard = ShardVersions(folder, 0, Writable(data / str(at), 2))
        self.listener = listen(self.address)
        self.serving = threading.Thread(target=ShardServer(self.shard).serve, args=(self.listener,), daemon=True)
        self.serving.start()
        LogFollower(self.shard, self.address, peers, None).start()


@contextmanager
def three(tmp_path: Path) -> Iterator[list[Process]]:
    with TemporaryDirectory(dir="/tmp") as sockets:
        copies = [Process(tmp_path / "sharded", tmp_path / "data", Path(sockets), at, 3) for at in range(3)]
        try:
            yield copies
        finally:
            for one in copies:
                one.listener.close()


def test_versions_are_published_under_writes_and_searches(tmp_path: Path) -> None:
    """Three copies. Nothing fails, and no write that was acknowledged is missing, from the next search on."""
    publish(tmp_path, {"d0": 0}, 1)
    with three(tmp_path) as copies:
        addresses = [one.address for one in copies]
        promote(0, addresses, read_manifest(tmp_path / "sharded").version, None)
        acknowledged: Documents = {"d0": 0}
        wrong: list[str] = []
        searches, ends, between = [0], threading.Event(), threading.Lock()
        with ShardedCollection(tmp_path / "sharded", ProcessShards([addresses])) as sharded:

            def write() -> None:
                while not ends.is_set():
                    number = len(acknowledged)
                    try:
                        with between:
                            sharded.upsert(table({f"d{number}": number}))
                            acknowledged[f"d{number}"] = number
                    except Exception as error:
                        wrong.append(repr(error))

            def search() -> None:
                while not ends.is_set():
                    wanted = dict(acknowledged)
                    try:
                        found = held(sharded)
                    except Exception as error:
                        wrong.append(repr(error))
                        continue
                    missing = [one for one, value in wanted.items() if found.get(one) != value]
                    wrong.extend([f"{len(missing)} of {len(wanted)} are missing"] if missing else [])
                    searches[0] += 1

            def look() -> None:
                while not ends.is_set():
                    sharded.refresh()
                    time.sleep(0.1)

            threads = [threading.Thread(target=one) for one in (write, search, search, look)]
            for one in threads:
                one.start()
            for number in range(3):
                time.sleep(0.5)
                with between:  # what was written is in the documents then
                    until, documents = datetime.now(UTC), dict(acknowledged)
                time.sleep(0.3)
                publish(tmp_path, {**documents, f"published-{number}": number}, 1, until)
                version = read_manifest(tmp_path / "sharded").version
                since = time.monotonic()
                while sharded.manifest.version != version:
                    assert time.monotonic() - since < 20.0, wrong[:3]
                    time.sleep(0.01)
            time.sleep(0.5)
            ends.set()
            for one in threads:
                one.join()
            assert not wrong
            assert len(acknowledged) > 20
            assert searches[0] > 10
            sharded.refresh()
            assert held(sharded) == {**acknowledged, "published-2": 2}
            version = sharded.manifest.version
        for copy in copies:
            with ShardedCollection(tmp_path / "sharded", ProcessShards([[copy.address]])) as alone:
                until_s = time.monotonic() + 5.0
                while held(alone) != {**acknowledged, "published-2": 2}:
                    assert time.monotonic() < until_s
                    alone.refresh()
                assert alone.manifest.version == version


def test_a_copy_leads_on_where_the_one_that_led_is_gone_before_the_new_version_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copy 0 has carried part of the writes when it ends. Copy 1 has nothing of that, and begins anew from its own."""
    publish(tmp_path, {"a": 1}, 1)
    first, second = (ShardVersions(tmp_path / "sharded", 0, Writable(tmp_path / f"data-{at}")) for at in range(2))
    before = read_manifest(tmp_path / "sharded").version
    local = WrittenLead(first, before)
    for number in range(5):
        local.write(number)
    local.followed_by(second)
    publish(tmp_path, {"z": 9}, 1, datetime.fromtimestamp(0, UTC))
    version = read_manifest(tmp_path / "sharded").version
    with monkeypatch.context() as patched:
        patched.setattr(WrittenShard, "_carried", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            first.refresh()
    for shard in (first, second):
        assert isinstance(shard.answer(AskStatus(version)), NotHere)  # routers stay where they are
        told = shard.answer(AskStatus(version, True))
        assert isinstance(told, Status)
        assert not told.is_whole
    first.close()
    answer = second.answer(Lead(version, 2))
    assert isinstance(answer, Status)
    assert answer.leads
    second.refresh()
    answer = second.answer(AskStatus(version))
    assert isinstance(answer, Status)
    assert (answer.leads, answer.num_docs) == (True, 6)
    assert second.newest.collection.search("tag:1", limit=9).ids == ["b0", "b1", "b2", "b3", "b4", "z"]
    over = second.answer(AskStatus(before, True))
    assert isinstance(over, Status)
    assert over.is_over
    again = ShardVersions(tmp_path / "sharded", 0, Writable(tmp_path / "data-0"))  # it comes back, killed on the way
    assert isinstance(again.answer(AskStatus(version)), NotHere)
    assert again.answer(AskStatus(before)) != over
    again.close()
    second.close()


class WrittenLead:
    """A copy that leads, written and followed by hand."""

    def __init__(self, shard: ShardVersions, version: str) -> None:
        self.shard, self.version = shard, version
        assert isinstance(shard.answer(Lead(version, 1)), Status)

    def write(self, number: int) -> None:
        stream = to_stream(table({f"b{number}": number}))
        assert isinstance(self.shard.answer(AskWrite(self.version, 1, stream, None, [], {}, False)), Written)

    def followed_by(self, other: ShardVersions) -> None:
        one = other.newest
        assert isinstance(one, WrittenShard)
        part = self.shard.answer(AskLog(self.version, 1, "other", one.last, 0.0))
        assert isinstance(part, LogPart)
        assert one.follow(part)
