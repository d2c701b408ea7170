"""`alicorn intents`: what do queries ask for that they do not name?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import Json, Overwrite, VerticalFile
from alicorn.cli.output import log
from alicorn.reporting.json_text import to_json


def intents(
    pairs: Annotated[Path, typer.Argument(help="Folder that `alicorn mine` wrote.", exists=True, file_okay=False)],
    vertical: VerticalFile,
    out: Annotated[Path, typer.Option(help="New file: the classifier, for --intents of query, evaluate and serve.")],
    precision: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Of the documents chosen where a term is confident, that have it.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Learn which terms of the vertical's control the clicked documents of a query have.

    Half of the valid clicks choose what is confident, the other half says how right that is.

    Example: alicorn intents pairs/ --vertical vertical.yaml --out intents.npz --precision 0.95
    """
    from alicorn.intents.learning import learn_intents
    from alicorn.vertical import Vertical

    with log.status("learning from clicks"):
        report = learn_intents(pairs, Vertical.load(vertical), out, precision, seed=seed, overwrite=overwrite)
    sys.stdout.write((to_json(report.to_dict()) if as_json else report.markdown()) + "\n")
