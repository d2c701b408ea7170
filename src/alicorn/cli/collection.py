"""From documents to a collection that is fit to serve: embed, publish, verify, and interests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alicorn.cli.options import CollectionFolder, Json, ModelFolder, Overwrite
from alicorn.cli.output import log, print_values
from alicorn.config import parse_config
from alicorn.distributed.batch.engines import BatchEngine
from alicorn.errors import ConfigError
from alicorn.folders import check_file, whole_file
from alicorn.reporting.progress import progress_bar

if TYPE_CHECKING:
    pass


def embed(
    model: ModelFolder,
    documents: Annotated[Path, typer.Option(help="Documents, Parquet or CSV: a file or a folder.", exists=True)],
    out: Annotated[Path, typer.Option(help="File to write, .parquet, or a new folder for part files.")],
    engine: Annotated[BatchEngine, typer.Option(help="Where it runs: docs/beyond-one-machine.md.")] = BatchEngine.LOCAL,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write doc_id and embedding:<key> for every document: what `publish` would index.

    A run that was killed goes on where it stopped.

    Examples:

    alicorn embed model/ --documents documents.parquet --out embeddings.parquet

    alicorn embed model/ --documents documents/ --out embeddings/ --engine spark
    """
    from alicorn.distributed.batch import embed as embed_documents

    with progress_bar(log, "embed") as advance:
        done = embed_documents(documents, model, out, engine, advance, overwrite=overwrite)
    values = {"documents": done.documents, "kept": done.kept, "dim": done.dim, "key": done.key, "out": str(out)}
    print_values(values if done.kept else {name: value for name, value in values.items() if name != "kept"}, as_json)


def update(
    documents: Annotated[Path, typer.Argument(help="doc_id and what should change, Parquet or CSV.", exists=True)],
    into: Annotated[Path, typer.Option(help="Collection that has the documents.", exists=True, file_okay=False)],
    stored: Annotated[
        str | None, typer.Option(help="How vectors of a new key are kept: float32 (default), float16 or codes.")
    ] = None,
    vertical: Annotated[
        Path | None,
        typer.Option(
            help="Changed vertical.yaml, whose terms, stored columns and static rank all documents get; vectors stay.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Change columns of documents; they keep what the table leaves out.

    A document that the collection does not have is counted. A column embedding:<key> of a new key adds the key; the
    vectors of a further model are published: alicorn publish with --as.

    Examples:

    alicorn update prices.parquet --into collection/

    alicorn update documents.parquet --into collection/ --vertical vertical.yaml
    """
    from alicorn.publishing.update import update as update_documents

    if vertical is not None:
        if stored is not None:
            raise ConfigError("--stored is for vectors of a new key, and --vertical leaves vectors as they are")
        _bring_to(vertical, documents, into, as_json)
        return
    with progress_bar(log, "update") as advance:
        done = update_documents(documents, into, (), advance, stored)
    values = {"updated": done.updated, "unknown": done.unknown, "added": done.added, "seconds": round(done.seconds, 2)}
    print_values(values, as_json)


def _bring_to(vertical: Path, documents: Path, into: Path, as_json: bool) -> None:
    from alicorn.publishing.rederive import rederive
    from alicorn.vertical import Vertical

    with progress_bar(log, "update") as advance:
        done = rederive(documents, into, Vertical.load(vertical), advance)
    if done.kept:
        log.print(f"columns that this vertical does not store: {', '.join(done.kept)} (`alicorn drop` removes them)")
    print_values({"updated": done.updated, "unknown": done.unknown, "seconds": round(done.seconds, 2)}, as_json)


def drop(
    collection: CollectionFolder,
    key: Annotated[list[str] | None, typer.Option(help="Embedding key, with its vectors. Again for more.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Stored column. Again for more.")] = None,
    terms: Annotated[list[str] | None, typer.Option(help="Prefix whose terms go. Again for more.")] = None,
    positions: Annotated[list[str] | None, typer.Option(help="Prefix whose positions go; its terms stay.")] = None,
    as_json: Json = False,
) -> None:
    """Remove parts of all documents: vectors of a model that is not searched any more, columns, terms, positions.

    Example: alicorn drop collection/ --key people-v3 --column nickname --terms nick
    """
    from alicorn.publishing.update import drop as drop_parts

    dropped = {"keys": key or [], "columns": column or [], "terms": terms or [], "positions": positions or []}
    if not any(dropped.values()):
        raise ConfigError("nothing is named that should go: give --key, --column, --terms or --positions")
    drop_parts(collection, **dropped)
    print_values({"dropped": {name: given for name, given in dropped.items() if given}}, as_json)


def alias(
    collection: CollectionFolder,
    given: Annotated[list[str] | None, typer.Argument(help="NAME=KEY, such as current=people-v4.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Name to take away. Again for more.")] = None,
    as_json: Json = False,
) -> None:
    """Give names to the embedding keys of a collection; print all names. Searches look in what is called `current`.

    Examples:

    alicorn alias collection/ current=people-v4 candidate=people-v5

    alicorn alias collection/ --remove candidate
    """
    from alicorn.publishing.aliases import set_aliases

    named = {}
    for text in given or ():
        name, equals, key = text.partition("=")
        if not (name and equals and key):
            raise ConfigError(f"expected NAME=KEY, such as current=people-v4, got {text!r}")
        named[name] = key
    print_values(set_aliases(collection, named, remove or ()), as_json)


def interests(
    activity: Annotated[Path, typer.Argument(help="searcher_id, time, doc_id, Parquet or CSV.", exists=True)],
    collection: Annotated[
        Path, typer.Option(help="Folder that `alicorn publish` wrote.", exists=True, file_okay=False)
    ],
    key: Annotated[str, typer.Option(help="Embedding key of the documents.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    threshold: Annotated[float, typer.Option(min=0.0, help="Ward's distance at which clusters stay apart.")] = 1.5,
    decay: Annotated[float, typer.Option(min=0.0, help="Of importance, a day; 0 counts documents alone.")] = 0.01,
    newest: Annotated[int, typer.Option(min=1, help="Read so many documents of a history; cost is quadratic.")] = 500,
    cover: Annotated[float, typer.Option(help="Share of next choices that are within the radii, in (0, 1].")] = 0.5,
    as_of: Annotated[datetime | None, typer.Option(help="UTC time that ages count from; the last row's.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write each searcher's interests: clusters of what they chose, each as one of its documents (PinnerSage).

    `alicorn query --interests FILE --of SEARCHER` looks for the nearest to three of them; with --regions, for all that
    is within their radii, which are learned from what comes next in histories (after Seq2Bubbles).

    Example: alicorn interests logs/activity.parquet --collection collection/ --key movies --out interests.parquet
    """
    import pyarrow.parquet as pq

    from alicorn.interests import PinnerSage, searcher_interests
    from alicorn.query import Collection
    from alicorn.tables import open_parts

    given = {"threshold": threshold, "decay": decay, "newest": newest, "cover": cover}
    settings = parse_config(given, PinnerSage, where="--threshold, --decay, --newest, --cover")
    now = None if as_of is None else as_of.replace(tzinfo=UTC)
    with Collection.open(collection, read_only=True) as opened:
        if key not in opened.embeddings:
            raise ConfigError(f"--key: the collection has {', '.join(sorted(opened.embeddings))}, got {key!r}")
        check_file(out, overwrite=overwrite)
        source = open_parts(activity, "activity")
        with source.located():
            found = searcher_interests(source.read(), opened.snapshot(), key, settings, now)
    with whole_file(out, overwrite=overwrite) as place:
        pq.write_table(found.table, place)
    counts = [len(ids) for ids in found.table["doc_ids"].to_pylist()]
    summary = {"searchers": len(counts), "interests": sum(counts), "rows_without_vector": found.without_vector}
    print_values(summary | {"out": str(out)}, as_json)


def verify(collection: CollectionFolder, as_json: Json = False) -> None:
    """Check every file of a collection, or of the current version of a sharded one, against its checksum.

    Example: alicorn verify collection/
    """
    if (collection / "version.json").is_file():
        from alicorn.distributed.storage.transfer import verify_version

        done = verify_version(collection)
        print_values({"version": done.version, "bytes": done.all_bytes}, as_json)
        return
    from alicorn.index import verify as verify_collection

    found = verify_collection(collection)
    print_values({"files": found.num_files, "bytes": found.num_bytes, "journal operations": found.operations}, as_json)


def backup(
    collection: CollectionFolder,
    to: Annotated[Path, typer.Option(help="Folder to make; a collection that can be opened and served.")],
    as_json: Json = False,
) -> None:
    """Copy a collection as it is at one moment, while others read and write it.

    Example: alicorn backup collection/ --to backups/2026-11-30
    """
    from alicorn.query import Collection

    with Collection.open(collection, read_only=True) as opened:
        opened.backup(to)
    with Collection.open(to, read_only=True) as copied:
        print_values({"documents": len(copied)}, as_json)
