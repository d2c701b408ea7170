"""A collection as N shards that answer as one: written beside what is current, and made current by one manifest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from alicorn.distributed.batch.engines import BatchEngine, run_on
from alicorn.distributed.batch.shards import ShardsJob
from alicorn.distributed.protocol.manifest import (
    ShardRecord,
    ShardsManifest,
    folder_of,
    records_of,
    remove_old_versions,
    version_of,
    write_manifest,
)
from alicorn.distributed.protocol.routing import shards_of
from alicorn.errors import CollectionError, ConfigError
from alicorn.folders import is_sharded
from alicorn.query import Collection

MAX_SHARDS = 1_000


def publish_shards(
    collection: Collection,
    into: str | Path,
    num_shards: int,
    engine: BatchEngine = BatchEngine.LOCAL,
    written_until: datetime | None = None,
) -> ShardsManifest:
    """Write the documents of a collection as a version of a sharded one, and make it current.

    engine: where shards are written, one task each; on Ray and Spark the collection may not be written meanwhile.
    written_until: the documents have what was written to the shards of the version before until then, with its zone;
    what was written later, its copies write to this version. Without it they refuse a version where any was written.

    The shards share the quantizers and their calibration, so that an answer of all of them is that of the collection.
    The two versions that were current before stay beside it, for those who still read them; older ones are removed.
    Raises ConfigError, CollectionError.
    """
    into = Path(into)
    check_place(into, num_shards)
    unfinished = into / "versions" / f".publishing-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    names = [f"shard-{number}" for number in range(num_shards)]
    try:
        counts = _written(collection, tuple(unfinished / name for name in names), engine)
        files = records_of(unfinished)
        snapshot = collection.snapshot()
        columns = pa.schema([(name, kind) for name, kind in snapshot.columns.items()])
        manifest = ShardsManifest(
            version_of(files),
            snapshot.num_docs,
            [ShardRecord(name, count) for name, count in zip(names, counts, strict=True)],
            files,
            dict(snapshot.embeddings),
            list(snapshot.positions),
            columns.serialize().to_pybytes(),
            collection.metadata,
            written_until=None if written_until is None else written_until.isoformat(),
        )
        place = folder_of(manifest, into)
        if not place.exists():  # else the same documents were published before
            os.rename(unfinished, place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    write_manifest(into, manifest)
    remove_old_versions(into, manifest)
    return manifest


def _written(collection: Collection, shards: Sequence[Path], engine: BatchEngine) -> list[int]:
    """Write each shard into its folder -> the documents of each."""
    if engine is BatchEngine.LOCAL:
        return collection.split(shards, partial(shards_of, num_shards=len(shards)))
    shards[0].parent.mkdir(parents=True)
    job = ShardsJob(collection.path, tuple(shard.absolute() for shard in shards))
    before = collection.snapshot().sequence
    for _ in run_on(engine, job, range(len(shards))):
        pass
    collection.refresh()
    if collection.snapshot().sequence != before:
        raise CollectionError(
            f"{collection.path} was written while its shards were: publish it again when nobody writes it"
        )
    counts = []
    for shard in shards:
        with Collection.open(shard, read_only=True) as written_shard:
            counts.append(len(written_shard))
    return counts


def check_place(into: Path, num_shards: int) -> None:
    """Raise ConfigError for a number of shards that cannot be, CollectionError for a folder that holds other things."""
    if not 1 <= num_shards <= MAX_SHARDS:
        raise ConfigError(f"shards must be from 1 to {MAX_SHARDS}, got {num_shards}")
    if into.is_dir() and any(into.iterdir()) and not is_sharded(into):
        raise CollectionError(f"{into} holds something else than a sharded collection: publish them into a new folder")
