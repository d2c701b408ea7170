"""Shards as deployments of Ray Serve, which places their replicas and starts them again.

A replica listens for routers as `alicorn shard` does, at a port of its node. Routers learn from Ray which replicas
there are, and speak with them over the protocol of shards: tries, hedges, deadlines and versions are theirs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.frames import listen
from alicorn.distributed.processes.ready import make_ready
from alicorn.distributed.processes.secret import check_reachable
from alicorn.distributed.processes.server import ShardServer
from alicorn.distributed.shard.versions import ShardVersions
from alicorn.errors import UnreachableError

_LOOK_S = 1.0  # between two looks at which replicas there are
_ANSWER_S = 5.0  # of Ray
START_S = 600.0  # until every shard has a replica: processes start, and compile

_log = logging.getLogger(__name__)


class ShardReplica:
    """A replica of one shard: an actor that answers routers at an address of its node."""

    def __init__(self, folder: str, number: int, secret: bytes | None) -> None:
        """Raises CollectionError, CorruptionError, ConfigError."""
        import ray.util

        host = ray.util.get_node_ip_address()
        check_reachable(f"{host}:0", secret)
        opened = ShardVersions(Path(folder), number)
        make_ready(opened, Path(folder), number)
        listener = listen(f"{host}:0")
        self._address = "{}:{}".format(*listener.getsockname())
        self._serving = threading.Thread(target=ShardServer(opened, secret).serve, args=(listener,), daemon=True)
        self._serving.start()

    def address(self) -> str:
        return self._address

    def check_health(self) -> None:
        """Ray starts another replica where this raises."""
        if not self._serving.is_alive():
            raise RuntimeError(f"nobody answers routers at {self._address}")


class RayShards(ProcessShards):
    """A transport to the replicas that Ray has, looked at again each second."""

    def __init__(self, shards: Sequence[Any], secret: bytes | None = None) -> None:
        """shards: the handle of the deployment of each, by its number. Raises UnreachableError where a shard has no
        replica in ten minutes."""
        super().__init__([() for _ in shards], secret)
        self._handles = shards
        self._looked, self._closed = threading.Event(), threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()
        if not self._looked.wait(START_S):
            self._closed.set()
            raise UnreachableError(
                f"Ray has no replica of every shard after {START_S:.0f} s: see `serve status`",
                lost=list(range(len(shards))),
            )

    def _look(self) -> None:
        """In a thread of its own, since Ray's answers are not to be waited for where it runs its event loop."""
        known: list[list[str]] = [[] for _ in self._handles]
        while not self._closed.is_set():
            for number, handle in enumerate(self._handles):
                try:
                    found = handle.broadcast("address").results(timeout_s=_ANSWER_S, return_exceptions=True)
                except Exception as error:  # Ray's controller may be gone: what was known may still answer
                    _log.warning("Ray does not say which replicas shard %d has: %s", number, error)
                    continue
                known[number] = sorted(one for one in found if isinstance(one, str)) or known[number]
            if all(known):
                self.reach(known)
                self._looked.set()
            self._closed.wait(_LOOK_S if self._looked.is_set() else 0.1)

    def close(self) -> None:
        self._closed.set()
        self._looking.join(2 * _ANSWER_S)
        super().close()
