"""Messages on a stream of bytes: the length in four bytes, the most significant first, then the message."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from alicorn.errors import ConfigError

MAX_BYTES = 1 << 30
_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 18


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return _LENGTH.pack(len(message)) + message


def send_frame(connection: socket.socket, message: bytes) -> None:
    """Raises OSError, and TimeoutError after the timeout of the connection."""
    connection.sendall(framed(message))


class FrameReader:
    """The messages of a connection, which may come in any pieces."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def read(self) -> bytes | None:
        """One message; None at the end of the stream. Blocks until it is there."""
        while (message := self.taken()) is None:
            if not self.receive():
                return None
        return message

    def receive(self) -> bool:
        """Read what is there, once -> False at the end of the stream. Raises OSError."""
        chunk = self._connection.recv(_CHUNK)
        self._buffer += chunk
        return bool(chunk)

    def taken(self) -> bytes | None:
        """The message that has come whole, if one has. Raises ConnectionError for what is no message."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_BYTES:
            raise ConnectionError(f"a message of {length} bytes: this is no shard of alicorn")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        message = bytes(memoryview(self._buffer)[_LENGTH.size : end])
        del self._buffer[:end]
        return message


def connect(address: str, timeout_s: float) -> socket.socket:
    """A connection to unix:PATH, or one to HOST:PORT that begins: it can be written when it is there.

    Neither blocks after that. A process at a Unix socket has `timeout_s` to take the connection. Raises OSError,
    ConfigError.
    """
    if address.startswith("unix:"):
        return _connected(socket.AF_UNIX, address.removeprefix("unix:"), timeout_s)
    host, port = _host_and_port(address)
    *_, place = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0]  # as `listen` does
    connection = _connected(socket.AF_INET, place, 0.0)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _connected(family: int, place: Any, timeout_s: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        with suppress(BlockingIOError):
            connection.connect(place)
        connection.setblocking(False)
    except BaseException:
        connection.close()
        raise
    return connection


def listen(address: str) -> socket.socket:
    """A socket that listens at unix:PATH, whose file is replaced, or at HOST:PORT. Raises OSError, ConfigError."""
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen()
        return listener
    return socket.create_server(_host_and_port(address), reuse_port=False)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"an address is unix:PATH or HOST:PORT, got {address!r}")
    return host, int(port)
