"""Shards in other processes: what is answered where one is killed, slow, or of another version."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pyarrow as pa
import pytest

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection, reaching
from alicorn.distributed.router.version import ServedVersion
from alicorn.errors import UnreachableError
from alicorn.query import Collection

pytestmark = pytest.mark.slow  # processes start
EXPRESSION = "(or text:a text:b)"
MAIN = "from alicorn.cli import main; main()"


class Processes:
    """Replicas of the shards of a folder, each a process of `alicorn shard`."""

    def __init__(self, folder: Path, sockets: Path, num_shards: int, num_replicas: int) -> None:
        self.folder = folder
        self.addresses = [[f"unix:{sockets}/{shard}-{at}" for at in range(num_replicas)] for shard in range(num_shards)]
        self.running = {
            (shard, at): self.start(shard, address)
            for shard, replicas in enumerate(self.addresses)
            for at, address in enumerate(replicas)
        }
        for replicas in self.addresses:
            for address in replicas:
                _await(Path(address.removeprefix("unix:")))

    def start(self, shard: int, address: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", MAIN, "shard", str(self.folder), str(shard), "--listen", address]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def restart(self, shard: int, at: int) -> None:
        path = Path(self.addresses[shard][at].removeprefix("unix:"))
        path.unlink(missing_ok=True)
        self.running[shard, at] = self.start(shard, self.addresses[shard][at])
        _await(path)

    def send(self, shard: int, at: int, number: int) -> None:
        self.running[shard, at].send_signal(number)
        if number == signal.SIGKILL:
            self.running[shard, at].wait()
        elif number == signal.SIGSTOP:
            os.waitpid(self.running[shard, at].pid, os.WUNTRACED)  # until it has stopped

    def collection(self, addresses: Sequence[Sequence[str]] | None = None) -> ShardedCollection:
        return ShardedCollection(self.folder, ProcessShards(addresses or self.addresses))

    def close(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def _await(path: Path) -> None:
    until = time.monotonic() + 300  # where nothing is compiled yet
    while not path.exists():
        assert time.monotonic() < until, f"no shard at {path}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("processes")
    ids = [f"d{at}" for at in range(40)]
    with Collection.create(made / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ids, "terms": [[f"text:{'abc'[at % 3]}"] for at in range(40)]}))
        publish_shards(whole, made / "sharded", 2)
    return made


@pytest.fixture(scope="module")
def processes(folder: Path) -> Iterator[Processes]:
    with TemporaryDirectory(dir="/tmp") as sockets:  # the path of a Unix socket has at most 107 bytes
        started = Processes(folder / "sharded", Path(sockets), 2, 2)
        yield started
        started.close()


def wanted(folder: Path) -> list[str]:
    with Collection.open(folder / "whole", read_only=True) as whole:
        return whole.search(EXPRESSION, limit=40, order_by="bm25").ids


def asked(sharded: ShardedCollection) -> list[str]:
    return sharded.search(EXPRESSION, limit=40, order_by="bm25").ids


def test_a_replica_that_is_killed_fails_no_request(processes: Processes, folder: Path) -> None:
    ids = wanted(folder)
    with processes.collection() as sharded:
        assert [asked(sharded) for _ in range(10)] == [ids] * 10
        processes.send(0, 0, signal.SIGKILL)
        assert [asked(sharded) for _ in range(10)] == [ids] * 10
        processes.restart(0, 0)
        processes.send(0, 1, signal.SIGKILL)
        assert [asked(sharded) for _ in range(10)] == [ids] * 10
        processes.restart(0, 1)


def test_a_lost_shard_is_an_error_or_a_marked_part(processes: Processes, folder: Path) -> None:
    with processes.collection() as sharded:
        whole = sharded.search(EXPRESSION, limit=40)
        for at in (0, 1):
            processes.send(1, at, signal.SIGKILL)
        with pytest.raises(UnreachableError, match="shard 1") as lost:
            sharded.search(EXPRESSION)
        assert lost.value.lost == [1]
        with reaching(partial_answer=True):
            part = sharded.search(EXPRESSION, limit=40)
        assert not part.coverage.is_whole
        assert (part.coverage.answered, part.coverage.shards) == (1, 2)
        assert 0 < part.total == len(part.ids) < whole.total
        assert "answered by 1 of 2 shards" in part.notices
        for at in (0, 1):
            processes.restart(1, at)
        assert sharded.search(EXPRESSION, limit=40).ids == whole.ids


def test_a_slow_replica_is_hedged_and_a_slow_shard_has_a_deadline(processes: Processes, folder: Path) -> None:
    ids = wanted(folder)
    with processes.collection() as sharded:
        assert asked(sharded) == ids
        processes.send(0, 0, signal.SIGSTOP)
        started = time.monotonic()
        assert [asked(sharded) for _ in range(6)] == [ids] * 6
        assert time.monotonic() - started < 8.0  # without the second request, 10 s for each that the slow one has
        processes.send(0, 1, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="in time"), reaching(timeout_s=0.3):
            sharded.search(EXPRESSION)
        assert time.monotonic() - started < 3.0
        for at in (0, 1):
            processes.send(0, at, signal.SIGCONT)
        assert asked(sharded) == ids


def test_versions_are_never_mixed(processes: Processes, folder: Path) -> None:
    ids = wanted(folder)
    with processes.collection() as old:
        assert asked(old) == ids
        with Collection.open(folder / "whole") as whole:
            whole.delete([ids[0]])
            publish_shards(whole, folder / "sharded", 2)
        with processes.collection() as new:
            assert asked(new) == ids[1:]
            assert asked(old) == ids  # processes keep the version before
        other = msgspec.structs.replace(read_manifest(folder / "sharded"), version="0" * 16)
        with processes.collection() as sharded:
            unknown = ServedVersion(other, sharded._transport)
            with pytest.raises(UnreachableError, match="not 0000"):
                unknown.is_everywhere()


def test_a_version_is_published_under_load(processes: Processes, folder: Path) -> None:
    sharded = processes.collection()
    before = asked(sharded)
    answers: list[tuple[int, list[str]]] = []

    def search(_: int) -> None:
        found = sharded.search(EXPRESSION, limit=40, order_by="bm25")
        answers.append((found.snapshot.sequence, found.ids))

    with ThreadPoolExecutor(4) as pool, Collection.open(folder / "whole") as whole:
        searches = pool.map(search, range(300))
        whole.delete(before[:2])
        new = publish_shards(whole, folder / "sharded", 2)
        while not sharded.refresh():
            time.sleep(0.01)
        list(searches)
        pool.submit(search, 0).result()
    assert sharded.manifest == new
    wanted = {sharded.snapshot().sequence: before[2:]}
    assert len(answers) == 301
    assert all(ids == wanted.get(version, before) for version, ids in answers)
    assert answers[-1][0] == sharded.snapshot().sequence
    sharded.close()


def test_many_threads_share_a_router(processes: Processes, folder: Path) -> None:
    with processes.collection() as sharded:
        ids = asked(sharded)
        with ThreadPoolExecutor(8) as pool:
            assert all(found == ids for found in pool.map(lambda _: asked(sharded), range(64)))
