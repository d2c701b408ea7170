"""A job over a table: each of its row groups, by itself, becomes a part file.

So every engine makes the same parts, in the same order, from the same batches. A part is there when it is complete: a
task that is tried again, or tried twice at once, writes the same file, and a job that was killed goes on with the parts
that are missing. Table and folder are on storage that every worker has under the same path.
"""

from __future__ import annotations

import json
import os
import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from alicorn.errors import AlicornError
from alicorn.index.durability.durable import sync_file
from alicorn.tables import PartFiles, open_parts
from alicorn.tables.parts import RowGroup

# What a worker answers for a row group: its rows, or the pickled error.
ANSWER = pa.schema([("rows", pa.int64()), ("error", pa.binary())])


class Transform(Protocol):
    """What a job makes of a batch of rows: an Arrow table in, one out. Hashable and picklable."""

    def start(self, threads: int | None) -> Callable[[pa.Table], pa.Table]:
        """Load what it needs, once in each process. threads: of arithmetic; None: as many as there are."""
        ...


class Work(Protocol):
    """What an engine does: tasks by their numbers, any of them twice. Picklable."""

    def do(self, number: int) -> int:
        """Do a task, and write what it makes -> how many rows it made."""
        ...


@dataclass(frozen=True)
class Job:
    """fingerprint: of what decides the parts, the files of the table among it; table: a file, or a folder of part
    files; name: of the table in messages; known: types that its columns have to have; schema: of the parts; folder: of
    the parts; batch_rows: of a batch; threads: of one task."""

    fingerprint: str
    table: Path
    name: str
    known: pa.Schema
    step: Transform
    schema: pa.Schema
    folder: Path
    batch_rows: int
    threads: int | None

    def part(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def do(self, number: int) -> int:
        """Write the part of a row group -> its rows of the table. Raises TableError that says which row is wrong."""
        opened, groups, transform = _started(self)
        group = groups[number]
        unfinished = self.folder / f".{self.part(number).name}.{uuid.uuid4().hex}"
        rows = group.first_row
        try:
            with unfinished.open("wb") as file:
                with pq.ParquetWriter(file, self.schema) as writer:
                    for batch in opened.batches_of(group, self.batch_rows):
                        with opened.located(rows):
                            writer.write_table(transform(batch))
                        rows += len(batch)
                sync_file(file, "part")
            os.replace(unfinished, self.part(number))
        finally:
            unfinished.unlink(missing_ok=True)
        return rows - group.first_row


def fingerprint_of(source: PartFiles, *others: str) -> str:
    """Of the files of a table, by path, size and time of change, and of what else decides the parts."""
    files = [(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns) for file in source.files]
    return xxhash.xxh3_64_hexdigest(json.dumps([others, files], allow_nan=False).encode())


def answers(work: Work, numbers: Iterable[int]) -> Iterator[pa.RecordBatch]:
    """As a worker of an engine does it: an error is an answer too, so that it comes back as what it is."""
    for number in numbers:
        try:
            rows, error = work.do(number), None
        except (AlicornError, OSError) as raised:
            rows, error = 0, pickle.dumps(raised)
        yield pa.RecordBatch.from_pydict({"rows": [rows], "error": [error]}, ANSWER)


@lru_cache(maxsize=1)
def _started(job: Job) -> tuple[PartFiles, list[RowGroup], Callable[[pa.Table], pa.Table]]:
    opened = open_parts(job.table, job.name, dict(zip(job.known.names, job.known.types, strict=True)))
    return opened, opened.row_groups(), job.step.start(job.threads)
