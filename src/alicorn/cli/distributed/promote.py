"""`alicorn promote`: one copy of each shard takes writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import ShardAddresses, ShardSecret
from alicorn.cli.output import log


def promote(
    folder: Annotated[Path, typer.Argument(help="Folder of a sharded collection.", exists=True, file_okay=False)],
    shard: ShardAddresses = None,
    shard_secret: ShardSecret = None,
    even_if_behind: Annotated[
        bool, typer.Option("--even-if-behind", help="Also where acknowledged writes may be on no copy that answers.")
    ] = False,
) -> None:
    """Let one copy of each shard lead, which takes its writes: at the start, and after the one that led has died.

    Name all copies of all shards. A shard that is led already stays as it is.

    Example: alicorn promote sharded/ --shard 0=unix:/run/alicorn/0-a.sock --shard 0=unix:/run/alicorn/0-b.sock
    """
    from alicorn.distributed.processes.opening import addresses_of
    from alicorn.distributed.processes.promoting import promote as promote_one
    from alicorn.distributed.processes.secret import read_secret
    from alicorn.distributed.protocol.manifest import read_manifest

    manifest = read_manifest(folder)
    secret = None if shard_secret is None else read_secret(shard_secret)
    for number, addresses in enumerate(addresses_of(len(manifest.shards), folder, shard or ())):
        done = promote_one(number, addresses, manifest.version, secret, even_if_behind)
        log.print(f"shard {number}: {done.address} {'leads' if done.led_before else 'leads now'}, epoch {done.epoch}")
