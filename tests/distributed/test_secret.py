"""Who has not the secret of a shard is not answered, and a router does not believe a shard that has another."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.frames import listen
from alicorn.distributed.processes.secret import check_reachable, read_secret
from alicorn.distributed.processes.server import ShardServer
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection, reaching
from alicorn.distributed.shard.versions import ShardVersions
from alicorn.errors import ConfigError, UnreachableError
from alicorn.query import Collection

SECRET, OTHER = b"s" * 32, b"o" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("secret")
    with Collection.create(made / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ["a", "b"], "terms": [["t:x"], ["t:x"]]}))
        publish_shards(whole, made / "sharded", 1)
    return made / "sharded"


def serving(folder: Path, secret: bytes | None) -> Iterator[str]:
    shard = ShardVersions(folder, 0)
    with listen("127.0.0.1:0") as listener:
        host, port = listener.getsockname()
        threading.Thread(target=ShardServer(shard, secret).serve, args=(listener,), daemon=True).start()
        yield f"{host}:{port}"
    shard.close()


@pytest.fixture
def guarded(folder: Path) -> Iterator[str]:
    yield from serving(folder, SECRET)


@pytest.fixture
def open_to_all(folder: Path) -> Iterator[str]:
    yield from serving(folder, None)


def found(folder: Path, address: str, secret: bytes | None) -> list[str]:
    with ShardedCollection(folder, ProcessShards([[address]], secret)) as sharded, reaching(timeout_s=2.0):
        return sharded.search("t:x").ids


def test_who_has_the_secret_is_answered(folder: Path, guarded: str) -> None:
    assert found(folder, guarded, SECRET) == ["a", "b"]


@pytest.mark.parametrize("secret", [OTHER, None])
def test_who_has_another_or_none_is_not(folder: Path, guarded: str, secret: bytes | None) -> None:
    with pytest.raises(UnreachableError, match=guarded):
        found(folder, guarded, secret)


def test_a_router_with_a_secret_does_not_ask_a_shard_without(folder: Path, open_to_all: str) -> None:
    with pytest.raises(UnreachableError):
        found(folder, open_to_all, SECRET)
    assert found(folder, open_to_all, None) == ["a", "b"]


def test_a_shard_that_others_can_reach_needs_a_secret(tmp_path: Path) -> None:
    for address in ("0.0.0.0:9000", "10.0.0.7:9000", "shard.example:9000", "[::]:9000"):
        with pytest.raises(ConfigError, match="nobody needs a secret: give --secret"):
            check_reachable(address, None)
        check_reachable(address, SECRET)
    for address in ("unix:/run/s", "127.0.0.1:9000", "localhost:9000", "[::1]:9000"):
        check_reachable(address, None)
    (tmp_path / "short").write_bytes(b"secret\n")
    with pytest.raises(ConfigError, match="16 bytes or more, got 6"):
        read_secret(tmp_path / "short")
    (tmp_path / "long").write_bytes(SECRET + b"\n")
    assert read_secret(tmp_path / "long") == SECRET
