"""A pairs/ folder of given tables, written as `mine` writes one; tables that are not given have no rows."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from alicorn.pairs import Manifest, new_folder
from alicorn.pairs.schema import TABLES


def write_folder(
    folder: Path, tables: Mapping[str, pa.Table], vertical: Mapping[str, str] | None = None, data: str = "toy"
) -> Path:
    """vertical: the part of it that decides examples. data: fingerprint of the logs. Columns of the schema that a table
    lacks are null; grades and weights are 1."""
    with new_folder(folder) as writer:
        for name, schema in TABLES.items():
            if name in tables:
                given = tables[name]
                missing = {key: pa.nulls(len(given), kind) for key, kind in schema.columns.items()}
                missing |= {key: pa.array([1.0] * len(given)) for key in ("grade", "weight") if key in missing}
                if "targets" in given.column_names:
                    ones = [[1.0] * len(row or ()) for row in given["targets"].to_pylist()]
                    missing |= {"grades": pa.array(ones, pa.list_(pa.float64()))}
                writer.write(name, pa.table({**missing, **{key: given[key] for key in given.column_names}}))
            elif not schema.optional:
                writer.write(name, pa.schema(list(schema.columns.items())).empty_table())
        writer.finish(
            Manifest(
                vertical=dict(vertical or {}),
                data_fingerprint=data,
                valid_from="2024-01-01T00:00:00",
                test_from=None,
                counts=writer.counts,
                simulated=False,
            )
        )
    return folder
