"""Shards on two hosts, which are network namespaces with a link each: what is answered where a link is cut.

Needs root and the kernel's network namespaces; without, the test is skipped. Loss and delay (tc netem) are not tested.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from alicorn.distributed.processes.client import ProcessShards
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
                command = ["ip", "netns", "exec", f"alc-{host}", sys.executable, "-c", MAIN, *verb]
                command += ["--secret", str(made / "secret")]
                running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
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
