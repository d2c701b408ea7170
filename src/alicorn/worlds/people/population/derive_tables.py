"""Makes `data/places.parquet` and `data/nicknames.parquet` from their sources. Run by hand when a source changes.

    python -m alicorn.worlds.people.population.derive_tables GEONAMES_CORPUS.parquet NICKNAMES.parquet

GEONAMES_CORPUS: title, country, admin1, latitude, longitude, population (GeoNames cities15000, CC BY 4.0).
NICKNAMES: name1, relationship, name2 in lower case (carltonnorthern/nicknames, Apache-2.0).
"""

import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.worlds.people.population.names import ORIGINS, first_name_vocabulary
from alicorn.worlds.people.population.places import DATA

NUM_PLACES = 2000


def derive_places(corpus: pa.Table) -> pa.Table:
    """The most populous cities of the countries people of the world live in."""
    kept = corpus.filter(pc.is_in(corpus["country"], pa.array(list(ORIGINS), corpus["country"].type)))
    # Sections of another city (boroughs) are listed beside it; they stay, as places of their own.
    kept = kept.sort_by([("population", "descending"), ("doc_id", "ascending")]).slice(0, NUM_PLACES)
    region = pc.binary_join_element_wise(kept["country"].cast(pa.string()), kept["admin1"].cast(pa.string()), ".")
    return pa.table(
        {
            "city": kept["title"].cast(pa.string()),
            "region": region,
            "country": kept["country"].cast(pa.string()),
            "latitude": kept["latitude"].cast(pa.float32()),
            "longitude": kept["longitude"].cast(pa.float32()),
            "population": kept["population"].cast(pa.int64()),
        }
    )


def derive_nicknames(pairs: pa.Table) -> pa.Table:
    """Pairs whose first name occurs in the world's name lists; single words of three letters or more."""
    known = {name.lower() for name in first_name_vocabulary()}
    rows = {
        (name, nickname)
        for name, nickname in zip(pairs["name1"].to_pylist(), pairs["name2"].to_pylist(), strict=True)
        if nickname and nickname.isalpha() and name in known and len(nickname) >= 3 and name != nickname
    }
    ordered = sorted(rows)
    return pa.table({"name": [name for name, _ in ordered], "nickname": [nickname for _, nickname in ordered]})


def main(corpus_path: str, nicknames_path: str) -> None:
    pq.write_table(derive_places(pq.read_table(corpus_path)), DATA / "places.parquet", compression="zstd")
    pq.write_table(derive_nicknames(pq.read_table(nicknames_path)), DATA / "nicknames.parquet", compression="zstd")


if __name__ == "__main__":
    main(*sys.argv[1:])
