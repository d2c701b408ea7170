"""One copy of each shard is made to lead: at the start, and where the one that led is gone.

A person or a program of theirs decides that it is gone; nothing here elects. First every copy that answers is told the
number of the new epoch, and takes no more from an older one. Of these the copy with the last write leads; one that has
all of the version goes before one that has not. Where so many answer that of every `copies` copies one is among them,
it has every write that was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from alicorn.distributed.processes.telling import tell
from alicorn.distributed.protocol.messages import AskStatus, Fence, Lead, Message, Status
from alicorn.errors import CollectionError

_WAIT_S = 5.0


class Promoted(NamedTuple):
    """The copy that leads, its epoch, and whether it did before."""

    address: str
    epoch: int
    led_before: bool


def promote(
    number: int, addresses: Sequence[str], version: str, secret: bytes | None, even_if_behind: bool = False
) -> Promoted:
    """Let one copy of shard `number` lead, unless one does. addresses: of all its copies.

    even_if_behind: also where writes that were acknowledged may be on none of the copies that answer. Raises
    CollectionError.
    """

    def of_each(message: Message) -> dict[str, Status]:
        answers = {one: tell(one, message, secret, time.monotonic() + _WAIT_S) for one in addresses}
        return {one: answer for one, answer in answers.items() if isinstance(answer, Status)}

    found = of_each(AskStatus(version, True))
    if not found:
        raise CollectionError(f"shard {number}: no copy of version {version} answers at {', '.join(addresses)}")
    if any(one.leads is None for one in found.values()):
        raise CollectionError(f"shard {number}: a copy takes no writes: start all of them with --data")
    highest = max(one.epoch for one in found.values())
    for address, one in found.items():
        if one.leads and one.epoch == highest:
            return Promoted(address, highest, True)
    epoch = highest + 1
    fenced = of_each(Fence(version, epoch))
    missing, copies = len(addresses) - len(fenced), max(one.copies for one in found.values())
    if not fenced or (missing >= copies and not even_if_behind):
        raise CollectionError(
            f"shard {number}: {missing} of {len(addresses)} copies do not answer, and a write is acknowledged when"
            f" it is on {copies}: the newest may be on none of the others. Start one of them, or accept that with"
            " --even-if-behind"
        )
    address = max(fenced, key=lambda one: (fenced[one].is_whole, fenced[one].last))
    answer = tell(address, Lead(version, epoch), secret, time.monotonic() + _WAIT_S)
    if not isinstance(answer, Status):
        raise CollectionError(f"shard {number}: {address} does not lead: {answer}. Try again")
    return Promoted(address, epoch, False)
