"""Starts the processes of a server and keeps them: one that owns the collection, and those that search it.

A process that ends is started again. SIGHUP replaces all of them one after another: of a searching process the
successor answers before the old one stops, so no request fails; the owner's successor is ready to open the collection
before the old one lets go of it. SIGTERM and SIGINT end the searching processes, then the owner, each when it has
answered what it was asked.

The supervisor holds the sockets: a connection that no process has accepted waits for the next one. Each searching
process has a socket of its own at the one port (SO_REUSEPORT), so that the kernel deals connections out evenly: at one
socket for all, the first process that wakes takes every connection that waits.
"""

import asyncio
import base64
import contextlib
import logging
import os
import pickle
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from alicorn.errors import AlicornError, cause
from alicorn.serving.processes.child import FAILED, PREPARED, READY, Start
from alicorn.serving.processes.part import NUMBERS, ServerPart
from alicorn.serving.processes.shared import SharedNumbers
from alicorn.serving.settings import ServerSettings

GRACE_S = 25.0
"""Seconds that a process has to end by itself."""
PATIENCE_S = 60.0
"""Seconds that a new owner waits for the collection."""
_AGAIN_S = 1.0
_log = logging.getLogger("uvicorn.error")


def supervise(settings: ServerSettings, workers: int) -> None:
    """Serve by so many searching processes and their owner until SIGINT or SIGTERM. Raises AlicornError where one of
    them cannot start at first."""
    with tempfile.TemporaryDirectory(prefix="alicorn-serve-") as folder:
        asyncio.run(_supervise(settings, workers, Path(folder)))


async def _supervise(settings: ServerSettings, workers: int, folder: Path) -> None:
    SharedNumbers.create(folder / NUMBERS, 2 * (workers + 1))
    loop = asyncio.get_running_loop()
    ending, restarting = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    loop.add_signal_handler(signal.SIGHUP, restarting.set)
    with contextlib.ExitStack() as sockets:
        owner = ProcessPlace(settings, folder, 0, sockets.enter_context(_unix_socket(folder)))
        with _bound(settings.host, settings.port) as alone:  # fails where another server listens
            port = alone.getsockname()[1]
        searching = [
            ProcessPlace(settings, folder, number, sockets.enter_context(_bound(settings.host, port, is_shared=True)))
            for number in range(1, workers + 1)
        ]
        keeping = asyncio.ensure_future(_keep(owner, searching, restarting))
        end = asyncio.ensure_future(ending.wait())
        try:
            await asyncio.wait((keeping, end), return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
        finally:
            keeping.cancel()
            end.cancel()
            with contextlib.suppress(asyncio.CancelledError, AlicornError):
                await keeping
            await asyncio.gather(*(place.end() for place in searching))
            await owner.end()


async def _keep(owner: "ProcessPlace", searching: "list[ProcessPlace]", restarting: asyncio.Event) -> None:
    """Until it is cancelled. Raises AlicornError where a process cannot start at first."""
    await owner.fill()
    await asyncio.gather(*(place.fill() for place in searching))
    address = searching[0].socket.getsockname()
    _log.info("Alicorn is answering at %s:%d by %d processes and their owner", *address[:2], len(searching))
    async with asyncio.TaskGroup() as group:
        for place in (owner, *searching):
            group.create_task(place.keep())
        while True:
            await restarting.wait()
            _log.info("restarting the processes one by one")
            for place in (*searching, owner):
                if not await place.replace():
                    break
            restarting.clear()


class ProcessPlace:
    """The place of one process, which is filled again whenever it ends. The owner's number is 0."""

    def __init__(self, settings: ServerSettings, folder: Path, number: int, listening: socket.socket) -> None:
        self.socket = listening
        self.settings = settings
        self._folder = folder
        self._numbers = SharedNumbers(folder / NUMBERS)
        self._number = number
        self._turn = 0
        self._child: Child | None = None
        self._changing = asyncio.Lock()

    async def fill(self) -> None:
        """Start a process, and wait until it answers. Raises AlicornError."""
        self._child = await self._start(0.0)
        await self._child.reach(READY)

    async def keep(self) -> None:
        """Start a process whenever the last one ended."""
        while True:
            child = self._child
            assert child is not None
            await child.ended()
            async with self._changing:
                if child is not self._child:
                    continue  # it was replaced
                _log.warning("%s ended: %s; another is started", self, child.error or child.process.returncode)
                await asyncio.sleep(max(0.0, child.started_s + _AGAIN_S - time.monotonic()))
                self._child = await self._start(PATIENCE_S)

    async def replace(self) -> bool:
        """Let a successor take over; whether it did."""
        async with self._changing:
            old = self._child
            assert old is not None
            successor = await self._start(PATIENCE_S)
            try:
                await successor.reach(PREPARED if self._number == 0 else READY)
            except AlicornError as error:
                _log.error("%s stays as it is, its successor did not start: %s", self, error)
                return False
            except asyncio.CancelledError:
                await successor.end()
                raise
            self._child = successor
            await old.end()
        return True

    async def end(self) -> None:
        if self._child is not None:
            await self._child.end()

    def __str__(self) -> str:
        return f"process {self._number}" if self._number else "the owner"

    async def _start(self, patience_s: float) -> "Child":
        """slots: two for each place, in turns."""
        self._turn = 1 - self._turn
        part = ServerPart(self._folder, 2 * self._number + self._turn, self._number == 0)
        return await Child.start(self, part, patience_s)

    def forget(self, part: ServerPart) -> None:
        """What a process that ended held."""
        self._numbers.clear(part.slot)
        mark_process_dead(part.slot, str(part.folder))  # type: ignore[no-untyped-call]  # its gauges


class Child:
    """A process that was started."""

    def __init__(
        self, process: asyncio.subprocess.Process, told: AsyncIterator[bytes], forget: Callable[[], None]
    ) -> None:
        """told: its lines. forget: called when it ended. error: for which it ended, if it told."""
        self.process = process
        self._forget = forget
        self.started_s = time.monotonic()
        self._reached = {PREPARED: asyncio.Event(), READY: asyncio.Event()}
        self.error: AlicornError | None = None
        self._listening = asyncio.ensure_future(self._listen(told))

    @classmethod
    async def start(cls, place: "ProcessPlace", part: ServerPart, patience_s: float) -> "Child":
        reading, told = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", "from alicorn.serving.processes.child import run; run()"),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(told, place.socket.fileno()),
                start_new_session=True,  # Ctrl-C is for the supervisor
            )
        finally:
            os.close(told)
        start = Start(place.settings, part, place.socket.fileno(), told, patience_s)
        assert process.stdin is not None
        process.stdin.write(pickle.dumps(start))
        return cls(process, await _lines(reading), lambda: place.forget(part))

    async def reach(self, state: bytes) -> None:
        """Wait until it is prepared or ready. Raises AlicornError where it ended before."""
        reached, ended = asyncio.ensure_future(self._reached[state].wait()), asyncio.ensure_future(self.ended())
        await asyncio.wait((reached, ended), return_when=asyncio.FIRST_COMPLETED)
        for waiting in (reached, ended):
            waiting.cancel()
        if not self._reached[state].is_set():
            raise self.error or AlicornError("a process of the server ended before it answered")

    async def ended(self) -> None:
        await asyncio.shield(self._listening)  # to the end of what it told
        await self.process.wait()

    async def end(self) -> None:
        """Let it answer what it was asked, and end."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended(), GRACE_S)
                return

    async def _listen(self, told: AsyncIterator[bytes]) -> None:
        async for line in told:
            state, _, rest = line.strip().partition(b" ")
            if state == FAILED:
                self.error = pickle.loads(base64.b64decode(rest))
            elif state in self._reached:
                self._reached[state].set()
        self._forget()


async def _lines(descriptor: int) -> AsyncIterator[bytes]:
    reader = asyncio.StreamReader(limit=1 << 20)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
    return reader


def _unix_socket(folder: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(ServerPart(folder, 0, True).owner_socket))
    listening.listen(2048)  # requests wait here while the owner starts again
    return listening


def _bound(host: str, port: int, is_shared: bool = False) -> socket.socket:
    """Not listening yet: a client is refused until the first process is ready. is_shared: with others at the port."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise AlicornError(f"the server cannot listen at {host}:{port}: {cause(error)}") from error
    return listening
