"""`alicorn propensity`: how likely is a result to be looked at, by its rank?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import Json, VerticalFile
from alicorn.cli.output import log, print_values


def propensity(
    logs: Annotated[Path, typer.Argument(help="Log folder, as of `alicorn mine`.", exists=True, file_okay=False)],
    vertical: VerticalFile,
    ranks: Annotated[int, typer.Option(min=2, max=100, help="The first so many ranks.")] = 10,
    as_json: Json = False,
) -> None:
    """Print how likely a result is to be looked at, by its rank, relative to the first, with intervals of 95 %.

    It is learned from documents that one query showed at different ranks: by another model, by ties, by chance.

    Example: alicorn propensity served/ --vertical vertical.yaml
    """
    from alicorn.logs.propensity import propensities
    from alicorn.vertical import Vertical

    with log.status("comparing ranks"):
        found = propensities(logs, Vertical.load(vertical), ranks)
    print_values({f"rank {one.rank}": one.said() if not as_json else one._asdict() for one in found.ranks}, as_json)
