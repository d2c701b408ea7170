"""A folder of training examples is whole or not there: it is written beside its place, and renamed when complete."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.folders import PAIRS_FOLDER, check_place, whole_folder
from alicorn.pairs.folder import is_pairs_folder
from alicorn.pairs.manifest import Manifest
from alicorn.pairs.schema import TABLES, conformed


class PairsWriter:
    """Writes the tables of one folder. folder: where they are until all are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}

    def write(self, name: str, rows: pa.Table | Iterable[pa.Table | pa.RecordBatch]) -> int:
        """Write a table, in parts of at least one; memory holds one part at a time. Returns the number of rows."""
        parts = iter([rows] if isinstance(rows, pa.Table) else rows)
        first = self._conformed(next(parts), name)
        with pq.ParquetWriter(self.path(name), first.schema) as file:
            file.write_table(first)
            count = len(first)
            for part in parts:
                table = self._conformed(part, name)
                file.write_table(table)
                count += len(table)
        self.counts[name] = count
        return count

    def adopt(self, name: str) -> int:
        """Take the file at `path(name)` as a table; the columns are in the types of the schema. Returns its rows."""
        metadata = pq.read_metadata(self.path(name))
        found = {field.name: field.type for field in metadata.schema.to_arrow_schema()}
        wanted = TABLES[name].columns
        assert found.items() >= wanted.items(), f"table {name} has {found}"
        assert TABLES[name].further or len(found) == len(wanted), f"table {name} has {found}"
        self.counts[name] = metadata.num_rows
        result: int = metadata.num_rows
        return result

    def copy(self, name: str, file: Path) -> int:
        """Copy a file whose columns are in the types of the schema. Returns its rows."""
        shutil.copyfile(file, self.path(name))
        return self.adopt(name)

    def path(self, name: str) -> Path:
        """The file of a table."""
        return self.folder / f"{name}.parquet"

    def finish(self, manifest: Manifest) -> None:
        missing = [name for name, table in TABLES.items() if not table.optional and name not in self.counts]
        assert not missing, f"tables not written: {missing}"
        manifest.write(self.folder)

    @staticmethod
    def _conformed(part: pa.Table | pa.RecordBatch, name: str) -> pa.Table:
        table = part if isinstance(part, pa.Table) else pa.Table.from_batches([part])
        found = conformed(table, name)
        missing = TABLES[name].columns.keys() - set(found.column_names)
        assert not missing, f"table {name} lacks {sorted(missing)}"
        return found


@contextmanager
def new_folder(out: str | Path, overwrite: bool = False) -> Iterator[PairsWriter]:
    """A writer of the folder `out`, which takes its place at the end of the block, if `finish` was called in it.

    Whatever is raised in the block leaves `out` as it was. Raises ConfigError as check_place.
    """
    check_place(Path(out), PAIRS_FOLDER, overwrite=overwrite)
    with whole_folder(Path(out)) as folder:
        yield PairsWriter(folder)
        assert is_pairs_folder(folder), "finish was not called"
