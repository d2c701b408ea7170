"""`alicorn key`: makes, lists, rotates and revokes API keys of the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from alicorn.cli.lacking import naming_what_is_lacking
from alicorn.cli.options import Json
from alicorn.cli.output import log
from alicorn.reporting.json_text import to_json

KeyFile = Annotated[Path, typer.Option("--file", help="File of keys; a running server reads it again within a second.")]
_DEFAULT = Path("keys.json")


def create(
    name: Annotated[str, typer.Argument(help="Letters, digits, dot, dash and underscore.")],
    scope: Annotated[list[str], typer.Option(help="search, write, events, rate or admin; again for a further one.")],
    file: KeyFile = _DEFAULT,
    only: Annotated[str | None, typer.Option(help="Expression of the documents that the key may see.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Origin of pages that may use the key, as https://shop.example.")
    ] = None,
    per_second: Annotated[float | None, typer.Option(help="Requests a second.", min=0.001)] = None,
    days: Annotated[float | None, typer.Option(help="Days until the key expires.", min=0.0)] = None,
    at_most: Annotated[list[str] | None, typer.Option(help="Limit of a request, as limit=100 or k=50.")] = None,
) -> None:
    """Print a new key, once: the file keeps its hash.

    Example: alicorn key create web --scope search --only "shop:oslo" --per-second 50
    """
    from alicorn.serving.security.keys import create_key, new_key
    from alicorn.serving.security.request_limits import read_limits

    now = datetime.now(UTC)
    expires = None if days is None else now + timedelta(days=days)
    limits = read_limits(at_most or ())
    key = new_key(
        name, scope, now, expires=expires, only=only, origins=origin or (), per_second=per_second, limits=limits
    )
    typer.echo(create_key(file, key, now))
    log.print("this key is shown only now; the file keeps its hash")


def rotate(
    name: Annotated[str, typer.Argument(help="Name of a key.")],
    file: KeyFile = _DEFAULT,
    overlap_hours: Annotated[float, typer.Option(help="Hours that the old key stays valid.", min=0.0)] = 24.0,
) -> None:
    """Print a new key with the rights of the old one, which stays valid for a while.

    Example: alicorn key rotate web --overlap-hours 24
    """
    from alicorn.serving.security.keys import rotate_key

    typer.echo(rotate_key(file, name, timedelta(hours=overlap_hours), datetime.now(UTC)))
    log.print(f"the old key is valid for {overlap_hours:g} more hours")


def revoke(name: Annotated[str, typer.Argument(help="Name of keys, or id of one.")], file: KeyFile = _DEFAULT) -> None:
    """End a key within a second.

    Example: alicorn key revoke web
    """
    from alicorn.serving.security.keys import revoke_key

    for key in revoke_key(file, name, datetime.now(UTC)):
        log.print(f"revoked: {key.name} {key.key_id}")


def list_keys(file: KeyFile = _DEFAULT, as_json: Json = False) -> None:
    """Print the keys with their rights, ended ones too. A key itself is in no file.

    Example: alicorn key list
    """
    from msgspec.structs import asdict

    from alicorn.serving.security.keys import ApiKey, read_keys

    def described(key: ApiKey) -> dict[str, Any]:
        times = {"created": key.created, "expires": key.expires, "revoked": key.revoked}
        shown: dict[str, Any] = {"name": key.name, "id": key.key_id, "valid": key.is_valid(datetime.now(UTC))}
        shown |= {"scopes": sorted(key.scopes), "only": key.only, "origins": list(key.origins)}
        limits = {name: most for name, most in asdict(key.limits).items() if most is not None}
        shown |= {"per_second": key.per_second, "at_most": limits or None}
        return shown | {name: None if time is None else time.isoformat() for name, time in times.items()}

    found = [described(key) for key in read_keys(file)]
    if as_json:
        typer.echo(to_json(found, indent=1))
        return
    for key in found:
        given = {name: value for name, value in key.items() if value not in (None, [], True)}
        typer.echo("  ".join(f"{name} {value}" for name, value in given.items()))


key = typer.Typer(
    help="Make, list, rotate and revoke API keys of the server.\n\nExample: alicorn key create web --scope search",
    no_args_is_help=True,
)
for verb, name in ((create, "create"), (list_keys, "list"), (rotate, "rotate"), (revoke, "revoke")):
    key.command(name)(naming_what_is_lacking(verb, f"key {name}"))
