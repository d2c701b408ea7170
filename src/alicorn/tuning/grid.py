"""Which settings are tried, and how many clusters does a search probe?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from alicorn.errors import ConfigError
from alicorn.quantization import CODES, FLOAT32, Settings, default_num_clusters
from alicorn.quantization.coarse.imi import MAX_CELLS, MIN_DIM
from alicorn.quantization.codecs.product import NUM_WORDS, divisor_near
from alicorn.quantization.settings import codecs_sized_by, default_num_cells

MAX_SETTINGS = 200  # each is a training of seconds
_FACTORS = (0.5, 1, 2, 4)  # of the default number of clusters
_WHOLE = ("num_clusters", "pq_bytes", "bits", "nprobe")


@dataclass(frozen=True)
class Grid:
    """All combinations of the values, of which an empty one is the default of quantization.Settings.

    pq_bytes goes with the product codecs, bits with rabitq. nprobe: from small to large until the recall is reached,
    see `ladder`. A Grid() without any value compares numbers of clusters with one codec, and codecs with one number of
    clusters.
    """

    coarse: tuple[str, ...] = ()
    num_clusters: tuple[int, ...] = ()
    codec: tuple[str, ...] = ()
    pq_bytes: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()
    nprobe: tuple[int, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Grid:
        """Of texts such as "codec=sq8,opq" or "num_clusters=256,512 nprobe=4,8". Raises ConfigError."""
        known = [field.name for field in fields(cls)]
        found: dict[str, tuple[Any, ...]] = {}
        for part in " ".join(texts).split():
            name, _, values = part.partition("=")
            if name not in known or not values:
                raise ConfigError(f"a grid is name=value,value of {', '.join(known)}, got {part!r}")
            if name in found:
                raise ConfigError(f"the grid names {name} twice: write {name}=value,value")
            found[name] = tuple(_value(name, value) for value in values.split(","))
        return cls(**found)

    def settings(self, num_vectors: int, dim: int, stored: str = FLOAT32) -> list[Settings]:
        """What is tried on so many vectors, every value filled in, each once. Raises ConfigError.

        stored: how the vectors are kept; where nothing but codes is, clusters alone are compared.
        """
        chosen = self._product() if any((self.coarse, self.num_clusters, self.codec, self.pq_bytes, self.bits)) else ()
        complete = [one.complete(num_vectors, dim) for one in chosen or _comparison(num_vectors, dim)]
        if stored == CODES:
            if self.codec or self.pq_bytes or self.bits:
                raise ConfigError(
                    "nothing but codes of 8 bits is stored: leave codec, pq_bytes and bits out of the grid"
                )
            complete = [Settings(one.coarse, one.num_clusters) for one in complete]
        distinct = list(dict.fromkeys(complete))
        if len(distinct) > MAX_SETTINGS:
            raise ConfigError(f"the grid has {len(distinct)} settings, at most {MAX_SETTINGS} are tried: name fewer")
        return distinct

    def ladder(self, num_clusters: int) -> list[int]:
        """The numbers of clusters to look in, rising: those given, or 1, 2, 3, 4, 6, 8, 12, 16 ... all."""
        steps = self.nprobe or tuple(sorted({step << shift for step in (2, 3) for shift in range(17)} | {1}))
        return sorted({min(step, num_clusters) for step in steps})

    def _product(self) -> Iterator[Settings]:
        default = (None,)
        codecs = self.codec or default
        for coarse, num_clusters, codec in product(self.coarse or default, self.num_clusters or default, codecs):
            sizes: tuple[int | None, ...] = default
            if codec in codecs_sized_by("pq_bytes") or (codec is None and self.pq_bytes):
                sizes = self.pq_bytes or default
            bits: tuple[int | None, ...] = default
            if codec in codecs_sized_by("bits") or (codec is None and self.bits):
                bits = self.bits or default
            for one_size, one_bits in product(sizes, bits):
                yield Settings(coarse, num_clusters, codec, one_size, one_bits)


def _comparison(num_vectors: int, dim: int) -> Iterator[Settings]:
    """Clusters by one codec, codecs by one number of clusters: a cross through the default."""
    clusters, cells = default_num_clusters(num_vectors), default_num_cells(num_vectors)
    for factor in _FACTORS:
        yield Settings("ivf", max(1, int(clusters * factor)))
    if dim >= MIN_DIM:
        yield from (Settings("imi", cells * factor) for factor in (1, 4) if cells * factor <= MAX_CELLS)
    yield Settings(codec="none")
    yield from (Settings(codec="rabitq", bits=bits) for bits in (1, 2, 4))
    if num_vectors >= NUM_WORDS:
        yield from (Settings(codec=codec, pq_bytes=divisor_near(dim, dim / 4)) for codec in codecs_sized_by("pq_bytes"))
        yield Settings(codec="opq", pq_bytes=divisor_near(dim, dim / 8))


def _value(name: str, text: str) -> str | int:
    if name not in _WHOLE:
        return text
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigError(f"{name} in a grid is a whole number from 1, got {text!r}")
    return number
