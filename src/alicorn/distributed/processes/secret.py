"""A secret that routers and shards share: each proves to the other that it has it when they connect.

    shard  -> router   a challenge of 32 random bytes
    router -> shard    the HMAC-SHA256 of "router" and the challenge, and a challenge of its own
    shard  -> router   the HMAC-SHA256 of "shard" and that challenge

The secret does not cross the wire. What follows is not encrypted: keep the network to yourself, or give it a tunnel.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from pathlib import Path

from alicorn.distributed.processes.frames import FrameReader, send_frame
from alicorn.errors import ConfigError, cause

_CHALLENGE = 32
_LEAST = 16  # bytes of a secret
_WAIT_S = 5.0


def read_secret(file: Path) -> bytes:
    """Raises ConfigError for a file that cannot be read or is too short to be a secret."""
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{file}: the secret cannot be read: {cause(error)}") from error
    if len(secret) < _LEAST:
        raise ConfigError(
            f"{file}: a secret has {_LEAST} bytes or more, got {len(secret)}: `openssl rand -hex 32 > {file.name}`"
        )
    return secret


def check_reachable(address: str, secret: bytes | None) -> None:
    """Raise ConfigError where other machines can reach a shard and need no secret."""
    if secret is None and not _is_local(address):
        raise ConfigError(
            f"{address} can be reached from other machines, and nobody needs a secret: give --secret FILE, the same to"
            " shards and routers, or listen at unix:PATH or 127.0.0.1:PORT"
        )


class Proof:
    """The router's side of a connection, without the connection."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._own: bytes | None = None

    def reply(self, received: bytes) -> bytes | None:
        """What is to be sent after a message of the shard; None: it has proved that it has the secret.

        Raises ConnectionError where it has not.
        """
        if self._own is None:
            self._own = secrets.token_bytes(_CHALLENGE)
            return _proof(self._secret, b"router", received) + self._own
        if not hmac.compare_digest(received, _proof(self._secret, b"shard", self._own)):
            raise ConnectionError("it has another secret")
        return None


def demand(connection: socket.socket, secret: bytes) -> bool:
    """As a shard: whether the other has the secret. Raises OSError where it does not answer."""
    connection.settimeout(_WAIT_S)
    own = secrets.token_bytes(_CHALLENGE)
    send_frame(connection, own)
    proof = _frame(FrameReader(connection))
    wanted = _proof(secret, b"router", own)
    if not hmac.compare_digest(proof[: len(wanted)], wanted):
        return False
    send_frame(connection, _proof(secret, b"shard", proof[len(wanted) :]))
    connection.settimeout(None)
    return True


def _proof(secret: bytes, who: bytes, challenge: bytes) -> bytes:
    return hmac.new(secret, who + challenge, hashlib.sha256).digest()


def _frame(reader: FrameReader) -> bytes:
    message = reader.read()
    if message is None:
        raise ConnectionError("it refuses the secret")
    return message


def _is_local(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
