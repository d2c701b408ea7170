"""Cities of GeoNames and their alternate names as alicorn's log tables: python prepare.py SOURCE OUT (see README.md).

SOURCE holds corpus.parquet, queries.parquet and qrels.parquet. Two kinds of queries, told apart by table `segments`:
  alternate  a real alternate name of a city that is hidden from the corpus (spelling and language variants); nobody in
             particular asks
  ambiguous  a name that 2 to 9 cities share; the searcher stands 5 to 60 km from the wanted one (a position that the
             set CONSTRUCTED), and his country, region and position are the context that decides

Derived, beside the set's own columns:
  region     country and admin1, as `AD.08`: admin1 codes repeat from country to country
  cells      the squares of latitude and longitude the point lies in, on grids of 8, 2 and 0.5 degrees, each once more
             shifted by half a square, so that near points share squares even across a border
  point      unit vector of the point on the sphere, 3 numbers: the cosine of two falls with their distance

CONSTRUCTED: times, so that the split of vertical.yaml (`valid_from: 2024-01-01`) is the set's own for alternate names;
ambiguous names, which the set does not split, are split by a hash of the name: a name is never in both.
"""

import argparse
import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

TRAIN_FROM = datetime.datetime(2023, 1, 1)
VALID_FROM = datetime.datetime(2024, 1, 1)  # the same as in vertical.yaml
VALID_PERCENT_OF_AMBIGUOUS = 30
CELL_DEGREES = (8.0, 2.0, 0.5)


def documents(corpus: pa.Table) -> pa.Table:
    """The corpus with region, cells and point."""
    return _with_place(corpus, corpus["country"], corpus["admin1"], corpus["latitude"], corpus["longitude"])


def searchers(queries: pa.Table) -> pa.Table:
    """Who asks for an ambiguous name, one searcher per query: country, region, cells, point."""
    ambiguous = queries.filter(pc.equal(queries["split"], "ambig"))
    country, admin1 = ambiguous["searcher_country"], ambiguous["searcher_admin1"]
    ids = pa.table({"searcher_id": _searcher_ids(ambiguous), "country": country})
    return _with_place(ids, country, admin1, ambiguous["searcher_lat"], ambiguous["searcher_lon"])


def impressions(queries: pa.Table, qrels: pa.Table) -> pa.Table:
    """One row per query: the city it means, clicked."""
    shown = queries.join(qrels, "query_id", join_type="inner").sort_by("query_id")
    return pa.table(
        {
            "session_id": shown["query_id"].cast(pa.string()),
            "searcher_id": pc.if_else(
                pc.equal(shown["split"], "ambig"), _searcher_ids(shown), pa.scalar(None, pa.string())
            ),
            "time": _times(shown["query"].to_pylist(), shown["split"].to_pylist()),
            "query": shown["query"],
            "doc_id": shown["doc_id"],
            "position": pa.array(np.ones(len(shown), dtype=np.int32)),
            "clicked": pa.array(np.ones(len(shown), dtype=bool)),
        }
    )


def segments(queries: pa.Table) -> pa.Table:
    """What kind of query it is, for reports."""
    label = pc.if_else(pc.equal(queries["split"], "ambig"), "ambiguous", "alternate").combine_chunks()
    one_each = pa.ListArray.from_arrays(pa.array(np.arange(len(queries) + 1, dtype=np.int32)), label)
    return pa.table({"session_id": queries["query_id"], "segment": one_each})


def cells(latitude: np.ndarray, longitude: np.ndarray) -> pa.ListArray:
    """The squares of each point as ids, list<string>: `<degrees>[+]:<row>:<column>`, + for the shifted grid."""
    columns = []
    for degrees in CELL_DEGREES:
        for shift, mark in ((0.0, ""), (degrees / 2, "+")):
            row = np.floor((latitude + 90 + shift) / degrees).astype(int)
            column = np.floor(((longitude + 180 + shift) % 360) / degrees).astype(int)
            columns.append([f"{degrees:g}{mark}:{r}:{c}" for r, c in zip(row, column, strict=True)])
    flat = [cell for point in zip(*columns, strict=True) for cell in point]
    return pa.ListArray.from_arrays(
        pa.array(np.arange(len(latitude) + 1, dtype=np.int32) * len(columns)), pa.array(flat)
    )


def points(latitude: np.ndarray, longitude: np.ndarray) -> pa.ListArray:
    """Unit vectors on the sphere, list<float> of 3."""
    north, east = np.radians(latitude), np.radians(longitude)
    vectors = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)
    offsets = pa.array(np.arange(len(vectors) + 1, dtype=np.int32) * 3)
    return pa.ListArray.from_arrays(offsets, pa.array(vectors.astype(np.float32).ravel()))


def _with_place(table: pa.Table, country, admin1, latitude, longitude) -> pa.Table:
    where = latitude.to_numpy(), longitude.to_numpy()
    table = table.append_column("region", pc.binary_join_element_wise(country, admin1, pa.scalar(".", country.type)))
    return table.append_column("cells", cells(*where)).append_column("point", points(*where))


def _searcher_ids(queries: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise("near", queries["query_id"].cast(pa.string()), "-")


def _times(names: list[str], splits: list[str]) -> pa.Array:
    """A minute after the other from the start of the query's split."""
    minutes = {TRAIN_FROM: 0, VALID_FROM: 0}
    times = []
    for name, split in zip(names, splits, strict=True):
        start = VALID_FROM if split == "valid" or (split == "ambig" and _held_out(name)) else TRAIN_FROM
        times.append(start + datetime.timedelta(minutes=minutes[start]))
        minutes[start] += 1
    return pa.array(times, pa.timestamp("us"))


def _held_out(name: str) -> bool:
    return xxhash.xxh3_64_intdigest(name.encode()) % 100 < VALID_PERCENT_OF_AMBIGUOUS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of corpus.parquet, queries.parquet, qrels.parquet")
    parser.add_argument("out", type=Path, help="log folder to write")
    options = parser.parse_args()
    missing = [name for name in ("corpus", "queries", "qrels") if not (options.source / f"{name}.parquet").is_file()]
    if missing:
        parser.error(f"no {', '.join(f'{name}.parquet' for name in missing)} in {options.source}")
    corpus, queries, qrels = (
        pq.read_table(options.source / f"{name}.parquet") for name in ("corpus", "queries", "qrels")
    )
    options.out.mkdir(parents=True, exist_ok=True)
    tables = {
        "documents": documents(corpus),
        "searchers": searchers(queries),
        "impressions": impressions(queries, qrels),
        "segments": segments(queries),
    }
    for name, table in tables.items():
        pq.write_table(table, options.out / f"{name}.parquet")
        print(f"{name}: {len(table):,} rows")


if __name__ == "__main__":
    main()
