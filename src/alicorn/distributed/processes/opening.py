"""A collection in a folder, in one piece or in shards, wherever these are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.secret import read_secret
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.router.sharded import ShardedCollection
from alicorn.errors import ConfigError


def open_shards(folder: Path, addresses: Sequence[str] = (), secret: Path | None = None) -> ShardedCollection:
    """addresses: `NUMBER=unix:PATH` or `NUMBER=HOST:PORT` of each process that answers for a shard, several of one
    shard being its replicas; none: all shards in this process. secret: file of what they share with this one. Raises
    CollectionError, CorruptionError, ConfigError.
    """
    if not addresses:
        return ShardedCollection.open(folder)
    of_shards = addresses_of(len(read_manifest(folder).shards), folder, addresses)
    return ShardedCollection(folder, ProcessShards(of_shards, None if secret is None else read_secret(secret)))


def addresses_of(num_shards: int, folder: Path, addresses: Sequence[str]) -> list[list[str]]:
    """The addresses of each shard, by its number. Raises ConfigError."""
    of_shards: list[list[str]] = [[] for _ in range(num_shards)]
    for text in addresses:
        number, _, address = text.partition("=")
        if not (number.isdecimal() and int(number) < len(of_shards) and address):
            raise ConfigError(
                f"--shard: expected NUMBER=unix:PATH or NUMBER=HOST:PORT with a number from 0 to {len(of_shards) - 1},"
                f" got {text!r}"
            )
        of_shards[int(number)].append(address)
    missing = [str(number) for number, of_shard in enumerate(of_shards) if not of_shard]
    if missing:
        raise ConfigError(f"--shard: no process is named for shard {', '.join(missing)} of {folder}: give each one")
    return of_shards
