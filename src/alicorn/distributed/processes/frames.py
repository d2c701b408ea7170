"""Messages on a stream of bytes: the length in four bytes, the most significant first, then the message."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from alicorn.errors import ConfigError

MAX_BYTES = 1 << 30
_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 18


def send_frame(connection: socket.socket, message: bytes) -> None:
    """Raises OSError, and TimeoutError after the timeout of the connection."""
    connection.sendall(_LENGTH.pack(len(message)) + message)


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
    """A connection to unix:PATH or HOST:PORT. Raises OSError, ConfigError."""
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(address.removeprefix("unix:"))
        except BaseException:
            connection.close()
            raise
        return connection
    connection = socket.create_connection(_host_and_port(address), timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
