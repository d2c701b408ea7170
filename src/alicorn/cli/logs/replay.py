"""`alicorn replay`: are the scores of a served log those of a ranker today, to the last bit?"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import Json, VerticalFile
from alicorn.cli.output import log
from alicorn.reporting.json_text import to_json
from alicorn.reporting.progress import progress_bar


def replay(
    served: Annotated[Path, typer.Argument(help="Folder of --served-log.", exists=True, file_okay=False)],
    collection: Annotated[Path, typer.Option(help="The collection that serves.", exists=True, file_okay=False)],
    ranker: Annotated[Path, typer.Option(help="Folder of a ranker, or a ranking.yaml.", exists=True)],
    vertical: VerticalFile,
    day: Annotated[
        datetime | None, typer.Option(help="Of the log, in UTC; all unless given.", formats=["%Y-%m-%d"])
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a served log again: features and scores of every hit must be those that were logged, to the last bit.

    Where any differs, the exit code is 1, and the first hit of each stage and feature is named, beside whatever has
    changed of the ranker, the vertical and the models. Documents that were written since are counted.

    Example: alicorn replay served/ --collection collection/ --ranker ranker/ --vertical vertical.yaml --day 2026-11-30
    """
    from alicorn.feedback.replay import Replayer
    from alicorn.query import Collection
    from alicorn.ranking.stages.pipeline import load_ranking
    from alicorn.vertical import Vertical

    with Collection.open(collection, read_only=True) as opened, progress_bar(log, "parts") as advance:
        replayer = Replayer(*load_ranking(ranker), Vertical.load(vertical), opened)
        found = replayer.replay(served, None if day is None else day.date(), advance)
    sys.stdout.write((to_json(found.to_dict()) if as_json else str(found)) + "\n")
    if not found.is_same:
        raise typer.Exit(1)
