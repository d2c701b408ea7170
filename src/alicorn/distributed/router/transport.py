"""How a router reaches the shards of a version: in this process, or others (processes/)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from alicorn.distributed.protocol.messages import Answer, Message, NotHere
from alicorn.distributed.shard.versions import ShardVersions


class Lost(NamedTuple):
    """A shard that did not answer, and why."""

    reason: str


class Transport(Protocol):
    """What every way of reaching shards has."""

    def ask(self, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer | Lost]:
        """The answers of some shards by their numbers. deadline: by time.monotonic; None: however long it takes."""

    def close(self) -> None:
        """Let go of the shards."""


class LocalShards:
    """Shards in this process, one after the other."""

    def __init__(self, shards: Sequence[ShardVersions]) -> None:
        self._shards = shards

    def ask(self, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer | Lost]:
        answers = {number: self._shards[number].answer(message) for number, message in asked.items()}
        return {
            number: Lost(answer.reason) if isinstance(answer, NotHere) else answer for number, answer in answers.items()
        }

    def close(self) -> None:
        for shard in self._shards:
            shard.close()
