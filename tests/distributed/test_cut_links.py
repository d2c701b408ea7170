"""Shards on two hosts, which are network namespaces with a link each: what is answered where a link is cut.

Needs root and the kernel's network namespaces; without, the test is skipped. Loss and delay (tc netem) are not tested.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.telling import tell
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.protocol.messages import Lead, Status
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection, reaching
from alicorn.errors import UnreachableError
from alicorn.query import Collection

pytestmark = pytest.mark.slow
MAIN = "from alicorn.cli import main; main()"
SECRET = b"a secret of two hosts and a router"
HOSTS = ("a", "b")
SHARDS = (0, 1)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def link(host: str, state: str) -> None:
    ip("link", "set", f"alc-{host}0", state)


def make_host(host: str) -> None:
    subnet, space = f"10.231.{HOSTS.index(host)}", f"alc-{host}"
    ip("netns", "add", space)
    ip("link", "add", f"{space}0", "type", "veth", "peer", "name", f"{space}1")
    ip("link", "set", f"{space}1", "netns", space)
    ip("addr", "add", f"{subnet}.1/24", "dev", f"{space}0")
    ip("-n", space, "addr", "add", f"{subnet}.2/24", "dev", f"{space}1")
    ip("-n", space, "link", "set", f"{space}1", "up")
    link(host, "up")


def remove_hosts() -> None:
    for host in HOSTS:
        subprocess.run(["ip", "netns", "del", f"alc-{host}"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", f"alc-{host}0"], check=False, capture_output=True)


def address(host: str, shard: int) -> str:
    return f"10.231.{HOSTS.index(host)}.2:{7000 + shard}"


def on_host(host: str | None, *verb: str) -> subprocess.Popen[bytes]:
    """A process of `alicorn` on a host; None: on this one."""
    inside = [] if host is None else ["ip", "netns", "exec", f"alc-{host}"]
    return subprocess.Popen([*inside, sys.executable, "-c", MAIN, *verb], stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShardedCollection]:
    made = tmp_path_factory.mktemp("hosts")
    ids = [f"d{at}" for at in range(40)]
    with Collection.create(made / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ids, "terms": [[f"text:{'abc'[at % 3]}"] for at in range(40)]}))
        publish_shards(whole, made / "sharded", len(SHARDS))
    (made / "secret").write_bytes(SECRET)
    running = []
    remove_hosts()
    try:
        try:
            for host in HOSTS:
                make_host(host)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here, which need root and iproute2: {error}")
        for host in HOSTS:
            for shard in SHARDS:
                verb = ["shard", str(made / "sharded"), str(shard), "--listen", address(host, shard)]
                running.append(on_host(host, *verb, "--secret", str(made / "secret")))
        addresses = [[address(host, shard) for host in HOSTS] for shard in SHARDS]
        for replicas in addresses:
            for one in replicas:
                await_shard(one)
        with ShardedCollection(made / "sharded", ProcessShards(addresses, SECRET)) as opened:
            yield opened
    finally:
        for process in running:
            process.kill()
            process.wait()
        remove_hosts()


def await_shard(address: str) -> None:
    until = time.monotonic() + 300  # where nothing is compiled yet
    while True:
        try:
            socket.create_connection(address.split(":"), 1.0).close()
            return
        except OSError:
            assert time.monotonic() < until, f"no shard at {address}"
            time.sleep(0.1)


def asked(sharded: ShardedCollection) -> list[str]:
    return sharded.search("(or text:a text:b)", limit=40, order_by="bm25").ids


def test_a_host_that_is_cut_off_fails_no_request_and_two_are_an_error_in_time(sharded: ShardedCollection) -> None:
    ids = asked(sharded)
    assert len(ids) == 27
    assert [asked(sharded) for _ in range(20)] == [ids] * 20
    for host in HOSTS:
        link(host, "down")
        started = time.monotonic()
        assert [asked(sharded) for _ in range(20)] == [ids] * 20
        assert time.monotonic() - started < 20.0
        link(host, "up")
        assert [asked(sharded) for _ in range(20)] == [ids] * 20
    for host in HOSTS:
        link(host, "down")
    started = time.monotonic()
    with pytest.raises(UnreachableError), reaching(timeout_s=1.0):
        asked(sharded)
    assert time.monotonic() - started < 5.0
    for host in HOSTS:
        link(host, "up")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            assert asked(sharded) == ids
            return
        except UnreachableError:
            time.sleep(0.5)
    pytest.fail("the hosts are back, and their shards are not asked")


def test_writes_go_on_while_two_copies_are_connected_and_none_that_was_acknowledged_is_lost(
    sharded: ShardedCollection, tmp_path: Path
) -> None:
    """Three copies of a shard: on both hosts, which do not reach each other, and here, between them."""
    folder = tmp_path / "sharded"
    with Collection.create(tmp_path / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ["d"], "terms": [["text:a"]]}))
        publish_shards(whole, folder, 1)
    (tmp_path / "secret").write_bytes(SECRET)
    at = {"a": "10.231.0.2:7100", "b": "10.231.1.2:7100"}
    running = []
    try:
        for host, own, peers in (
            ("a", at["a"], ["10.231.0.1:7100"]),
            ("b", at["b"], ["10.231.1.1:7100"]),
            (None, "0.0.0.0:7100", list(at.values())),
        ):
            more = [part for one in peers for part in ("--peer", one)]
            files = ["--secret", str(tmp_path / "secret"), "--data", str(tmp_path / f"data-{host}")]
            running.append(on_host(host, "shard", str(folder), "0", "--listen", own, *files, *more, "--copies", "2"))
        addresses = ["127.0.0.1:7100", at["a"], at["b"]]
        for one in addresses:
            await_shard(one)
        version = read_manifest(folder).version
        answer = tell("127.0.0.1:7100", Lead(version, 1), SECRET, time.monotonic() + 5.0)
        assert isinstance(answer, Status)
        with ShardedCollection(folder, ProcessShards([addresses], SECRET)) as written:
            acknowledged = {"d"}

            def write(name: str) -> None:
                written.upsert(pa.table({"doc_id": [name], "terms": [["text:a"]]}))
                acknowledged.add(name)

            for number in range(5):
                write(f"whole-{number}")
            link("a", "down")  # a copy that follows is cut off: two are left, and two are asked for
            for number in range(5):
                write(f"one-away-{number}")
            link("b", "down")
            time.sleep(2.5)
            with pytest.raises(UnreachableError), reaching(timeout_s=8.0):
                write("nowhere")
            assert acknowledged == set(written.search("text:a", limit=99).ids) - {"nowhere"}
            for host in HOSTS:
                link(host, "up")
            until = time.monotonic() + 30
            while "again" not in acknowledged:
                try:
                    write("again")
                except UnreachableError:
                    assert time.monotonic() < until
                    time.sleep(0.2)
            for one in addresses:
                with ShardedCollection(folder, ProcessShards([[one]], SECRET)) as alone:
                    while not acknowledged.issubset(alone.search("text:a", limit=99).ids):
                        assert time.monotonic() < until, one
                        time.sleep(0.1)
                        alone.refresh()
    finally:
        for process in running:
            process.kill()
            process.wait()
