"""A router connects to processes without waiting for one of them alone, and has a shard ready before it is asked."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.compiled.kernels import KERNELS
from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.frames import listen
from alicorn.distributed.processes.ready import make_ready
from alicorn.distributed.processes.server import ShardServer
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection, reaching
from alicorn.distributed.shard.versions import ShardVersions
from alicorn.errors import UnreachableError
from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.serving import ready as serving

DIM = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("connecting")
    vectors = np.random.default_rng(0).normal(size=(60, DIM)).astype(np.float32)
    documents = {
        "doc_id": [f"d{at}" for at in range(60)],
        "terms": [["t:x", f"t:{at}"] for at in range(60)],
        "embedding:e": list(vectors),
    }
    with Collection.create(made / "whole", {"e": DIM}) as whole:
        whole.upsert(pa.table(documents))
        publish_shards(whole, made / "sharded", 2)
    return made / "sharded"


@pytest.fixture
def shard_addresses(folder: Path) -> Iterator[list[str]]:
    with ExitStack() as stack:
        addresses = []
        for number in range(2):
            shard = ShardVersions(folder, number)
            stack.callback(shard.close)
            listener = stack.enter_context(listen("127.0.0.1:0"))
            threading.Thread(target=ShardServer(shard).serve, args=(listener,), daemon=True).start()
            addresses.append("{}:{}".format(*listener.getsockname()))
        yield addresses


@pytest.fixture
def unanswering() -> Iterator[str]:
    """A place that takes no further connection: who connects waits, as with a host that is cut off."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = full.getsockname()
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield "{}:{}".format(*address)


def test_a_replica_that_takes_no_connection_delays_nobody_for_long(folder, shard_addresses, unanswering):
    replicas = [[unanswering, unanswering, address] for address in shard_addresses]
    with ShardedCollection(folder, ProcessShards([[address] for address in shard_addresses])) as alone:
        wanted = alone.search("t:x", limit=60).ids
    with ShardedCollection(folder, ProcessShards(replicas)) as sharded:
        started = time.monotonic()
        for _ in range(20):
            assert sharded.search("t:x", limit=60).ids == wanted
        assert time.monotonic() - started < 0.9, "one that waited to connect would take a second"


def test_a_message_of_a_megabyte_is_sent_and_answered(folder, shard_addresses):
    with ShardedCollection(folder, ProcessShards([[address] for address in shard_addresses])) as sharded:
        many = " ".join(f"t:{at:0100d}" for at in range(9_000))
        assert len(sharded.search(f"(or t:x {many})", limit=60).ids) == 60


def test_a_shard_is_compiled_before_it_is_asked(folder, shard_addresses):
    for number in range(2):
        opened = ShardVersions(folder, number)
        make_ready(opened, folder, number)
        opened.close()
    compiled = sum(len(kernel.signatures) for kernel in KERNELS)
    vector = {"e": np.ones(DIM)}
    with ShardedCollection(folder, ProcessShards([[address] for address in shard_addresses])) as sharded:
        sharded.search("(or t:x (nn e :k 5 :recall 0.9))", vector, order_by={"nn": 1.0, "bm25": 1.0})
        sharded.search("(and t:x t:3)", order_by="bm25")
        sharded.search("(nn e :radius 0.3)", vector)
    assert sum(len(kernel.signatures) for kernel in KERNELS) == compiled


def test_a_router_starts_before_its_shards_and_finds_them_when_they_answer(folder, monkeypatch):
    """They take connections and say nothing, as a host that is starting; then they are there."""
    monkeypatch.setattr(serving, "KERNELS", ())
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        addresses = ["{}:{}".format(*one.getsockname()) for one in silent]
        started = time.monotonic()
        sharded = stack.enter_context(ShardedCollection(folder, ProcessShards([[one] for one in addresses])))
        serving.make_ready(Retriever(sharded))
        assert time.monotonic() - started < 9.0, "ten seconds and more for each search would be waited"
        assert len(sharded) == 60
        with pytest.raises(UnreachableError), reaching(timeout_s=0.2):
            sharded.search("t:x")
        for number, (listener, address) in enumerate(zip(silent, addresses, strict=True)):
            listener.close()
            shard = ShardVersions(folder, number)
            stack.callback(shard.close)
            answering = stack.enter_context(listen(address))
            threading.Thread(target=ShardServer(shard).serve, args=(answering,), daemon=True).start()
        until = time.monotonic() + 5.0
        while True:
            try:
                assert sharded.search("t:x", limit=60).total == 60
                break
            except UnreachableError:
                assert time.monotonic() < until
                time.sleep(0.1)
