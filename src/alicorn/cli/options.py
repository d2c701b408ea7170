"""Options and arguments that several verbs share, and what their text means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicorn.errors import ConfigError

if TYPE_CHECKING:
    from alicorn.distributed.router import ShardedCollection
    from alicorn.intents import IntentClassifier
    from alicorn.query import Collection
    from alicorn.query.any_collection import AnyCollection
    from alicorn.retrieval.retriever import Retriever
    from alicorn.retrieval.searchers import Searchers
    from alicorn.towers import AnyModel

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace what is there once the new one is complete; the old one stays until then."
    ),
]
OtherVertical = Annotated[
    Path | None,
    typer.Option(
        "--vertical",
        help="vertical.yaml that acts instead of the one that the model keeps, of the same features.",
        exists=True,
        dir_okay=False,
    ),
]
VerticalFile = Annotated[
    Path, typer.Option("--vertical", help="vertical.yaml: what is searched.", exists=True, dir_okay=False)
]
ModelFolder = Annotated[Path, typer.Argument(help="Folder that `alicorn train` wrote.", exists=True, file_okay=False)]
RankerPath = Annotated[
    Path | None,
    typer.Option(
        "--ranker", help="Folder that `alicorn rank train` wrote, or a ranking.yaml: orders the hits anew.", exists=True
    ),
]
IntentsPath = Annotated[
    Path | None,
    typer.Option("--intents", help="File of `alicorn intents`, for the vertical's control.", exists=True),
]
InterestsPath = Annotated[
    Path | None,
    typer.Option("--interests", help="File of `alicorn interests`, for the {regions} of expressions.", exists=True),
]
ShardAddresses = Annotated[
    list[str] | None,
    typer.Option(
        "--shard",
        help="Of a collection in shards, NUMBER=unix:PATH or NUMBER=HOST:PORT of an `alicorn shard` process; again."
        " Without any, all shards are in this process.",
    ),
]
ShardSecret = Annotated[
    Path | None,
    typer.Option(
        "--shard-secret",
        help="File with the secret that the processes of --shard were started with.",
        exists=True,
        dir_okay=False,
    ),
]
CollectionFolder = Annotated[
    Path, typer.Argument(help="Folder that `alicorn publish` wrote.", exists=True, file_okay=False)
]


@dataclass(frozen=True)
class AskedShards:
    """The processes that answer for a collection in shards."""

    shard: ShardAddresses = None
    shard_secret: ShardSecret = None


def load_models(folders: list[Path] | None, vertical: Path | None = None) -> list[AnyModel]:
    """The models; with a vertical, each serves this version of its own."""
    if not folders:
        if vertical is not None:
            raise ConfigError("--vertical is of a model: give its folder with --model")
        return []
    from alicorn.publishing.model_folders import ModelFolders

    return ModelFolders(tuple(folders), vertical).load()


def open_to_read(folder: Path, shards: list[str] | None, secret: Path | None) -> Collection | ShardedCollection:
    """A collection in one piece, or in shards."""
    from alicorn.folders import is_sharded
    from alicorn.query import Collection

    if not shards and not is_sharded(folder):
        return Collection.open(folder, read_only=True)
    from alicorn.distributed.processes.opening import open_shards

    return open_shards(folder, shards or (), secret)


def json_columns(text: str, option: str) -> dict[str, Any]:
    """Columns of the searcher or of the context. One that is not given is null: unknown to the model."""
    from alicorn.tables import JsonError, parse_json

    try:
        columns = parse_json(text)
    except JsonError as error:
        raise ConfigError(f"{option} must be a JSON object of columns: {error}") from error
    if not isinstance(columns, dict):
        raise ConfigError(f"{option} must be a JSON object of columns, got {type(columns).__name__}")
    return columns


def classifier_of(intents: Path | None) -> IntentClassifier | None:
    from alicorn.intents import IntentClassifier

    return None if intents is None else IntentClassifier.load(intents)


def retriever_of(
    collection: AnyCollection,
    models: list[AnyModel],
    ranker: Path | None,
    intents: Path | None = None,
    interests: Path | None = None,
) -> Retriever:
    """ranker: folder of a ranker or a ranking.yaml, whose stages order the hits of a text. intents: of the control.
    interests: of searchers, for the regions of the vertical's expressions."""
    from alicorn.retrieval.retriever import Retriever

    classifier = classifier_of(intents)
    searchers = None if interests is None else _with_interests(models, interests)
    if ranker is None:
        return Retriever(collection, models, searchers, classifier=classifier)
    from alicorn.ranking.stages import Pipeline
    from alicorn.ranking.stages.pipeline import vertical_of

    ranking = Pipeline.load(ranker, vertical_of(models), collection)
    return Retriever(collection, models, searchers, ranking, classifier)


def _with_interests(models: list[AnyModel], interests: Path) -> Searchers:
    from alicorn.retrieval.regions import read_regions
    from alicorn.retrieval.searchers import Searchers

    if not models:
        raise ConfigError("--interests are for the vertical of a model: give its folder with --model")
    return Searchers(models[0].vertical, None, read_regions(interests, models[0].vertical))


def cutoffs(text: str, option: str) -> list[int]:
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        message = f"{option}: expected whole numbers separated by commas, such as 10,100, got {text!r}"
        raise ConfigError(message) from None
    if ks[0] < 1:
        raise ConfigError(f"{option}: cut-offs are from 1, got {ks[0]}")
    return ks
