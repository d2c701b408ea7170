"""One request to all shards of a version: round after round, until all have answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alicorn import errors
from alicorn.distributed.protocol.exchanges import ExchangePart, Reply
from alicorn.distributed.protocol.messages import Answer, Message, NextRound, Refused
from alicorn.distributed.router.transport import Lost, Transport
from alicorn.errors import AlicornError, UnreachableError


def ask_all(
    transport: Transport,
    shards: Iterable[int],
    message_to: Callable[[list[list[Reply]]], Message],
    deadline: float | None,
) -> dict[int, Any]:
    """The answers of the shards, when no further round is needed. message_to: the message with a shard's replies.

    Raises UnreachableError, and what a shard refused the request with.
    """
    replies: dict[int, list[list[Reply]]] = {shard: [] for shard in shards}
    while True:
        answers = _answers(transport, {shard: message_to(known) for shard, known in replies.items()}, deadline)
        rounds = {shard: answer.parts for shard, answer in answers.items() if isinstance(answer, NextRound)}
        if not rounds:
            return answers
        assert len(rounds) == len(answers), "all shards take the same steps"
        of_parts = [_together(parts) for parts in zip(*rounds.values(), strict=True)]
        for at, shard in enumerate(rounds):
            replies[shard].append([part_replies[at] for part_replies in of_parts])


def _together(parts: tuple[ExchangePart, ...]) -> list[Reply]:
    kind: Any = type(parts[0])
    replies: list[Reply] = kind.together(parts)
    return replies


def _answers(transport: Transport, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    lost: dict[int, Lost] = {}
    for shard, answer in transport.ask(asked, deadline).items():
        if isinstance(answer, Lost):
            lost[shard] = answer
        elif isinstance(answer, Refused):
            raise error_of(answer)
        else:
            answers[shard] = answer
    if lost:
        reasons = "; ".join(f"shard {number}: {one.reason}" for number, one in lost.items())
        raise UnreachableError(
            f"no answer of {reasons}. Ask again, or allow a partial answer",
            lost=list(lost),
            outdated=any(one.outdated for one in lost.values()),
        )
    return answers


def error_of(refused: Refused) -> AlicornError:
    """The error as if it were of one collection."""
    kind = getattr(errors, refused.error, AlicornError)
    error: AlicornError = kind.__new__(kind, refused.message)
    vars(error).update(refused.about)
    return error
