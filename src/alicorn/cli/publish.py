"""`alicorn publish`: documents with their vectors into a collection, whole, in shards, or beside another key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from alicorn.cli.option_groups import grouped
from alicorn.cli.options import Json, OtherVertical, Overwrite, load_models
from alicorn.cli.output import log, print_values
from alicorn.distributed.batch.engines import BatchEngine
from alicorn.errors import ConfigError
from alicorn.folders import COLLECTION_FOLDER, replacing
from alicorn.publishing.model_folders import ModelFolders
from alicorn.reporting.progress import progress_bar

if TYPE_CHECKING:
    import pyarrow as pa

    from alicorn.distributed.batch.documents import IndexingJob
    from alicorn.publishing.publish import Published
    from alicorn.towers import AnyModel


@dataclass(frozen=True)
class PublishedHow:
    """How documents are selected and kept."""

    as_of: Annotated[
        datetime | None, typer.Option(help="UTC time from which the selection's rule `recent` counts back; now.")
    ] = None
    stored: Annotated[
        str | None, typer.Option(help="How a new collection keeps vectors: float32 (default), float16 or codes.")
    ] = None
    positions: Annotated[
        list[str] | None,
        typer.Option(help="Without --model: a prefix of terms whose positions are kept, for phrases."),
    ] = None
    logs: Annotated[
        Path | None,
        typer.Option(help="pairs/ or a log: its valid requests calibrate :recall in a new collection.", exists=True),
    ] = None
    written_until: Annotated[
        datetime | None,
        typer.Option(
            help="With --shards that take writes: UTC time until which the documents have what was written. Later"
            " writes go on to the new version."
        ),
    ] = None
    engine: Annotated[
        BatchEngine | None,
        typer.Option(
            help="Make terms and vectors, and write --shards, as a job that goes on after a kill:"
            " docs/beyond-one-machine.md. Without it, at once in this process."
        ),
    ] = None


@dataclass(frozen=True)
class PublishedKey:
    """The key of the vectors, and its name."""

    key: Annotated[str | None, typer.Option(help="Embedding key of the one --model; its own unless given.")] = None
    name: Annotated[
        str | None,
        typer.Option("--as", help="Name for that key, such as candidate (alicorn alias); other keys stay beside it."),
    ] = None


@grouped
def publish(
    documents: Annotated[Path, typer.Argument(help="Documents, Parquet or CSV: a file or a folder.", exists=True)],
    into: Annotated[Path, typer.Option(help="Collection folder, new or existing.")],
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder; again for a further embedding key.", exists=True)
    ] = None,
    vertical: OtherVertical = None,
    *,
    how: PublishedHow,
    under: PublishedKey,
    overwrite: Overwrite = False,
    shards: Annotated[
        int | None, typer.Option(help="Write so many shards that answer as one collection, as a new version of --into.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Embed documents and write them into a collection. Without --model the table brings terms and vectors itself.

    The vertical's selection leaves documents out, which are counted rule by rule. With --as, the documents of a
    collection get the vectors of one more model beside those that they have; nothing else of them changes, and the
    documents that the collection lacks are counted. With --overwrite, the collection is made anew, of these alone.

    Examples:

    alicorn publish documents.parquet --into collection/ --model model/ --logs pairs/

    alicorn publish documents.parquet --into collection/ --model model-v4/ --key people-v4 --as candidate

    alicorn publish documents.parquet --into sharded/ --model model/ --shards 4

    alicorn publish documents/ --into sharded/ --model model/ --shards 4 --engine ray
    """
    models = load_models(model, vertical)
    if (under.key or under.name) and len(models) != 1:
        raise ConfigError(f"--key and --as are of one --model, got {len(models)}")
    models = [models[0].with_key(under.key)] if under.key else models
    if shards is not None and (under.name or overwrite):
        raise ConfigError("--shards writes a new version of all documents: leave out --as and --overwrite")
    if under.name and not overwrite and into.is_dir() and any(into.iterdir()):
        if how.as_of or how.positions or how.logs or how.engine:
            raise ConfigError(
                "--as gives documents one more vector each: leave out --as-of, --positions, --logs, and --engine"
                " (`alicorn embed` has it: its file has the vectors)"
            )
        _publish_beside(documents, into, models, how.stored, under.name, as_json)
        return
    folders = ModelFolders(tuple(model or ()), vertical, under.key)
    done = _publish(documents, into, models, folders, how, overwrite, shards)
    if under.name:
        from alicorn.publishing.aliases import set_aliases

        set_aliases(into, {under.name: models[0].key})
    _print_published(done, as_json)


def _publish(
    documents: Path,
    into: Path,
    models: Sequence[AnyModel],
    folders: ModelFolders,
    how: PublishedHow,
    overwrite: bool,
    shards: int | None,
) -> Published:
    from alicorn.index import refuse_open_elsewhere
    from alicorn.publishing.publish import publish as publish_documents

    now = datetime.now(UTC) if how.as_of is None else how.as_of.replace(tzinfo=UTC)
    requests = _logged_requests(how.logs, models)
    if overwrite:
        refuse_open_elsewhere(into)
    if how.engine:
        how.engine.check()
    if how.written_until and shards is None:
        raise ConfigError("--written-until is of documents that shards take: give --shards")
    if how.engine and not models and shards is None:
        raise ConfigError("--engine makes terms and vectors by a model, or writes shards: give --model or --shards")
    with (
        _indexing(documents, into, folders, how.engine, now) as index,
        progress_bar(log, "publish") as advance,
        _place(into, overwrite, shards, how) as place,
    ):
        return publish_documents(
            documents, place, models, advance, now, how.stored, how.positions or (), requests, index
        )


@contextmanager
def _indexing(
    documents: Path, into: Path, folders: ModelFolders, engine: BatchEngine | None, now: datetime
) -> Iterator[IndexingJob | None]:
    """The job that makes terms and vectors. Its parts go when the block ends well."""
    if engine is None or not folders.folders:
        yield None
        return
    from alicorn.distributed.batch.documents import IndexingJob

    with progress_bar(log, "make terms and vectors") as advance:
        folder = into.absolute().with_name(f".{into.name}.unfinished")
        job = IndexingJob(documents, folders, now, engine, folder, advance)
        yield job
    job.remove()


def _print_published(done: Published, as_json: bool) -> None:
    left_out = sum(done.left_out.values())
    for rule, count in done.left_out.items():
        log.print(f"left out, not {rule}: {count:,} documents")
    print_values(
        {
            "documents": done.documents,
            "left_out": done.left_out if as_json else left_out,
            "removed": done.removed,
            "embeddings": done.embeddings,
            "seconds": round(done.seconds, 2),
            "documents_per_s": round((done.documents + left_out) / done.seconds),
        },
        as_json,
    )


@contextmanager
def _place(into: Path, overwrite: bool, shards: int | None, how: PublishedHow) -> Iterator[Path]:
    """The folder of a collection; with shards one beside theirs, whose documents become them."""
    if shards is None:
        with replacing(into, COLLECTION_FOLDER, overwrite=overwrite) as place:
            yield place
        return
    from alicorn.distributed.publishing import check_place, publish_shards
    from alicorn.query import Collection

    check_place(into, shards)
    with TemporaryDirectory(prefix=f".{into.name}.", dir=into.absolute().parent) as beside:
        yield Path(beside) / "whole"
        with Collection.open(Path(beside) / "whole", read_only=True) as whole:
            until = None if how.written_until is None else how.written_until.replace(tzinfo=UTC)
            publish_shards(whole, into, shards, how.engine or BatchEngine.LOCAL, until)


def _publish_beside(
    documents: Path, into: Path, models: Sequence[AnyModel], stored: str | None, name: str, as_json: bool
) -> None:
    from alicorn.publishing.update import update as update_documents

    with progress_bar(log, "publish") as advance:
        done = update_documents(documents, into, models, advance, stored, name)
    if done.unknown:
        log.print(f"{done.unknown:,} documents are not in the collection: publish them by the models that it has first")
    print_values(
        {"documents": done.updated, "unknown": done.unknown, "added": done.added, "seconds": round(done.seconds, 2)},
        as_json,
    )


def _logged_requests(logs: Path | None, models: Sequence[AnyModel]) -> pa.Table | None:
    """A sample of the requests of the valid split, which no model was trained on."""
    if logs is None:
        return None
    if not models:
        raise ConfigError("--logs has requests for models to encode: give --model")
    from alicorn.evaluation.searches import open_searches
    from alicorn.publishing.publish import CALIBRATING

    return open_searches(logs, models[0].vertical, CALIBRATING, split="valid").requests
