"""One shard of a sharded collection, answered for over a socket until the process ends."""

from __future__ import annotations

import socket
import threading

import msgspec

from alicorn.distributed.processes.frames import FrameReader, send_frame
from alicorn.distributed.processes.secret import demand
from alicorn.distributed.protocol.codec import decode_request, encode
from alicorn.distributed.protocol.messages import Answer, Refused
from alicorn.distributed.shard.versions import ShardVersions


class ShardServer:
    """Answers routers for a shard."""

    def __init__(self, shard: ShardVersions, secret: bytes | None = None) -> None:
        """secret: that a router must have; None: whoever can connect may ask."""
        self._shard, self._secret = shard, secret

    def serve(self, listener: socket.socket) -> None:
        """Answer every connection in a thread of its own, until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        reader = FrameReader(connection)
        with connection:
            try:
                if self._secret is not None and not demand(connection, self._secret):
                    return
                while (message := reader.read()) is not None:
                    send_frame(connection, encode(self.answer_to(message)))
            except OSError:
                return  # the router has gone, or has its answer from another

    def answer_to(self, message: bytes) -> Answer:
        try:
            asked = decode_request(message)
        except msgspec.DecodeError as error:
            return Refused("AlicornError", f"the message of a router cannot be read: {error}")
        return self._shard.answer(asked)
