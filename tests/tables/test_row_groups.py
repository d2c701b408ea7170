"""Batches are the rows in their order, whatever the row groups; what was read is let go."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alicorn.tables import row_batches


@pytest.mark.parametrize(("group", "num_rows"), [(1, 4), (3, 4), (4, 4), (10, 4), (100, 4), (7, 1000)])
def test_batches_are_the_rows_in_order(tmp_path, group, num_rows):
    table = pa.table({"a": range(23), "b": [f"{number}" for number in range(23)]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=group)
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        found = [pa.table(batch) for batch in row_batches(file, ["a", "b"], num_rows)]
        some = [pa.table(batch) for batch in row_batches(file, ["b"], num_rows, groups=[0])]
    assert pa.concat_tables(found).equals(table)
    assert all(0 < len(one) <= num_rows for one in found)
    assert pa.concat_tables(some).equals(table.select(["b"])[:group])


def test_no_more_than_a_run_of_row_groups_is_held(tmp_path):
    numbers = np.random.default_rng(0).random(20_000 * 8)
    lists = pa.FixedSizeListArray.from_arrays(numbers, 8).cast(pa.list_(pa.float64()))
    groups = 20
    with pq.ParquetWriter(tmp_path / "t.parquet", pa.schema({"features": lists.type})) as writer:
        for _ in range(groups):
            writer.write_table(pa.table({"features": lists}))
    before, held = pa.total_allocated_bytes(), []
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        for _ in row_batches(file, num_rows=20_000):
            held.append(pa.total_allocated_bytes() - before)
    assert len(held) == groups
    assert max(held) < groups * numbers.nbytes / 3, "Arrow's own iterator holds more than the whole file"
