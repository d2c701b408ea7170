"""vertical.yaml: `alicorn init` drafts it, `alicorn schema` says its keys, `alicorn analyze` what its terms become."""

from __future__ import annotations

import dataclasses
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alicorn.cli.options import Json, VerticalFile
from alicorn.cli.output import log
from alicorn.reporting.json_text import to_json

if TYPE_CHECKING:
    from alicorn.config import Config


def init(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder with an export, CSV or Parquet, or a log folder.", exists=True, file_okay=False),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for vertical.yaml, features.yaml and, where needed, logs/.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Draft vertical.yaml from tables, with a comment on every guess; features.yaml too, for `alicorn rank train`.

    Tables with other names than those of a log folder (docs/tables.md) are copied into logs/ under these names. No
    file is replaced.

    Example: alicorn init export/
    """
    from alicorn.drafting import draft

    with log.status("looking at the tables"):
        made = draft(folder, out)
    vertical = out / "vertical.yaml"
    if as_json:
        files = [str(path) for path in made.files]
        sys.stdout.write(to_json({"logs": str(made.logs), "files": files, "said": list(made.said)}) + "\n")
        return
    for sentence in made.said:
        sys.stdout.write(f"{sentence}\n")
    sys.stdout.write(f"written: {', '.join(map(str, made.files))}. Read {vertical}, then\n")
    sys.stdout.write(f"  alicorn mine {made.logs} --vertical {vertical} --out {out / 'pairs'}\n")


def analyze(
    text: Annotated[str, typer.Argument(help="A text of a document or of a query.")],
    vertical: VerticalFile,
    as_json: Json = False,
) -> None:
    """Show what becomes of a text: the terms of a document that has it, and those of a query with it.

    Example:

    alicorn analyze --vertical vertical.yaml 'Running shoes DCB107-2'
    """
    from alicorn.retrieval.analysis_steps import analysis_steps
    from alicorn.vertical import Vertical

    found = analysis_steps(Vertical.load(vertical), text)
    if as_json:
        plain = {prefix: dataclasses.asdict(of) for prefix, of in found.items()}
        sys.stdout.write(to_json(plain) + "\n")
        return
    for prefix, of in found.items():
        sys.stdout.write(f"{prefix}: (of {', '.join(of.columns)})\n")
        for step in of.steps:
            sys.stdout.write(f"  {step.step}\n    document  {_shown(step.document)}\n")
            sys.stdout.write(f"    query     {_shown(step.query)}\n")


class ConfigFile(StrEnum):
    """A file that alicorn reads."""

    VERTICAL = "vertical"
    RECIPE = "recipe"
    FEATURES = "features"
    RANKING = "ranking"


def schema(file: Annotated[ConfigFile, typer.Argument(help="Which file, without .yaml.")]) -> None:
    """Print the JSON Schema of a file: every key with its type, bounds and default. docs/reference/ has it as pages.

    Example:

    alicorn schema vertical
    """
    from alicorn.json_schema import json_schema

    sys.stdout.write(to_json(json_schema(class_of(file), f"{file}.yaml of alicorn"), indent=1) + "\n")


def class_of(file: ConfigFile) -> type[Config]:
    """What reads the file. That of a recipe needs the extra `learn`."""
    match file:
        case ConfigFile.VERTICAL:
            from alicorn.vertical import Vertical

            return Vertical
        case ConfigFile.RECIPE:
            from alicorn.training.recipe.recipe import Recipe

            return Recipe
        case ConfigFile.FEATURES:
            from alicorn.ranking.features import FeatureSet

            return FeatureSet
        case ConfigFile.RANKING:
            from alicorn.ranking.stages.pipeline import RankingConfig

            return RankingConfig


def _shown(terms: list[str]) -> str:
    return "  ".join(terms) or "(none)"
