"""How a router reaches the shards of a version: in this process, or others (processes/)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from alicorn.distributed.protocol.messages import Answer, Message, NotHere
from alicorn.distributed.shard.versions import ShardVersions


class Lost(NamedTuple):
    """A shard that did not answer, and why. outdated: it answers, but not for the moment that was asked for."""

    reason: str
    outdated: bool = False


class Transport(Protocol):
    """What every way of reaching shards has."""

    def ask(self, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer | Lost]:
        """The answers of some shards by their numbers. deadline: by time.monotonic; None: however long it takes."""

    def copies(self, shard: int) -> Sequence[str]:
        """The names of the copies of a shard."""

    def tell(self, shard: int, copy: str, message: Message, deadline: float | None) -> Answer | Lost:
        """The answer of one copy, which is asked once. NotHere where the message did not reach it."""

    def close(self) -> None:
        """Let go of the shards."""


class LocalShards:
    """Shards in this process, one after the other."""

    def __init__(self, shards: Sequence[ShardVersions]) -> None:
        self._shards = shards

    def ask(self, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer | Lost]:
        answers = {number: self._shards[number].answer(message) for number, message in asked.items()}
        return {
            number: Lost(answer.reason, answer.behind) if isinstance(answer, NotHere) else answer
            for number, answer in answers.items()
        }

    def copies(self, shard: int) -> Sequence[str]:
        return ("",)

    def tell(self, shard: int, copy: str, message: Message, deadline: float | None) -> Answer | Lost:
        return self._shards[shard].answer(message)

    def close(self) -> None:
        for shard in self._shards:
            shard.close()
