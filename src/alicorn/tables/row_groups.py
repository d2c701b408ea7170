"""The rows of a Parquet file, a batch at a time, in memory that does not grow with the file.

Arrow's iterator over a file keeps something of every row group that it has read. So each run of row groups has an
iterator of its own.
"""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 65_536


def row_batches(
    file: pq.ParquetFile,
    columns: Sequence[str] | None = None,
    num_rows: int = BATCH_ROWS,
    groups: Iterable[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows in order, at most `num_rows` at a time. columns, groups: None for all."""
    run: list[int] = []
    size = 0
    for group in range(file.num_row_groups) if groups is None else groups:
        run.append(group)
        size += file.metadata.row_group(group).num_rows
        if size >= num_rows:
            yield from file.iter_batches(num_rows, run, columns=columns)
            run, size = [], 0
    if run:
        yield from file.iter_batches(num_rows, run, columns=columns)
