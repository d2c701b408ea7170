"""The engines that run a job: this process, Ray Data, Spark. Each gets numbers of tasks and yields answers.

An engine carries numbers, not rows: a worker reads and writes files itself. So batches are the same on all engines, no
row is shuffled or spilled, and memory does not depend on how large the table is.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum

import pyarrow as pa

from alicorn.distributed.batch.job import Work, answers
from alicorn.errors import ConfigError
from alicorn.extras import check_installed


class BatchEngine(StrEnum):
    """Where a job runs."""

    LOCAL = "local"
    RAY = "ray"
    SPARK = "spark"

    def check(self) -> None:
        """Raise ConfigError if it cannot run here."""
        match self:
            case BatchEngine.RAY:
                check_installed("the engine ray", "ray")
            case BatchEngine.SPARK:
                check_installed("the engine spark", "pyspark")
                if not (os.environ.get("JAVA_HOME") or shutil.which("java") or os.environ.get("SPARK_REMOTE")):
                    raise ConfigError(
                        "the engine spark needs Java 17 or later, and there is no `java` and no JAVA_HOME: install it"
                        " (Debian: openjdk-17-jre-headless)"
                    )


def run_on(engine: BatchEngine, work: Work, numbers: Sequence[int]) -> Iterator[int]:
    """The rows of each task, as they are done, in any order. Raises what a worker raised."""
    match engine:
        case BatchEngine.LOCAL:
            yield from (work.do(number) for number in numbers)
        case BatchEngine.RAY:
            yield from map(_rows, _on_ray(work, numbers))
        case BatchEngine.SPARK:
            yield from map(_rows, _on_spark(work, numbers))


def _rows(answer: tuple[int, bytes | None]) -> int:
    rows, error = answer
    if error is not None:
        raise pickle.loads(error)
    return rows


def _on_ray(work: Work, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
    """A task of one processor for each number, in the cluster of RAY_ADDRESS or in one that starts and ends here."""
    import ray
    import ray.data

    def answered(batch: pa.Table) -> pa.Table:
        return pa.Table.from_batches(answers(work, batch["number"].to_pylist()))

    started_here = not ray.is_initialized()
    if started_here:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        items = ray.data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
        for row in items.map_batches(answered, batch_size=1, batch_format="pyarrow", num_cpus=1).iter_rows():
            yield row["rows"], row["error"]
    finally:
        if started_here:
            ray.shutdown()


def _on_spark(work: Work, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
    """A task for each number, in the session that is there or that the environment configures."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    def answered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from answers(work, [numbers[place] for place in batch.column("id").to_pylist()])

    session = SparkSession.builder.appName("alicorn").getOrCreate()
    places = session.range(0, len(numbers), numPartitions=len(numbers))
    for row in places.mapInArrow(answered, "rows long, error binary").toLocalIterator():
        yield row["rows"], None if row["error"] is None else bytes(row["error"])
