"""`alicorn serve`: answers over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import CollectionFolder, OtherVertical, RankerPath, load_models


def serve(
    collection: CollectionFolder,
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder; again for a further key.", exists=True)
    ] = None,
    searchers: Annotated[
        Path | None, typer.Option(help="Searchers, Parquet or CSV, for the page.", exists=True)
    ] = None,
    served_log: Annotated[Path | None, typer.Option(help="Folder for the log of served searches.")] = None,
    keys: Annotated[Path | None, typer.Option(help="File of API keys, which `alicorn key` writes.")] = None,
    vertical: OtherVertical = None,
    ranker: RankerPath = None,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Answer over HTTP, with a search page at /.

    Example: alicorn serve collection/ --model model/ --searchers logs/searchers.parquet
    """
    from alicorn.serving import serve as serve_collection

    models = load_models(model, vertical)
    serve_collection(
        collection,
        models,
        searchers=searchers,
        served_log=served_log,
        keys=keys,
        ranker=ranker,
        host=host,
        port=port,
    )
