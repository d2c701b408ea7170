"""`alicorn logs import` and `alicorn logs export`: logs of other systems."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.lacking import naming_what_is_lacking
from alicorn.cli.options import Json, Overwrite
from alicorn.cli.output import log, print_values
from alicorn.folders import UBI_FOLDER, replacing

logs = typer.Typer(
    help="Logs of other systems: in and out.\n\nExample: alicorn logs import ubi_queries.ndjson --out logs/",
    no_args_is_help=True,
)


class LogSource(StrEnum):
    UBI = "ubi"
    METARANK = "metarank"


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Lines of JSON.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Log folder; documents and searchers may be there.")],
    log_format: Annotated[LogSource, typer.Option("--format", help="Whose they are.")] = LogSource.UBI,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write searches, shown and events from the records of OpenSearch's UBI or of Metarank.

    Example: alicorn logs import ubi_queries.ndjson ubi_events.ndjson --out logs/
    """
    from alicorn.logs.formats import import_log

    with log.status("reading the records"):
        counts = import_log(files, out, log_format.value, overwrite=overwrite)
    print_values(counts, as_json)


def export_folder(
    folder: Annotated[Path, typer.Argument(help="Log folder with searches and shown.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder for ubi_queries.ndjson and ubi_events.ndjson.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write searches, shown and events as records of OpenSearch's UBI 1.3.0.

    Example: alicorn logs export served/ --out ubi/
    """
    from alicorn.logs.formats import export_ubi

    with log.status("writing the records"), replacing(out, UBI_FOLDER, overwrite=overwrite) as place:
        counts = export_ubi(folder, place)
    print_values(counts, as_json)


logs.command("import")(naming_what_is_lacking(import_files, "logs import"))
logs.command("export")(naming_what_is_lacking(export_folder, "logs export"))
