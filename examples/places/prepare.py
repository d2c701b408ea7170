"""Cities of GeoNames and their alternate names as alicorn's log tables: python prepare.py SOURCE OUT (see README.md).

SOURCE holds corpus.parquet, queries.parquet and qrels.parquet. Two kinds of queries, told apart by table `segments`:
  alternate  a real alternate name of a city that is hidden from the corpus (spelling and language variants); nobody in
             particular asks
  ambiguous  a name that 2 to 9 cities share; the searcher is 5 to 60 km from the wanted one (a position that the
             set CONSTRUCTED), and his country, region and position are the context that decides

Derived, beside the set's own columns:
  romanised       the names of other scripts in Latin letters (package anyascii), as somebody without their keyboard
                  would type them; syllables of Chinese apart
  names           every name of a city as a whole query may equal it: as it is, without accents, and in ASCII letters
  log_population  log10 of the population, 0 where it is unknown: a static rank that does not drown other scores
  region          country and admin1, as `AD.08`: admin1 codes repeat from country to country
  near            64 waves over the sphere (random Fourier features: Rahimi and Recht, NIPS 2007): the inner product of
                  two points falls with their distance, to 0.6 at 100 km and to nothing at 300 km;  far: the same at ten
                  times the distances. Their length says how much they weigh beside a text of length 1: 2 for cities, 3
                  for searchers, who ask for a name that many cities have

CONSTRUCTED: times, so that the split by time of vertical.yaml is this: the set's valid queries are `test`; 12 % of the
cities of its train queries are held out of them as `valid`, to choose a recipe on. Ambiguous names, which the set does
not split, are split by a hash of the name: 30 % test, 12 % of the others valid; a name is in one split only.
"""

import argparse
import datetime
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from anyascii import anyascii

from alicorn.text import phrase

STARTS = {  # the same as in vertical.yaml
    "train": datetime.datetime(2023, 1, 1),
    "valid": datetime.datetime(2024, 1, 1),
    "test": datetime.datetime(2025, 1, 1),
}
TEST_PERCENT_OF_AMBIGUOUS = 30
VALID_PERCENT = 12  # of what is not test
EARTH_KM = 6371.0
NEAR_KM, FAR_KM = 100.0, 1000.0
CITY_LENGTH, SEARCHER_LENGTH = 2.0, 3.0
WAVES = 64
_HAN = re.compile("([\u3400-\u9fff]+)")


def documents(corpus: pa.Table) -> pa.Table:
    """The corpus with romanised names, names, log_population, region, near and far."""
    titles, others = corpus["title"].to_pylist(), corpus["alternate_names"].to_pylist()
    foreign = [list(dict.fromkeys(map(romanised, filter(_other_script, names)))) for names in others]
    every = [spellings([title, *names]) for title, names in zip(titles, others, strict=True)]
    population = np.log10(np.maximum(corpus["population"].to_numpy(), 1)).astype(np.float32)
    table = corpus.append_column("romanised", pa.array(foreign, pa.list_(pa.string())))
    table = table.append_column("names", pa.array(every, pa.list_(pa.string())))
    table = table.append_column("log_population", pa.array(population))
    where = corpus["latitude"].to_numpy(), corpus["longitude"].to_numpy()
    return _with_place(table, corpus["country"], corpus["admin1"], where, CITY_LENGTH)


def romanised(name: str) -> str:
    """In Latin letters: `頭份市` is `Tou Fen Shi`."""
    parts = [
        re.sub("(?<=[a-z])(?=[A-Z])", " ", anyascii(part)) if number % 2 else anyascii(part)
        for number, part in enumerate(_HAN.split(name))
    ]
    return "".join(parts)


def spellings(names: list[str]) -> list[str]:
    """Each name as a phrase and in plain letters, each spelling once."""
    return list(dict.fromkeys(form(name) for name in names for form in (phrase, plain)))


def plain(name: str) -> str:
    """Small ASCII letters and digits, words one blank apart."""
    return " ".join(re.findall("[a-z0-9]+", romanised(name).lower()))


def _other_script(name: str) -> bool:
    return any(ord(character) >= 0x250 for character in name)


def searchers(queries: pa.Table) -> pa.Table:
    """Who asks for an ambiguous name, one searcher per query: country, region, near, far."""
    ambiguous = queries.filter(pc.equal(queries["split"], "ambig"))
    country, admin1 = ambiguous["searcher_country"], ambiguous["searcher_admin1"]
    ids = pa.table({"searcher_id": _searcher_ids(ambiguous), "country": country})
    where = ambiguous["searcher_lat"].to_numpy(), ambiguous["searcher_lon"].to_numpy()
    return _with_place(ids, country, admin1, where, SEARCHER_LENGTH)


def impressions(queries: pa.Table, qrels: pa.Table) -> pa.Table:
    """One row per query: the city it means, clicked."""
    shown = queries.join(qrels, "query_id", join_type="inner").sort_by("query_id")
    return pa.table(
        {
            "search_id": shown["query_id"].cast(pa.string()),
            "searcher_id": pc.if_else(
                pc.equal(shown["split"], "ambig"), _searcher_ids(shown), pa.scalar(None, pa.string())
            ),
            "time": _times([split_of(row) for row in shown.select(["query", "split", "doc_id"]).to_pylist()]),
            "query": shown["query"],
            "doc_id": shown["doc_id"],
            "position": pa.array(np.ones(len(shown), dtype=np.int32)),
            "clicked": pa.array(np.ones(len(shown), dtype=bool)),
        }
    )


def split_of(row: dict[str, str]) -> str:
    """row: a query with the set's own `split` and the doc_id of its city."""
    if row["split"] == "valid":
        return "test"
    by = row["query"] if row["split"] == "ambig" else row["doc_id"]
    if row["split"] == "ambig" and _percent(by) < TEST_PERCENT_OF_AMBIGUOUS:
        return "test"
    return "valid" if _percent("valid " + by) < VALID_PERCENT else "train"


def segments(queries: pa.Table) -> pa.Table:
    """What kind of query it is, for reports."""
    label = pc.if_else(pc.equal(queries["split"], "ambig"), "ambiguous", "alternate").combine_chunks()
    one_each = pa.ListArray.from_arrays(pa.array(np.arange(len(queries) + 1, dtype=np.int32)), label)
    return pa.table({"search_id": queries["query_id"], "segment": one_each})


def waves(latitude: np.ndarray, longitude: np.ndarray, scale_km: float, length: float) -> pa.ListArray:
    """list<float>, 2 x WAVES numbers of that length: cosine and sine of WAVES plane waves through the sphere.

    The cosine of two points is near exp(-(distance / scale_km)^2 / 2), within about 1 / sqrt(WAVES).
    """
    north, east = np.radians(latitude), np.radians(longitude)
    points = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)
    directions = np.random.default_rng(0).standard_normal((3, WAVES))
    phases = points @ directions * (EARTH_KM / scale_km)
    values = np.hstack([np.cos(phases), np.sin(phases)]) * (length / np.sqrt(WAVES))
    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1])
    return pa.ListArray.from_arrays(offsets, pa.array(values.astype(np.float32).ravel()))


def _with_place(
    table: pa.Table, country: pa.ChunkedArray, admin1: pa.ChunkedArray, where: tuple, length: float
) -> pa.Table:
    """The table with region, near and far. where: latitudes and longitudes, degrees."""
    table = table.append_column("region", pc.binary_join_element_wise(country, admin1, pa.scalar(".", country.type)))
    table = table.append_column("near", waves(*where, NEAR_KM, length))
    return table.append_column("far", waves(*where, FAR_KM, length))


def _searcher_ids(queries: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise("near", queries["query_id"].cast(pa.string()), "-")


def _times(splits: list[str]) -> pa.Array:
    """A minute after the other from the start of the query's split."""
    minutes = dict.fromkeys(STARTS, 0)
    times = []
    for split in splits:
        times.append(STARTS[split] + datetime.timedelta(minutes=minutes[split]))
        minutes[split] += 1
    return pa.array(times, pa.timestamp("us"))


def _percent(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode()) % 100


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
