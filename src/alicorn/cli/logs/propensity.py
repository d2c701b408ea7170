"""`alicorn propensity`: how likely is a result to be looked at, by its rank?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from alicorn.cli.options import Json, VerticalFile
from alicorn.cli.output import log, print_values


def propensity(
    logs: Annotated[Path, typer.Argument(help="Log folder, as of `alicorn mine`.", exists=True, file_okay=False)],
    vertical: VerticalFile,
    ranks: Annotated[int, typer.Option(min=2, max=100, help="The first so many ranks.")] = 10,
    out: Annotated[Path | None, typer.Option(help="JSON file for `alicorn mine --propensities`.")] = None,
    plot: Annotated[Path | None, typer.Option(help="SVG file for a chart with the intervals.")] = None,
    as_json: Json = False,
) -> None:
    """Print how likely a result is to be looked at, by its rank, relative to the first, with intervals of 95 %.

    It is learned from documents that one query showed at different ranks: by another model, by ties, by chance; of a
    log with swaps (--swap of `alicorn serve`) from these alone.

    Example: alicorn propensity served/ --vertical vertical.yaml
    """
    from alicorn.logs.click_weights import PropensityFile
    from alicorn.logs.propensity import propensities
    from alicorn.vertical import Vertical

    with log.status("comparing ranks"):
        found = propensities(logs, Vertical.load(vertical), ranks)
    written = PropensityFile.of(found)
    if out is not None:
        written.save(out)
    if plot is not None:
        written.chart().write(plot, "how likely a result is looked at, by its rank")
    if as_json:
        print_values(written.model_dump(), as_json=True)
        return
    values: dict[str, Any] = {f"rank {one.rank}": one.said() for one in found.ranks}
    source = "swaps of known probability" if found.swapped else "documents that the log showed at several ranks"
    print_values(values | {"clicks": found.clicks, "learned from": source}, as_json=False)
