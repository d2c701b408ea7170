"""`alicorn push` and `alicorn pull`: folders to object storage, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alicorn.cli.options import Json
from alicorn.cli.output import log, print_values
from alicorn.reporting.progress import progress_bar

if TYPE_CHECKING:
    from alicorn.distributed.storage.transfer import Transferred


def push(
    folder: Annotated[Path, typer.Argument(help="A collection, a sharded one, or a model.", exists=True)],
    url: Annotated[str, typer.Argument(help="file:///..., s3://BUCKET/... or gs://BUCKET/...")],
    as_json: Json = False,
) -> None:
    """Publish a folder in object storage. It is current there when all of it is there; a killed push goes on.

    Example: alicorn push sharded/ s3://search/people
    """
    from alicorn.distributed.storage.transfer import push as push_folder

    with progress_bar(log, "push") as advance:
        done = push_folder(folder, url, advance)
    _print(done, "sent", as_json)


def pull(
    url: Annotated[str, typer.Argument(help="Where a folder was pushed to.")],
    folder: Annotated[Path, typer.Argument(help="Folder that keeps versions of it.")],
    shard: Annotated[
        list[int] | None,
        typer.Option(help="Of a sharded collection, one that this machine answers for. Again for more."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch what is current in object storage, check every file, and make it current in a folder.

    Example: alicorn pull s3://search/people sharded/ --shard 0
    """
    from alicorn.distributed.storage.transfer import pull as pull_folder

    with progress_bar(log, "pull") as advance:
        done = pull_folder(url, folder, shard, advance)
    _print(done, "fetched", as_json)


def _print(done: Transferred, moved: str, as_json: bool) -> None:
    values = {"version": done.version, "bytes": done.all_bytes, f"{moved} bytes": done.moved_bytes}
    print_values(values | {"folder": str(done.folder)}, as_json)
