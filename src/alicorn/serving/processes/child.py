"""The program of one process of a server: what it is comes on standard input, whose end says that the supervisor ended.

It tells the supervisor `prepared` when it opens the collection, `ready` when it answers, and the error where it cannot.
"""

import base64
import os
import pickle
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

import uvicorn

from alicorn.errors import AlicornError, CollectionError
from alicorn.query import Collection
from alicorn.serving.logs import log_as_json
from alicorn.serving.metrics import share_metrics
from alicorn.serving.processes.part import ServerPart
from alicorn.serving.settings import ServerSettings, open_alone

PREPARED, READY, FAILED = b"prepared", b"ready", b"failed"
_RETRY_S = 0.02


class Start(NamedTuple):
    """What the supervisor sends. socket: file descriptor to listen at; told: to tell the supervisor by.

    patience_s: that an owner waits until the one before it has let go of the collection.
    """

    settings: ServerSettings
    part: ServerPart
    socket: int
    told: int
    patience_s: float


def run() -> None:
    """Answer until SIGTERM, or until the supervisor ends."""
    start: Start = pickle.load(sys.stdin.buffer)
    for descriptor in (start.socket, start.told):
        os.set_inheritable(descriptor, False)
    if start.settings.json_logs:
        log_as_json()

    share_metrics(start.part.folder, start.part.slot)

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)  # uvicorn raises the signal again when it has shut down
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    try:
        with start.settings.opened(lambda path: _open(path, start), start.part) as app:
            options = start.settings.of_uvicorn()
            if start.part.is_owner:  # asked by the other processes alone, which say for whom
                options |= {"ssl_certfile": None, "ssl_keyfile": None}
                options |= {"proxy_headers": True, "forwarded_allow_ips": "*"}
            config = uvicorn.Config(app, **options)
            _Server(config, start.told).run([socket.socket(fileno=start.socket)])
    except AlicornError as error:
        _tell(start.told, FAILED + b" " + base64.b64encode(pickle.dumps(error)))
        sys.exit(2)


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, told: int) -> None:
        super().__init__(config)
        self._told = told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _tell(self._told, READY)


def _open(path: Path, start: Start) -> Collection:
    _tell(start.told, PREPARED)
    if not start.part.is_owner:
        return Collection.open(path, read_only=True)
    until_s = time.monotonic() + start.patience_s
    while True:
        try:
            return Collection.open(path)
        except CollectionError:
            if time.monotonic() > until_s:
                return open_alone(path)
        time.sleep(_RETRY_S)


def _tell(told: int, message: bytes) -> None:
    os.write(told, message + b"\n")


def _end_with_supervisor() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
