"""Documents as a collection takes them, made row group by row group: terms, stored columns and vectors.

The part of a row group has a row for each of its documents. Of one that the vertical's selection leaves out, it has the
id and the rule.
"""

from __future__ import annotations

import datetime
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from alicorn.distributed.batch.engines import BatchEngine
from alicorn.distributed.batch.job import Job, fingerprint_of
from alicorn.distributed.batch.run import make_parts
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.publishing.documents import BATCH_ROWS, Indexed, indexed
from alicorn.publishing.model_folders import ModelFolders
from alicorn.tables import PartFiles
from alicorn.vertical.selection.documents import RecentRule

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

_RULE = "left_out_by"  # no stored column: a part is read here alone, by its place


@dataclass(frozen=True)
class _Indexing:
    """The transform. now: with its zone; schema: of the parts."""

    models: ModelFolders
    now: datetime.datetime
    schema: pa.Schema

    def start(self, threads: int | None) -> Callable[[pa.Table], pa.Table]:
        models = self.models.load()
        if threads is not None:
            threadpool_limits(threads)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(threads)

        def rows(batch: pa.Table) -> pa.Table:
            made = indexed(batch, models, self.now)
            kept = made.documents.append_column(_RULE, pa.nulls(len(made.documents), pa.string()))
            ids = [doc_id for ids in made.left_out.values() for doc_id in ids]
            rules = [rule for rule, ids in made.left_out.items() for _ in ids]
            left_out = pa.table({"doc_id": pa.array(ids, pa.string()), _RULE: pa.array(rules, pa.string())})
            return pa.concat_tables([kept, left_out], promote_options="default").cast(self.schema)

        return rows


@dataclass(frozen=True)
class IndexingJob:
    """folder: of the parts until they are published. A job that was killed goes on with those that are there, unless
    documents, models or vertical changed, or the vertical counts back from `now`, which is another now.

    on_progress(done, total) is called after every part.
    """

    documents: Path
    models: ModelFolders
    now: datetime.datetime
    engine: BatchEngine
    folder: Path
    on_progress: Callable[[int, int], None]

    def __call__(self, source: PartFiles) -> Iterator[Indexed]:
        """Make all parts on the engine, then yield them in order. source: the documents, opened as `publish` does.

        Raises TableError, ModelError, ConfigError.
        """
        models = self.models.absolute()
        loaded = models.load()
        vertical = loaded[0].vertical
        made = [model.fingerprint for model in loaded] + [model.key for model in loaded]
        made += [
            vertical.model_dump_json(),
            *(str(self.now) for rule in vertical.selection.documents if isinstance(rule, RecentRule)),
        ]
        schema = _schema(source, loaded, self.now)
        job = Job(
            fingerprint_of(source, *made),
            self.documents.absolute(),
            source.name,
            source.schema,
            _Indexing(models, self.now, schema),
            schema,
            self.folder.absolute(),
            BATCH_ROWS,
            None if self.engine is BatchEngine.LOCAL else 1,
        )
        make_parts(job, source, self.engine, self.on_progress)
        rules = [rule.label for rule in vertical.selection.documents]
        for number in range(len(source.row_groups())):
            yield from _read(job.part(number), rules)

    def remove(self) -> None:
        """The parts, once they are published."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _schema(source: PartFiles, models: Sequence[AnyModel], now: datetime.datetime) -> pa.Schema:
    made = indexed(source.schema.empty_table(), models, now).documents.schema
    for model in models:
        column = pa.field(EMBEDDING + model.key, pa.list_(pa.float32(), model.dim))
        made = made.set(made.get_field_index(column.name), column)
    return made.append(pa.field(_RULE, pa.string()))


def _read(part: Path, rules: Sequence[str]) -> Iterator[Indexed]:
    """A batch as it was made."""
    with pq.ParquetFile(part) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            kept = rows.filter(pc.is_null(rows[_RULE])).drop_columns([_RULE])
            of_rule = {rule: rows.filter(pc.equal(rows[_RULE], rule))["doc_id"].to_pylist() for rule in rules}
            yield Indexed(kept, of_rule)
