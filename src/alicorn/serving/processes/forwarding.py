"""A request that the owner of the collection answers, handed on to it over a Unix socket, and its answer handed back.

The owner checks keys, limits and bodies as if it had been asked itself. Where it is being started again, requests wait
at its socket, which the supervisor holds; one that was on its way when the owner ended is answered with 503.
"""

import asyncio
from http import HTTPStatus

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alicorn.query.any_collection import AnyCollection
from alicorn.serving.api.problems import ProblemResponse, by_status
from alicorn.serving.processes.part import ServerPart

# Of one connection, or of what each process adds itself.
_OWN_HEADERS = frozenset({b"connection", b"keep-alive", b"upgrade", b"te", b"expect", b"date", b"server"})
_OWN_HEADERS |= {b"x-forwarded-for", b"x-forwarded-proto"}
_CHUNK = 64 << 10


class OwnerLink:
    """Answers requests as the owner does."""

    def __init__(self, part: ServerPart) -> None:
        self._path = part.owner_socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_on(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
            try:
                await _exchange(reader, writer, scope, receive, send_on)
            finally:
                writer.close()
        except (OSError, h11.RemoteProtocolError):
            if has_begun:
                raise
            message = "the process that writes ended, and starts again: what was sent may have been written or not"
            problem = by_status(HTTPStatus.SERVICE_UNAVAILABLE, message)
            await ProblemResponse(problem, {"retry-after": "1"})(scope, receive, send)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scope: Scope, receive: Receive, send: Send
) -> None:
    """Nothing is answered where the client goes away first. Raises OSError and h11.RemoteProtocolError."""
    peer = h11.Connection(h11.CLIENT)
    writer.write(peer.send(_request(scope)) or b"")
    sending = asyncio.ensure_future(_send_body(writer, peer, receive))
    answering = asyncio.ensure_future(_answer(reader, peer, send))
    try:
        await asyncio.wait((answering, sending), return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        sending.cancel()
        answering.cancel()


async def _send_body(writer: asyncio.StreamWriter, peer: h11.Connection, receive: Receive) -> None:
    """Until the client goes away. The answer may come before the whole body was sent: a refusal."""
    more = True
    while (message := await receive())["type"] != "http.disconnect":
        if not more:
            continue
        more = message.get("more_body", False)
        data = peer.send(h11.Data(message.get("body", b""))) or b""
        writer.write(data if more else data + (peer.send(h11.EndOfMessage()) or b""))
        try:
            await writer.drain()
        except ConnectionError:  # the answer, if there is one, is read
            more = False


def _request(scope: Scope) -> h11.Request:
    query = scope["query_string"]
    headers = [(name, value) for name, value in scope["headers"] if name not in _OWN_HEADERS]
    client = scope["client"][0] if scope.get("client") else "?"
    headers += [(b"x-forwarded-for", client.encode()), (b"x-forwarded-proto", scope["scheme"].encode())]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    return h11.Request(method=scope["method"], target=target, headers=headers)


async def _answer(reader: asyncio.StreamReader, peer: h11.Connection, send: Send) -> None:
    while True:
        event = peer.next_event()
        if event is h11.NEED_DATA:
            peer.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            headers = [(name, value) for name, value in event.headers if name not in _OWN_HEADERS]
            await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
        elif isinstance(event, h11.Data):
            await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
        elif isinstance(event, h11.EndOfMessage):
            await send({"type": "http.response.body", "body": b""})
            return


class Announces:
    """In the owner, which the other processes ask: says what is committed before it is acknowledged."""

    def __init__(self, app: ASGIApp, collection: AnyCollection, part: ServerPart) -> None:
        self.app = app
        self.collection = collection
        self.shared = part.shared
        self._announce()
        self.shared.is_read_only = collection.read_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_after(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._announce()
            await send(message)

        await self.app(scope, receive, send_after if scope["type"] == "http" else send)

    def _announce(self) -> None:
        self.shared.commits = self.collection.snapshot().sequence
