"""Machines for a rate of requests, and for each number of shards that can hold the documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from alicorn.distributed.planning.cost import Cost
from alicorn.distributed.planning.queues import response_times, slowest_of
from alicorn.errors import ConfigError

_BUSY = 0.5  # of a processor at most, so that peaks have room
_IN_MEMORY = 0.8  # of a machine's memory for files
_SIMULATED = 20_000  # requests
_POWERS = tuple(1 << power for power in range(13))


@dataclass(frozen=True)
class Machine:
    """memory: bytes. cores: processors. price: of an hour, in any currency."""

    memory: float
    cores: int
    price: float


@dataclass(frozen=True)
class Target:
    """rate: requests a second. replicas: of each shard at least. network: seconds that the rounds of a request over
    shards wait for it."""

    rate: float
    replicas: int
    network: float = 0.001


@dataclass(frozen=True)
class Deployment:
    """A machine for each replica of each shard, and others for routers. memory: bytes of files on each; disk: of all;
    busy: share of the shards' processors; p50, p99: seconds from request to answer; price: of a million requests."""

    shards: int
    replicas: int
    routers: int
    memory: float
    disk: float
    busy: float
    p50: float
    p99: float
    price: float

    @property
    def machines(self) -> int:
        return self.shards * self.replicas + self.routers


def plan(cost: Cost, target: Target, machine: Machine, shards: Sequence[int] = (), seed: int = 0) -> list[Deployment]:
    """One deployment for each number of shards; without any, for the four smallest powers of two whose files fit.

    Raises ConfigError where the files of a shard do not fit in a machine's memory.
    """
    room = _IN_MEMORY * machine.memory
    fitting = (count for count in shards or _POWERS if cost.num_bytes(count) <= room)
    chosen = list(islice(fitting, len(shards) or 4))
    if not chosen or len(chosen) < len(shards):
        most = max(shards or _POWERS)
        raise ConfigError(
            f"{cost.documents:,.0f} documents of {cost.bytes_per_document:,.0f} bytes do not fit into"
            f" {most:,} machines of {machine.memory / 1e9:,.0f} GB, of which files may fill {_IN_MEMORY:.0%}: plan"
            " with more shards, with more memory a machine, or keep codes alone (--stored codes of publish)"
        )
    return [_deployment(cost, target, machine, count, seed) for count in chosen]


def _deployment(cost: Cost, target: Target, machine: Machine, shards: int, seed: int) -> Deployment:
    service = cost.seconds if shards == 1 else cost.shard_seconds(shards)
    load = target.rate * float(service.mean())  # processors of one shard that are busy
    room = _BUSY * machine.cores
    replicas = max(target.replicas, math.ceil(load / room))
    busy = load / (replicas * machine.cores)
    rng = np.random.default_rng(seed)
    responses = response_times(service, busy, 50 * _SIMULATED, rng)
    longest, _ = slowest_of(responses, shards, _SIMULATED, rng)
    routing = 0.0 if shards == 1 else cost.router + target.network
    p50, p99 = (float(part) + routing for part in np.percentile(longest, [50, 99]))
    routers = 0 if shards == 1 else max(min(2, target.replicas), math.ceil(target.rate * cost.router / room))
    memory = cost.num_bytes(shards)
    price = (shards * replicas + routers) * machine.price / (target.rate * 3600) * 1e6
    return Deployment(shards, replicas, routers, memory, memory * shards * replicas, busy, p50, p99, price)
