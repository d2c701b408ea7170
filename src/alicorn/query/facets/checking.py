"""Does a facet fit the collection?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.interval import Number, has_interval, interval
from alicorn.query.facets.facet import BucketWidth, Facet
from alicorn.query.facets.histogram import UNITS, has_days, is_number
from alicorn.query.order.keys import can_order

MAX_FACETS = 32
MAX_TOP = 10_000
MAX_EDGES = 1_000


def check_facets(facets: Mapping[str, Facet] | None, columns: Mapping[str, pa.DataType]) -> dict[str, Facet]:
    """The facets by name. columns: the collection's stored columns. Raises ConfigError."""
    if facets is None:
        return {}
    if not isinstance(facets, Mapping) or len(facets) > MAX_FACETS:
        raise ConfigError(f"facets must be at most {MAX_FACETS} facets by name, such as {{'brand': Facet('brand')}}")
    for name, facet in facets.items():
        if not isinstance(facet, Facet):
            raise ConfigError(f"facet {name!r} must be a Facet, got {type(facet).__name__}")
        _check(f"facet {name!r}", facet, columns)
    return dict(facets)


def _check(what: str, facet: Facet, columns: Mapping[str, pa.DataType]) -> None:
    if (facet.column is None) == (facet.prefix is None):
        raise ConfigError(f"{what}: give a column or a prefix of terms, one of them")
    if isinstance(facet.top, bool) or not isinstance(facet.top, int) or not 1 <= facet.top <= MAX_TOP:
        raise ConfigError(f"{what}: top must be a whole number from 1 to {MAX_TOP}, got {facet.top!r}")
    if facet.prefix == "":
        raise ConfigError(f"{what}: the prefix is empty; give one such as 'tag:'")
    if (facet.edges or facet.interval is not None) and facet.prefix is not None:
        raise ConfigError(f"{what}: edges and interval are of a column, and terms have none")
    if facet.edges and facet.interval is not None:
        raise ConfigError(f"{what}: give edges or an interval, not both")
    if facet.column is None:
        return
    kind = columns.get(facet.column)
    if kind is None or not (can_order(kind) or is_list_of_strings(kind)):
        found = f"{facet.column[:40]!r} is {kind}" if kind is not None else f"there is no {facet.column[:40]!r}"
        allowed = [name for name, one in columns.items() if can_order(one) or is_list_of_strings(one)]
        raise ConfigError(
            f"{what}: needs a stored column of strings, lists of strings, numbers, booleans or times, but {found};"
            f" the collection has: {', '.join(sorted(allowed)) or 'none'}"
        )
    if facet.edges and not has_interval(kind):
        raise ConfigError(f"{what}: edges need a column of numbers, booleans or times, but {facet.column!r} is {kind}")
    _check_edges(what, facet.edges, kind)
    if facet.interval is not None:
        _check_interval(what, facet.interval, facet.column, kind)


def _check_edges(what: str, edges: tuple[float | str, ...], kind: pa.DataType) -> None:
    if len(edges) > MAX_EDGES:
        raise ConfigError(f"{what}: at most {MAX_EDGES} edges, got {len(edges)}")
    numbers = [edge for edge in edges if isinstance(edge, int | float) and not isinstance(edge, bool)]
    texts = [edge for edge in edges if isinstance(edge, str)]
    wrong: list[object] = [edge for edge in edges if isinstance(edge, bool) or not isinstance(edge, int | float | str)]
    wrong += [edge for edge in numbers if not math.isfinite(edge)]
    if wrong or (numbers and texts):
        raise ConfigError(
            f"{what}: the edges are finite numbers, or times of ISO 8601, not both;"
            f" got {wrong[0] if wrong else list(edges[:10])!r}"
        )
    rises = [_comparable(what, edge, kind) for edge in texts] if texts else numbers
    if any(low >= high for low, high in itertools.pairwise(rises)):
        raise ConfigError(f"{what}: the edges must rise, got {list(edges[:10])}")


def _comparable(what: str, edge: str, kind: pa.DataType) -> Number:
    """A time as a number of the column's ticks."""
    try:
        ends = None if pa.types.is_null(kind) else interval(kind, edge, None)
    except ValueError as error:
        raise ConfigError(f"{what}: its column {error}") from None
    if ends is None:
        raise ConfigError(f"{what}: edge {edge[:40]!r} is beyond what a column of {kind} can have")
    return ends[0]


def _check_interval(what: str, interval: BucketWidth, column: str, kind: pa.DataType) -> None:
    if isinstance(interval, str):
        is_possible, fits = interval in UNITS, has_days(kind)
    else:
        is_possible = not isinstance(interval, bool) and isinstance(interval, int | float)
        is_possible, fits = is_possible and math.isfinite(interval) and interval > 0, is_number(kind)
    if not is_possible:
        raise ConfigError(
            f"{what}: an interval is a number above 0, or of dates and timestamps one of {', '.join(UNITS)};"
            f" got {interval!r}"
        )
    if not fits and not pa.types.is_null(kind):
        needed = "dates or timestamps" if isinstance(interval, str) else "integers, floats or decimals"
        raise ConfigError(f"{what}: interval {interval!r} needs a column of {needed}, but {column!r} is {kind}")


def is_list_of_strings(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_string(kind.value_type))
