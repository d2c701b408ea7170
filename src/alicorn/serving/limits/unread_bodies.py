"""The body of a request that was answered before it had come is read on for a little: then the connection ends.

A refusal needs no body. A connection that is closed while its client still sends loses the answer, for the system says
that it was broken off; one that is kept is sent to for as long as the client likes. So what comes is thrown away, at
most `DISCARDED_BYTES` within `DISCARDED_S`, as HTTP asks for (RFC 9112, section 9.6), and the answer says that it is
the last.
"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DISCARDED_BYTES = 8 << 20
DISCARDED_S = 2.0
SMALL_BYTES = 64 << 10
"""A body that says that it has no more bytes is left to the connection, which stays."""


class EndsUnread:
    """Ends the connection of a request whose body was not read to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_small(scope["headers"]):
            await self.app(scope, receive, send)
            return
        body = _Body(receive)
        is_last = False

        async def send_and_read_on(message: Message) -> None:
            nonlocal is_last
            if message["type"] == "http.response.start" and not body.has_ended:
                is_last = True
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            if not is_last or message["type"] != "http.response.body" or message.get("more_body", False):
                await send(message)
                return
            await send({**message, "more_body": True})
            await body.discard()
            await send({"type": "http.response.body", "body": b""})

        await self.app(scope, body.receive, send_and_read_on)


class _Body:
    """What comes of one, whoever asks for it: a process that hands it on does so while it is answered, too."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.has_ended = False
        self._num_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._num_bytes += len(message.get("body", b""))
        self.has_ended = self.has_ended or not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        most = self._num_bytes + DISCARDED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARDED_S):
                while not self.has_ended and self._num_bytes < most:
                    await self.receive()


def _is_small(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request has no body, or says that it has few bytes."""
    for name, value in headers:
        if name == b"transfer-encoding" or (name == b"content-length" and len(value) > 4 and int(value) > SMALL_BYTES):
            return False
    return True
