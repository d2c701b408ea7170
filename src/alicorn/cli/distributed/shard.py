"""`alicorn shard`: one shard of a sharded collection, answered for from a process of its own."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from alicorn.cli.output import log


def shard(
    folder: Annotated[Path, typer.Argument(help="Folder of a sharded collection.", exists=True, file_okay=False)],
    number: Annotated[int, typer.Argument(min=0, help="Which shard, from 0.")],
    listen: Annotated[str, typer.Option(help="unix:PATH or HOST:PORT. Beyond this machine, --secret is needed.")],
    secret: Annotated[
        Path | None, typer.Option(help="File with a secret that routers must have too.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Answer routers for one shard, until the process ends. A version that is published meanwhile is opened.

    Example: alicorn shard sharded/ 0 --listen unix:/run/alicorn/shard-0.sock
    """
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
    opened = ShardVersions(folder, number)
    make_ready(opened, folder, number)
    server = ShardServer(opened, shared)
    with listen_at(listen) as listener:
        log.print(f"shard {number} of {folder} at {listen}")
        server.serve(listener)
