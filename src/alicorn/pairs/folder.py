"""The tables of a folder of training examples, as every reader sees them: in the types of schema.py."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.errors import TableError, cause
from alicorn.pairs.manifest import NAME, Manifest
from alicorn.pairs.schema import TABLES, conformed
from alicorn.tables import row_batches


def is_pairs_folder(folder: str | Path) -> bool:
    """Whether a folder is one of training examples, rather than one of logs."""
    return (Path(folder) / NAME).is_file()


class PairsFolder:
    """A folder of training examples. Raises TableError where it is none, or a file of it is missing or damaged."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self.manifest = Manifest.read(self.folder)

    def has(self, name: str) -> bool:
        """Whether an optional table is there."""
        return self._path(name).is_file()

    def read(self, name: str, columns: Sequence[str] | None = None, search_ids: pa.Array | None = None) -> pa.Table:
        """columns: those asked for, all by default. search_ids: only the rows of these searches."""
        path = self._path(name)
        try:
            filters = None if search_ids is None else pc.field("search_id").isin(search_ids)
            found = conformed(pq.read_table(path, columns=columns, filters=filters, partitioning=None), name)
        except FileNotFoundError:
            message = f"{self.folder} has no {path.name}: it is no folder that `alicorn mine` wrote"
            raise TableError(message, table=name) from None
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise TableError(f"{path} cannot be read: {cause(error)}; run `alicorn mine` again", table=name) from error
        for column in TABLES[name].columns if columns is None else columns:
            if column not in found.column_names:
                message = f"{path} has no column '{column}': run `alicorn mine` again"
                raise TableError(message, table=name, column=column)
        return found

    def batches(self, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some rows after the other: the table may be larger than memory."""
        path = self._path(name)
        try:
            with pq.ParquetFile(path) as file:
                for batch in row_batches(file, list(columns)):
                    yield conformed(pa.table(batch), name)
        except (pa.ArrowInvalid, OSError) as error:
            raise TableError(f"{path} cannot be read: {cause(error)}; run `alicorn mine` again", table=name) from error

    @cached_property
    def searchers(self) -> pa.Table | None:
        return self.read("searchers") if self.has("searchers") else None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"
