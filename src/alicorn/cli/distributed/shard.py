"""`alicorn shard`: one shard of a sharded collection, answered for from a process of its own."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from alicorn.cli.output import log
from alicorn.errors import ConfigError

if TYPE_CHECKING:
    from alicorn.distributed.shard.versions import Writable


def shard(
    folder: Annotated[Path, typer.Argument(help="Folder of a sharded collection.", exists=True, file_okay=False)],
    number: Annotated[int, typer.Argument(min=0, help="Which shard, from 0.")],
    listen: Annotated[str, typer.Option(help="unix:PATH or HOST:PORT. Beyond this machine, --secret is needed.")],
    secret: Annotated[
        Path | None, typer.Option(help="File with a secret that routers must have too.", exists=True, dir_okay=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of this process for what is written; without it the shard is only read.")
    ] = None,
    peer: Annotated[
        list[str] | None, typer.Option(help="Of a shard that is written, the address of another copy. Again for more.")
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="On how many disks a write is before it is acknowledged: 2, or 1 without --peer. The same for all.",
        ),
    ] = None,
) -> None:
    """Answer routers for one shard, until the process ends. A version that is published meanwhile is opened.

    With --data it takes writes, or follows a peer that does: `alicorn promote` says which.

    Example: alicorn shard sharded/ 0 --listen unix:/run/alicorn/shard-0.sock
    """
    from alicorn.distributed.processes.following import LogFollower
    from alicorn.distributed.processes.frames import listen as listen_at
    from alicorn.distributed.processes.ready import make_ready
    from alicorn.distributed.processes.secret import check_reachable, read_secret
    from alicorn.distributed.processes.server import ShardServer
    from alicorn.distributed.shard.versions import ShardVersions

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    shared = None if secret is None else read_secret(secret)
    check_reachable(listen, shared)
    signal.signal(signal.SIGTERM, leave)
    writable = _writable(data, len(peer or ()), copies)
    opened = ShardVersions(folder, number, writable)
    make_ready(opened, folder, number)
    server = ShardServer(opened, shared)
    with listen_at(listen) as listener:
        log.print(f"shard {number} of {folder} at {listen}")
        if writable is not None:
            name = f"{socket.gethostname()} {listen}"  # copies in containers may all listen at 0.0.0.0
            LogFollower(opened, name, peer or (), shared).start()
        server.serve(listener)


def _writable(data: Path | None, num_peers: int, copies: int | None) -> Writable | None:
    """Raises ConfigError for options that do not fit each other."""
    from alicorn.distributed.shard.versions import Writable

    if data is None:
        if num_peers or copies is not None:
            raise ConfigError("--peer and --copies are for a shard that is written: give --data, too")
        return None
    wanted = min(2, 1 + num_peers) if copies is None else copies
    if wanted > 1 + num_peers:
        raise ConfigError(f"--copies {wanted}: there are {1 + num_peers} copies: name each of the others by --peer")
    return Writable(data, wanted)
