"""`alicorn related` and `alicorn refine`: what choices say of documents, as lists and as vectors."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import Json, Overwrite, VerticalFile
from alicorn.cli.output import log, print_values


class RelatedBy(StrEnum):
    SWING = "swing"
    CO_OCCURRENCE = "co-occurrence"


def related(
    logs: Annotated[Path, typer.Argument(help="Log folder, as of `alicorn mine`.", exists=True, file_okay=False)],
    vertical: VerticalFile,
    out: Annotated[Path, typer.Option(help="New Parquet file: doc_id and the list `related`.")],
    by: Annotated[RelatedBy, typer.Option(help="How documents are related.")] = RelatedBy.SWING,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Documents of a list, at most.")] = 50,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write for every document the documents that the same searchers chose, the most related first.

    `alicorn update related.parquet --into collection/` keeps them as a stored column, which `(extract related ...)`
    follows.

    Example: alicorn related logs/ --vertical vertical.yaml --out related.parquet
    """
    from alicorn.logs.related import write_related
    from alicorn.vertical import Vertical

    with log.status("counting what is chosen together"):
        counts = write_related(logs, Vertical.load(vertical), out, by.value, count, overwrite=overwrite)
    print_values(counts, as_json)


def refine(
    pairs: Annotated[Path, typer.Argument(help="Folder that `alicorn mine` wrote.", exists=True, file_okay=False)],
    collection: Annotated[
        Path, typer.Option(help="Folder that `alicorn publish` wrote.", exists=True, file_okay=False)
    ],
    key: Annotated[str, typer.Option(help="Embedding key of the documents.")],
    out: Annotated[Path, typer.Option(help="New Parquet file: doc_id and the vector `refined`.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write for every document its vector refined by who chose it (GRCN): beside what it is, what its searchers want.

    With a feature `{kind: dense, column: refined}` a document tower reads it, where the table of documents has the
    column.

    Example: alicorn refine pairs/ --collection collection/ --key shop --out refined.parquet
    """
    from alicorn.interests.refined import write_refined
    from alicorn.query import Collection

    with Collection.open(collection, read_only=True) as opened, log.status("refining vectors"):
        counts = write_refined(pairs, opened.snapshot(), key, out, overwrite=overwrite)
    print_values(counts, as_json)
