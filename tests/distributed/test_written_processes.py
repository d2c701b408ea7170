"""Copies of a written shard in processes of their own, killed in the middle of writes and searches."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.promoting import promote
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.errors import CollectionError, UnreachableError
from alicorn.query import Collection

pytestmark = pytest.mark.slow  # processes start
MAIN = "from alicorn.cli import main; main()"


class Copies:
    """Three copies of the one shard of a folder, each a process of `alicorn shard`."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self.folder, self.sockets = folder, sockets
        self.addresses = [f"unix:{sockets}/{at}" for at in range(3)]
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        for at in range(3):
            self.start(at)

    def start(self, at: int) -> None:
        peers = [part for one in self.addresses if one != self.addresses[at] for part in ("--peer", one)]
        own = ["--listen", self.addresses[at], "--data", str(self.folder.parent / f"data-{at}")]
        command = [sys.executable, "-c", MAIN, "shard", str(self.folder), "0", *own, *peers]
        path = self.sockets / str(at)
        path.unlink(missing_ok=True)
        self.running[at] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while not path.exists():
            assert time.monotonic() < until, f"no shard at {path}"
            time.sleep(0.02)

    def kill(self, at: int) -> None:
        self.running[at].send_signal(signal.SIGKILL)
        self.running[at].wait()

    def promote(self) -> int:
        """The copy that leads."""
        done = promote(0, self.addresses, read_manifest(self.folder).version, None)
        return self.addresses.index(done.address)

    def router(self, *copies: int) -> ShardedCollection:
        return ShardedCollection(self.folder, ProcessShards([[self.addresses[at] for at in copies]]))


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    made = tmp_path_factory.mktemp("written")
    with Collection.create(made / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ["d0"], "terms": [["tag:1"]], "n": [0]}))
        publish_shards(whole, made / "sharded", 1)
    with TemporaryDirectory(dir="/tmp") as sockets:
        started = Copies(made / "sharded", Path(sockets))
        yield started
        for process in started.running.values():
            process.kill()
            process.wait()


class Load:
    """One thread that writes a document after the other, and two that search: what was acknowledged, what was wrong."""

    def __init__(self, sharded: ShardedCollection, prefix: str) -> None:
        self._sharded, self._prefix = sharded, prefix
        self.acknowledged: list[str] = []
        self.unconfirmed, self.searches = 0, 0
        self.wrong: list[str] = []
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=one) for one in (self._write, self._search, self._search)]

    @contextmanager
    def running(self) -> Iterator[None]:
        for one in self._threads:
            one.start()
        try:
            yield
        finally:
            self._ends.set()
            for one in self._threads:
                one.join()

    def _write(self) -> None:
        while not self._ends.is_set():
            doc_id = f"{self._prefix}{len(self.acknowledged)}"
            try:
                self._sharded.upsert(pa.table({"doc_id": [doc_id], "terms": [["tag:1"]], "n": [1]}))
                self.acknowledged.append(doc_id)
            except UnreachableError:
                self.unconfirmed += 1
                time.sleep(0.01)

    def _search(self) -> None:
        while not self._ends.is_set():
            wanted = len(self.acknowledged)
            try:
                found = self._sharded.search("tag:1", limit=100_000)
                missing = set(self.acknowledged[:wanted]).difference(found.ids)
                if missing or found.total != len(found.ids) or len(found.table(["n"])) != found.total:
                    self.wrong.append(f"{len(missing)} are missing of {wanted}")
            except Exception as error:
                self.wrong.append(repr(error))
            self.searches += 1


def seen_by_all(copies: Copies, wanted: set[str]) -> float:
    """Seconds until every copy gives the documents."""
    started = time.monotonic()
    for at in range(3):
        with copies.router(at) as one:
            found: list[str] = []
            while not wanted.issubset(found):
                assert time.monotonic() - started < 20.0, f"copy {at} lacks writes"
                one.refresh()
                with suppress(UnreachableError):  # it has not all of the version yet
                    found = one.search("tag:1", limit=100_000).ids
    return time.monotonic() - started


def test_copies_are_killed_under_load(copies: Copies) -> None:
    leader = copies.promote()
    others = [at for at in range(3) if at != leader]
    with copies.router(0, 1, 2) as sharded:
        load = Load(sharded, "a")
        with load.running():
            time.sleep(1.0)
            copies.kill(others[0])
            time.sleep(2.0)
            assert not load.unconfirmed  # two copies are left, and two are asked for
            copies.start(others[0])
            time.sleep(1.0)
            copies.kill(leader)
            time.sleep(0.5)
            written = len(load.acknowledged)
            assert copies.promote() != leader
            time.sleep(1.0)
            copies.start(leader)
            time.sleep(1.0)
        assert not load.wrong
        assert written > 20
        assert len(load.acknowledged) > written + 20
        assert load.searches > 20
        assert seen_by_all(copies, set(load.acknowledged)) < 1.0


def test_too_few_copies_take_no_write_and_lead_only_by_force(copies: Copies) -> None:
    leader = copies.promote()
    others = [at for at in range(3) if at != leader]
    with copies.router(0, 1, 2) as sharded:
        for at in others:
            copies.kill(at)
        time.sleep(1.1)  # until the leader knows
        with pytest.raises(UnreachableError, match="2 copies"):
            sharded.delete(["d0"])
        assert "d0" in sharded.search("tag:1", limit=100_000).ids
        copies.kill(leader)
        copies.start(others[0])
        version = read_manifest(copies.folder).version
        with pytest.raises(CollectionError, match="--even-if-behind"):
            promote(0, copies.addresses, version, None)
        assert promote(0, copies.addresses, version, None, even_if_behind=True).address == copies.addresses[others[0]]
        copies.start(leader)
        copies.start(others[1])
        time.sleep(1.5)
        assert sharded.delete(["d0"]).deleted == 1
        assert "d0" not in sharded.search("tag:1", limit=100_000).ids


def test_the_copy_that_leads_is_killed_while_a_version_is_published(copies: Copies) -> None:
    """At some moments before, within and after the switch: what was acknowledged is in the new version."""
    acknowledged: set[str] = set()
    for round_, delay_s in enumerate((0.2, 0.6, 1.0, 1.4)):
        leader = copies.promote()
        with copies.router(0, 1, 2) as sharded:
            load = Load(sharded, f"v{round_}-")
            with load.running():
                time.sleep(0.5)
                until = datetime.fromtimestamp(0, UTC)  # all writes of this test are carried
                with Collection.open(copies.folder.parent / "whole") as whole:
                    whole.upsert(pa.table({"doc_id": [f"published-{round_}"], "terms": [["tag:1"]], "n": [0]}))
                    version = publish_shards(whole, copies.folder, 1, written_until=until).version
                time.sleep(delay_s)
                copies.kill(leader)
                time.sleep(0.3)
                copies.promote()
                deadline = time.monotonic() + 30.0
                while sharded.manifest.version != version:
                    assert time.monotonic() < deadline, load.wrong[:3]
                    sharded.refresh()
                    time.sleep(0.05)
                copies.start(leader)
                time.sleep(1.0)
            acknowledged |= set(load.acknowledged)
            assert not load.wrong
            assert len(load.acknowledged) > 10
        seen_by_all(copies, acknowledged | {f"published-{round_}"})
