"""One message to one process of a shard, and its answer: asked once, since a write must not be done twice."""

from __future__ import annotations

import time

import msgspec

from alicorn.distributed.processes.frames import FrameReader, connect, send_frame
from alicorn.distributed.processes.secret import Proof
from alicorn.distributed.protocol.codec import decode_answer, encode
from alicorn.distributed.protocol.messages import Answer, Message, NotHere
from alicorn.distributed.router.transport import Lost
from alicorn.errors import cause

CONNECT_S = 1.0


def tell(address: str, message: Message, secret: bytes | None, deadline: float) -> Answer | Lost:
    """NotHere where the process does not have the message; Lost where it may have it. deadline: by time.monotonic."""
    try:
        line = ProcessLine(address, secret, min(CONNECT_S, max(0.001, deadline - time.monotonic())))
    except OSError as error:
        return NotHere(f"{address}: {cause(error)}")
    try:
        return line.ask(message, max(0.001, deadline - time.monotonic()))
    except (OSError, msgspec.DecodeError) as error:
        return Lost(f"{address}: {cause(error)}")
    finally:
        line.close()


class ProcessLine:
    """A connection to a process, for one message after the other."""

    def __init__(self, address: str, secret: bytes | None, timeout_s: float) -> None:
        """Raises OSError where it cannot be had."""
        self._connection = connect(address, timeout_s)
        self._reader = FrameReader(self._connection)
        try:
            self._connection.settimeout(timeout_s)
            if secret is not None:
                proof = Proof(secret)
                while (reply := proof.reply(self._frame())) is not None:
                    send_frame(self._connection, reply)
            else:
                self._connection.send(b"")  # waits for the connection
        except BaseException:
            self.close()
            raise

    def ask(self, message: Message, timeout_s: float) -> Answer:
        """Raises OSError, and msgspec.DecodeError for nonsense."""
        self._connection.settimeout(timeout_s)
        send_frame(self._connection, encode(message))
        answer: Answer = decode_answer(self._frame())
        return answer

    def close(self) -> None:
        self._connection.close()

    def _frame(self) -> bytes:
        received = self._reader.read()
        if received is None:
            raise ConnectionError("it closed the connection")
        return received
