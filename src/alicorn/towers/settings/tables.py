"""Ids and n-grams as vectors: the kinds of tables that a recipe's `towers.tables` may name.

    tables:
      text: {buckets: 131072, dim: 128}                                     # table.py, one row for each bucket
      brand: {kind: hashed, buckets: 4096, dim: 16, hashes: 2}              # hashed.py, each id the sum of some rows
      product: {kind: dhe, dim: 16, hashes: 1024, width: 64, layers: 4}     # dhe.py, a network instead of rows

Each lists the features that read it beside the defaults, as `features: [request.city]`. Every kind has a vector for
every id, seen before or not. A table whose buckets are many times its ids keeps nearly all of them apart, which is what
papers call a full table; one of fewer buckets than ids is their hashing trick.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag

from alicorn.config import Config

FINGERPRINTS = 2**31 - 2
"""Buckets of an id that is to be hashed further: few of a million ids share one."""


class BucketTable(Config):
    """An embedding table. features: those that read it beside the defaults, as `request.city`."""

    kind: Literal["table"] = "table"
    buckets: Annotated[int, Field(ge=1, lt=2**31 - 1)]
    dim: PositiveInt
    features: tuple[str, ...] = ()


class Hashed(Config):
    """A table of which each id reads `hashes` rows, so that few ids read the same ones."""

    kind: Literal["hashed"]
    buckets: Annotated[int, Field(ge=1, lt=2**31 - 1)]
    dim: PositiveInt
    hashes: Annotated[int, Field(ge=2)] = 2
    features: tuple[str, ...] = ()


class DHE(Config):
    """Deep hash embedding. hashes: k of the paper. width, layers: of the hidden layers."""

    kind: Literal["dhe"]
    dim: PositiveInt
    hashes: Annotated[int, Field(ge=2)] = 1024
    width: PositiveInt = 64
    layers: PositiveInt = 4
    features: tuple[str, ...] = ()


def _kind(value: Any) -> str:
    return value.get("kind", "table") if isinstance(value, dict) else getattr(value, "kind", "table")


AnyTable = Annotated[
    Annotated[BucketTable, Tag("table")] | Annotated[Hashed, Tag("hashed")] | Annotated[DHE, Tag("dhe")],
    Discriminator(_kind),
]


def buckets_of(table: BucketTable | Hashed | DHE) -> int:
    """What an id is hashed to before the table reads it."""
    return table.buckets if isinstance(table, BucketTable) else FINGERPRINTS
