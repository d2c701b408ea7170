"""`alicorn demo`: the whole loop on a generated world."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.output import log
from alicorn.extras import EXTRAS, check_installed


class Size(StrEnum):
    """Sizes of the people world: 20k people and 100k searches; 200k and 1M; 2M and 10M."""

    small = "small"
    medium = "medium"
    large = "large"


def demo(
    size: Annotated[Size, typer.Option(help="People and searches: 20k/100k, 200k/1M or 2M/10M.")] = Size.small,
    out: Annotated[Path, typer.Option(help="Folder for logs, models, collection and reports.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same world and same models.")] = 0,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Start the search page at the end.")] = True,
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Run the whole loop on a generated people-search world (a simulation), print the tables, start the search page.

    Example: alicorn demo --size small --out demo --no-serve
    """
    check_installed("`alicorn demo`", *EXTRAS["learn"], *(EXTRAS["serve"] if serve else ()))
    from alicorn.demo import run_demo, serve_demo

    run_demo(out, str(size), seed, log)
    if serve:
        serve_demo(out, port, log)
