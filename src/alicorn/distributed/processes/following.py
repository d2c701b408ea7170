"""A copy of a shard that follows the one that leads, wherever that is.

It asks its peers which of them leads, and then that one for what was written, message after message: the next asks
after what is on the disk by then. A copy that leads asks its peers, too, whether a newer epoch has begun.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import msgspec

from alicorn.distributed.processes.telling import CONNECT_S, ProcessLine, tell
from alicorn.distributed.protocol.messages import AskLog, AskStatus, Diverged, LogPart, Status
from alicorn.distributed.shard.versions import ShardVersions
from alicorn.distributed.shard.written import WrittenShard
from alicorn.errors import AlicornError

_log = logging.getLogger(__name__)
_LOOK_S = 1.0  # for a newer epoch or version
_AGAIN_S = 0.2  # after nobody led
_WAIT_S = 0.3  # of the one that leads, for a write
_ANSWER_S = 5.0


class LogFollower:
    """Follows until the process ends."""

    def __init__(self, shard: ShardVersions, name: str, peers: Sequence[str], secret: bytes | None) -> None:
        """name: of this copy, the same after a restart. peers: addresses of the other copies."""
        self._versions, self._name, self._peers, self._secret = shard, name, peers, secret

    def start(self) -> None:
        threading.Thread(target=self._run, name="alicorn-follower", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                wait_s = self._look()
            except (OSError, msgspec.DecodeError, AlicornError) as error:
                _log.warning("following: %s", error)
                wait_s = _AGAIN_S
            time.sleep(wait_s)

    def _look(self) -> float:
        """Find who leads, and follow it as long as it does -> when to look again."""
        self._versions.refresh()
        newest = self._versions.newest
        assert isinstance(newest, WrittenShard)
        before = self._versions.before(newest)
        for shard in (newest,) if before is None else (newest, before):
            leading = self._leading(shard)
            if shard.epochs.leads:
                return _LOOK_S
            if leading and max(leading)[0] == shard.epochs.highest:
                self._follow(shard, max(leading)[1])
                return 0.0
        return _AGAIN_S

    def _leading(self, shard: WrittenShard) -> list[tuple[int, str]]:
        """The epochs and addresses of the peers that say that they lead, and have all of the version."""
        leading = []
        for peer in self._peers:
            status = tell(peer, AskStatus(shard.version, True), self._secret, time.monotonic() + CONNECT_S)
            if isinstance(status, Status):
                shard.hear(status.epoch)
                leading += [(status.epoch, peer)] if status.leads and status.is_whole else []
        return leading

    def _follow(self, shard: WrittenShard, address: str) -> None:
        line, looked_at = ProcessLine(address, self._secret, CONNECT_S), time.monotonic()
        try:
            while not shard.is_over:
                asked = AskLog(shard.version, shard.epochs.highest, self._name, shard.last, _WAIT_S)
                answer = line.ask(asked, _ANSWER_S)
                if isinstance(answer, Diverged):
                    _log.warning("this copy has writes that %s has not: it begins anew", address)
                    self._versions.begin_anew(shard.version)
                if not isinstance(answer, LogPart) or not shard.follow(answer):
                    return
                if time.monotonic() - looked_at > _LOOK_S:
                    self._versions.refresh()
                    looked_at = time.monotonic()
        finally:
            line.close()
