"""Shards in other processes: each has replicas, which answer alike, since an answer follows from the message alone.

A router sends a message to one replica of each shard. Where a connection breaks or the replica has not the version, it
asks another. Where an answer takes much longer than answers of that shard do, it asks another beside it, and takes
what comes first (Dean and Barroso, The Tail at Scale, CACM 2013). Every message is an idempotent read.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from alicorn.distributed.processes.frames import FrameReader, connect, framed
from alicorn.distributed.processes.secret import Proof
from alicorn.distributed.processes.telling import tell
from alicorn.distributed.protocol.codec import decode_answer, encode
from alicorn.distributed.protocol.messages import Answer, Message, NotHere
from alicorn.distributed.router.transport import Lost

CONNECT_S = 1.0
ANSWER_S = 10.0  # of a shard, where the request has no deadline
LEAST_HEDGE_S = 0.02
_REMEMBERED = 100  # times of answers
_DOWN_S = 1.0  # a replica that failed is asked last for so long, twice as long after each further failure,
_MOST_DOWN_S = 30.0  # and at most so long
_ROUNDS = 2  # over all replicas of a shard


class Replica:
    """A process that has a shard, by its address, with the connections to it that are free."""

    def __init__(self, address: str, secret: bytes | None) -> None:
        self.address = address
        self._secret = secret
        self.down_until = 0.0
        self._failures = 0
        self._free: deque[socket.socket] = deque()

    def connection(self) -> tuple[socket.socket, bool]:
        """A connection, and whether it was used before: else it begins here. Raises OSError."""
        try:
            return self._free.pop(), True
        except IndexError:
            return connect(self.address, CONNECT_S), False

    def proof(self) -> Proof | None:
        return None if self._secret is None else Proof(self._secret)

    def failed(self) -> None:
        now = time.monotonic()
        self.down_until = now + min(_MOST_DOWN_S, _DOWN_S * 2.0 ** min(self._failures, 10))
        self._failures += 1

    def answered(self) -> None:
        self.down_until, self._failures = 0.0, 0

    def release(self, connection: socket.socket) -> None:
        self._free.append(connection)

    def close(self) -> None:
        while self._free:
            self._free.pop().close()


class ReplicatedShard:
    """The replicas of one shard. hedge_s: after so long a second one is asked: twice what 95 of 100 answers take."""

    def __init__(self, addresses: Sequence[str], secret: bytes | None) -> None:
        self.replicas: list[Replica] = []
        self._secret = secret
        self.reach(addresses)
        self.hedge_s = LEAST_HEDGE_S
        self._times: list[float] = []
        self._turn = 0

    def reach(self, addresses: Sequence[str]) -> None:
        """The replicas from now on; those that are there already keep what is known of them."""
        known = {replica.address: replica for replica in self.replicas}
        kept = [known.pop(one) if one in known else Replica(one, self._secret) for one in addresses]
        self.replicas = kept
        for gone in known.values():
            gone.close()

    def in_turn(self) -> list[Replica]:
        """The replicas, those that failed lately last."""
        self._turn += 1
        replicas, now = self.replicas, time.monotonic()
        at = self._turn % len(replicas)
        return sorted(replicas[at:] + replicas[:at], key=lambda replica: replica.down_until > now)

    def took(self, seconds: float) -> None:
        self._times.append(seconds)
        if len(self._times) == _REMEMBERED:  # they begin anew, so that the hedge follows what answers take now
            self.hedge_s = max(LEAST_HEDGE_S, 2.0 * sorted(self._times)[int(0.95 * _REMEMBERED)])
            self._times.clear()


class _Attempt:
    """A message on its way to one replica, over a connection that does not block.

    ready_by: by when it is connected and has proved the secret, by time.monotonic; None once it has.
    """

    def __init__(self, replica: Replica, message: bytes) -> None:
        """Raises OSError."""
        self.replica, self._message = replica, framed(message)
        self.connection, self.is_used = replica.connection()
        self.ready_by = None if self.is_used else time.monotonic() + CONNECT_S
        self._is_connected = self.is_used
        self._proof = None if self.is_used else replica.proof()
        self._reader, self._unsent = FrameReader(self.connection), bytearray()
        if self.is_used:
            try:
                self._send(self._message)
            except OSError:
                self.connection.close()
                raise

    @property
    def events(self) -> int:
        """What it waits for, as `poll` names it."""
        return select.POLLOUT if self._unsent or not self._is_connected else select.POLLIN

    def go_on(self) -> Answer | None:
        """The answer, if all of it has come. Raises OSError, and msgspec.DecodeError for nonsense."""
        if not self._is_connected:
            if error := self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, os.strerror(error))
            self._is_connected = True
            if self._proof is None:
                self._begin()
        elif self._unsent:
            self._send(b"")
        else:
            return self._received()
        return None

    def _begin(self) -> None:
        self.ready_by = self._proof = None
        self._send(self._message)

    def _received(self) -> Answer | None:
        if not self._reader.receive():
            raise ConnectionError("it closed the connection" if self._proof is None else "it refuses the secret")
        received = self._reader.taken()
        if received is None:
            return None
        if self._proof is None:
            answer: Answer = decode_answer(received)
            return answer
        reply = self._proof.reply(received)
        if reply is None:
            self._begin()
        else:
            self._send(framed(reply))
        return None

    def _send(self, more: bytes) -> None:
        """As much as the connection takes now."""
        self._unsent += more
        with suppress(BlockingIOError):
            del self._unsent[: self.connection.send(self._unsent)]


class _Call:
    """A message to one shard until it has an answer or is lost."""

    def __init__(self, shard: ReplicatedShard, message: bytes, deadline: float) -> None:
        self.attempts: dict[int, _Attempt] = {}  # by file descriptor
        self.outcome: Answer | Lost | None = None
        self._shard, self._message, self._deadline = shard, message, deadline
        self._waiting = shard.in_turn() * _ROUNDS
        self._reason, self._is_outdated = "", False
        self._started = time.monotonic()
        self._hedge_at = self._started + shard.hedge_s
        self.ask_next()

    @property
    def wakes_at(self) -> float:
        """When something is due, unless an answer comes before."""
        connecting = [attempt.ready_by for attempt in self.attempts.values() if attempt.ready_by is not None]
        return min([self._deadline, *connecting, *([self._hedge_at] if self._can_hedge else [])])

    @property
    def _can_hedge(self) -> bool:
        """Whether another replica may be asked beside: one beside one that got the message."""
        asked = sum(attempt.ready_by is None for attempt in self.attempts.values())
        return asked < 2 and len(self.attempts) < len(self._shard.replicas) and bool(self._waiting)

    def ask_next(self) -> None:
        """Ask the next replica; lost where there is none."""
        while self._waiting:
            replica = self._waiting.pop(0)
            if any(one.replica is replica for one in self.attempts.values()):
                continue
            try:
                attempt = _Attempt(replica, self._message)
            except OSError as error:
                replica.close()  # others of its connections are as old
                self._failed(replica, str(error))
                continue
            self.attempts[attempt.connection.fileno()] = attempt
            return
        if not self.attempts:
            self.outcome = Lost(self._reason, self._is_outdated)

    def wake(self, now: float) -> None:
        """Do what is due."""
        if now >= self._deadline:
            self._end(Lost("no answer in time"))
            return
        for descriptor, attempt in list(self.attempts.items()):
            if attempt.ready_by is not None and now >= attempt.ready_by:
                self._failed(attempt.replica, "no connection in time")
                self._drop(descriptor)
        if not self.attempts:
            self.ask_next()
        elif now >= self._hedge_at and self._can_hedge:
            self._hedge_at = now + self._shard.hedge_s
            self.ask_next()

    def go_on(self, descriptor: int) -> None:
        """Of a connection that can be written or read, as it waits for."""
        attempt = self.attempts[descriptor]
        try:
            answer = attempt.go_on()
        except (OSError, msgspec.DecodeError) as error:
            self._drop(descriptor)
            if attempt.is_used:  # the process may have been started again since: ask it once more, on a new connection
                self._waiting.insert(0, attempt.replica)
                attempt.replica.close()
            else:
                self._failed(attempt.replica, str(error))
            self.ask_next()
            return
        if isinstance(answer, NotHere):
            del self.attempts[descriptor]
            attempt.replica.release(attempt.connection)
            if answer.behind:
                self._reason, self._is_outdated = f"{attempt.replica.address}: {answer.reason}", True
            else:
                self._failed(attempt.replica, answer.reason)
            self.ask_next()
        elif answer is not None:
            del self.attempts[descriptor]
            attempt.replica.release(attempt.connection)
            attempt.replica.answered()
            self._shard.took(time.monotonic() - self._started)
            self._end(answer)

    def _failed(self, replica: Replica, reason: str) -> None:
        replica.failed()
        self._reason = f"{replica.address}: {reason}"

    def _end(self, outcome: Answer | Lost) -> None:
        self.outcome = outcome
        for descriptor, attempt in list(self.attempts.items()):
            if attempt.ready_by is not None:  # others answer in less time than it needs to connect
                attempt.replica.failed()
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        """An answer that may still come is of no use: the connection with it."""
        self.attempts.pop(descriptor).connection.close()


class ProcessShards:
    """A transport to shards in other processes. Every method may be called from any thread."""

    def __init__(self, addresses: Sequence[Sequence[str]], secret: bytes | None = None) -> None:
        """addresses: of the replicas of each shard, by its number: unix:PATH or HOST:PORT. secret: that they share."""
        self._secret = secret
        self._shards = [ReplicatedShard(of_shard, secret) for of_shard in addresses]

    def ask(self, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer | Lost]:
        until = time.monotonic() + ANSWER_S if deadline is None else deadline
        encoded: dict[int, bytes] = {}
        for message in asked.values():
            if id(message) not in encoded:
                encoded[id(message)] = encode(message)
        calls = {shard: _Call(self._shards[shard], encoded[id(message)], until) for shard, message in asked.items()}
        while running := [call for call in calls.values() if call.outcome is None]:
            poll, of_descriptor = select.poll(), {}
            for call in running:
                for descriptor, attempt in call.attempts.items():
                    poll.register(descriptor, attempt.events)
                    of_descriptor[descriptor] = call
            wait = min(call.wakes_at for call in running) - time.monotonic()
            for descriptor, _ in poll.poll(max(0.0, wait) * 1000.0):
                if descriptor in of_descriptor[descriptor].attempts:
                    of_descriptor[descriptor].go_on(descriptor)
            now = time.monotonic()
            for call in running:
                if call.outcome is None:
                    call.wake(now)
        return {shard: call.outcome for shard, call in calls.items() if call.outcome is not None}

    def reach(self, addresses: Sequence[Sequence[str]]) -> None:
        """Ask these replicas from now on. addresses: of each shard, by its number, which stay as many."""
        for shard, of_shard in zip(self._shards, addresses, strict=True):
            shard.reach(of_shard)

    def copies(self, shard: int) -> Sequence[str]:
        return [replica.address for replica in self._shards[shard].replicas]

    def tell(self, shard: int, copy: str, message: Message, deadline: float | None) -> Answer | Lost:
        return tell(copy, message, self._secret, time.monotonic() + ANSWER_S if deadline is None else deadline)

    def close(self) -> None:
        for shard in self._shards:
            for replica in shard.replicas:
                replica.close()
