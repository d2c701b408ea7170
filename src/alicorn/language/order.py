"""How an order of hits is written: scores, sums of them, reciprocal-rank fusion, stored columns.

    "nn"  "static_rank"  "bm25"           a score, the best first
    "nn:people"  "bm25:title"             the cosine to the nn of one key; BM25 of the terms of one prefix
    {"nn": 0.7, "bm25": 0.3}              a weighted sum of scores and of stored numbers, the best first
    {"bm25": {"weight": 0.3, "half_at": 8}, "nn": 1}
                                          a part on its own scale: x / (|x| + 8), which is 0.5 at 8
    {"bm25": {"fields": {"title": 3, "text": 1}}}
                                          BM25F: the words of the expression in fields of these weights
    {"phrase:text": {"weight": 0.2, "slop": 1}, "nn": 1}
                                          the share of neighbouring words of the expression that are neighbours in the
                                          document, too, within some slop; their prefix keeps positions
    {"votes": {"weight": 0.1, "log": true}, "nn": 1}
                                          ln(1 + x); of a negative number -ln(1 - x)
    {"rrf": ["nn", "bm25"], "k": 60}      reciprocal-rank fusion: the sum of 1 / (k + rank) over the parts
    {"rrf": {"nn": 2, "bm25": 1}}         with weights
    "price"  "price asc"  "price desc"    a stored column, rising or falling; null and NaN last either way
    ["in_stock desc", "bm25", "price"]    several keys: the second decides where the first is equal

A name with a direction is always that of a column, even if a score has the same name.
Source of the fusion: Cormack, Clarke and Büttcher, SIGIR 2009, whose k is 60.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

import numpy as np

from alicorn.errors import ConfigError
from alicorn.language.values import MAX_SLOP

KeyOfOrder = str | Mapping[str, Any]
OrderBy = KeyOfOrder | Sequence[KeyOfOrder]

SCORES = ("nn", "static_rank", "bm25")
MAX_KEYS = 8
MAX_PARTS = 16
RRF_K = 60.0
_DIRECTIONS = ("asc", "desc")
_LARGEST = 1e300  # of a weight: its products with scores stay finite

_MOST_OF_FIELD = 1e6
_MOST_READ = 256  # orders that are remembered
_OPTIONS = ("weight", "half_at", "log")  # of every part
_OWN_OPTIONS = {"bm25": "fields", "phrase": "slop"}


@dataclass(frozen=True, slots=True)
class Part:
    """A score or a stored number, on a scale, with a weight.

    kind: one of SCORES, "phrase", or "column". of: the embedding key of nn, the prefix of bm25 and of phrase, the name
    of the column; "" for the first nn of the expression, for all terms, and for static_rank.
    half_at: the scale x / (|x| + half_at). log: the scale ln(1 + x). With neither, the number as it is.
    fields: of bm25, the prefixes of terms in which its words are looked for, sorted, with their weights; without any,
    BM25 of the terms as they are. slop: of phrase.
    """

    kind: str
    of: str = ""
    weight: float = 1.0
    half_at: float | None = None
    log: bool = False
    fields: tuple[tuple[str, float], ...] = ()
    slop: int = 0

    def on_scale(self, values: np.ndarray) -> np.ndarray:
        """The numbers (n,) float64 on its scale, without the weight."""
        if self.half_at is not None:
            return np.asarray(values / (np.abs(values) + self.half_at))
        return np.copysign(np.log1p(np.abs(values)), values) if self.log else values

    def __str__(self) -> str:
        return self.of if self.kind == "column" else f"{self.kind}:{self.of}" if self.of else self.kind


@dataclass(frozen=True, slots=True)
class Sum:
    """A weighted sum, the greatest first."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class RankFusion:
    """The sum of weight / (k + rank) over the parts.

    Equal documents share a rank; one that lacks a part has none in it.
    """

    parts: tuple[Part, ...]
    k: float = RRF_K


@dataclass(frozen=True, slots=True)
class ByColumn:
    """A stored column as a key."""

    name: str
    falling: bool


Order = tuple[Sum | RankFusion | ByColumn, ...]
"""At least one key. Equal documents come by doc_id."""
_read: dict[object, Order] = {}  # by how they are written


def read_order(order_by: OrderBy, where: str = "order_by") -> Order:
    """The keys of an order. where: its name in messages. Raises ConfigError.

    Names that are no score are taken for columns: whoever has the columns checks them.
    """
    if isinstance(order_by, str):
        return _of_name(order_by, where)
    try:
        known = _read.get(written := (_frozen(order_by), where))
    except TypeError:  # refused, or another kind of mapping or sequence
        return _of_keys(order_by, where)
    if known is None:
        known = _of_keys(order_by, where)
        if len(_read) >= _MOST_READ:
            _read.clear()
        _read[written] = known
    return known


def _frozen(value: object) -> object:
    """A value with a hash, equal for what is written alike alone. Raises TypeError for what JSON has not."""
    if type(value) is dict:
        return dict, *((name, _frozen(of)) for name, of in value.items())
    if type(value) is list or type(value) is tuple:
        return list, *map(_frozen, value)
    if type(value) not in (str, int, float, bool):
        raise TypeError
    return type(value), value


def _of_keys(order_by: Mapping[str, Any] | Sequence[KeyOfOrder], where: str) -> Order:
    keys = (order_by,) if isinstance(order_by, Mapping) else order_by
    if not isinstance(keys, Sequence):
        raise ConfigError(f"{where} must be a name, weights of names, or a list of them, got {type(keys).__name__}")
    if not 1 <= len(keys) <= MAX_KEYS:
        raise ConfigError(f"{where}: give 1 to {MAX_KEYS} keys, got {len(keys)}")
    return tuple(_key(key, where) for key in keys)


@lru_cache(maxsize=256)
def _of_name(name: str, where: str) -> Order:
    return (_key(name, where),)


def parts_of(order: Order) -> Iterator[Part]:
    """The parts of all its sums and fusions."""
    for key in order:
        if not isinstance(key, ByColumn):
            yield from key.parts


def without_nn(order_by: OrderBy | None) -> OrderBy | None:
    """The order of an expression whose `nn` was left out: without its parts; None, the default, if nothing stays."""
    if order_by is None or isinstance(order_by, str | Mapping):
        return _key_without_nn(order_by)
    return [key for key in map(_key_without_nn, order_by) if key is not None] or None


def _key_without_nn(key: KeyOfOrder | None) -> KeyOfOrder | None:
    if key is None or (isinstance(key, str) and _is_nn(key)):
        return None
    if isinstance(key, str):
        return key
    if "rrf" not in key:
        return {name: weight for name, weight in key.items() if not _is_nn(name)} or None
    parts = key["rrf"]
    if not isinstance(parts, Mapping):
        parts = dict.fromkeys(parts, 1.0) if isinstance(parts, Sequence) else {}
    kept = {name: weight for name, weight in parts.items() if not _is_nn(name)}
    return {**key, "rrf": kept} if kept else None


def _is_nn(name: str) -> bool:
    return name == "nn" or name.startswith("nn:")


def _key(key: object, where: str) -> Sum | RankFusion | ByColumn:
    if isinstance(key, Mapping):
        return _fusion(key, where) if "rrf" in key else Sum(_parts(key, where))
    if not isinstance(key, str):
        raise ConfigError(f"{where}: a key must be a name or weights of names, got {type(key).__name__}")
    name, _, direction = key.rpartition(" ")
    if name and direction in _DIRECTIONS:
        return ByColumn(name, direction == "desc")
    part = _part(key, 1.0, where)
    return ByColumn(key, False) if part.kind == "column" else Sum((part,))


def _fusion(written: Mapping[Any, Any], where: str) -> RankFusion:
    """`{"rrf": names or weights, "k": number}`."""
    if unknown := [key for key in written if key not in ("rrf", "k")]:
        raise ConfigError(f"{where}: beside rrf there may be k, got {unknown[0]!r}: a sum is another key of the order")
    k = written.get("k", RRF_K)
    if not _is_number(k) or not 0 < k <= 1e6:
        raise ConfigError(f"{where}: k of rrf must be a number above 0, at most 1,000,000, got {k!r}")
    parts = written["rrf"]
    if not isinstance(parts, Mapping):
        if isinstance(parts, str) or not isinstance(parts, Sequence) or not all(isinstance(one, str) for one in parts):
            raise ConfigError(f"{where}: rrf takes a list of names or weights of names, got {parts!r:.80}")
        parts = dict.fromkeys(parts, 1.0)
    read = _parts(parts, where)
    for part in read:
        if part.weight <= 0 or part.half_at is not None or part.log:
            raise ConfigError(
                f"{where}: rrf fuses ranks, which no scale changes: give {part} a weight above 0 and no scale"
            )
    return RankFusion(read, float(k))


def _parts(weights: Mapping[Any, Any], where: str) -> tuple[Part, ...]:
    if not 1 <= len(weights) <= MAX_PARTS:
        raise ConfigError(
            f"{where}: give the weight of at least one of {', '.join(SCORES)} or a stored column of numbers, and of at"
            f" most {MAX_PARTS}; got {len(weights)}"
        )
    return tuple(_part(name, value, where) for name, value in weights.items())


def _part(name: object, value: object, where: str) -> Part:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{where}: weights are of {', '.join(SCORES)} or stored columns of numbers, got {name!r}")
    given: dict[Any, Any] = dict(value) if isinstance(value, Mapping) else {"weight": value}
    kind, colon, of = name.partition(":")
    own = _OWN_OPTIONS.get(kind) if kind == "phrase" or not colon else None
    allowed = (*_OPTIONS, own) if own is not None else _OPTIONS
    if unknown := [key for key in given if key not in allowed]:
        raise ConfigError(f"{where}: {name} takes {', '.join(allowed[:-1])} and {allowed[-1]}, got {unknown[0]!r}")
    weight, half_at, log = given.get("weight", 1.0), given.get("half_at"), given.get("log", False)
    if not _is_number(weight) or not -_LARGEST < weight < _LARGEST:
        raise ConfigError(f"{where}: the weight of {name!r} must be a finite number, got {weight!r}")
    if half_at is not None and (not _is_number(half_at) or not 0 < half_at < _LARGEST):
        raise ConfigError(f"{where}: half_at of {name!r} must be a finite number above 0, got {half_at!r}")
    if not isinstance(log, bool) or (log and half_at is not None):
        raise ConfigError(f"{where}: {name!r} has one scale: half_at with a number, or log: true; got {given!r}")
    if kind == "phrase" and of:
        return Part(kind, of, float(weight), half_at, log, slop=_slop(given.get("slop", 0), where))
    if kind in ("nn", "bm25") and (of or not colon):
        fields = _fields(given["fields"], where) if "fields" in given else ()
        return Part(kind, of, float(weight), half_at, log, fields)
    if name == "static_rank":
        return Part(name, "", float(weight), half_at, log)
    return Part("column", name, float(weight), half_at, log)


def _fields(written: object, where: str) -> tuple[tuple[str, float], ...]:
    """The fields of BM25F, by their prefixes: in one order, however they are written."""
    if not isinstance(written, Mapping) or not 1 <= len(written) <= MAX_PARTS:
        raise ConfigError(
            f"{where}: fields of bm25 are 1 to {MAX_PARTS} prefixes of terms with their weights, as in"
            f' {{"title": 3, "text": 1}}, got {written!r:.80}'
        )
    for prefix, weight in written.items():
        if not isinstance(prefix, str) or not prefix or ":" in prefix:
            raise ConfigError(f"{where}: a field of bm25 is a prefix of terms without its colon, got {prefix!r:.80}")
        if not _is_number(weight) or not 0 < weight <= _MOST_OF_FIELD:
            raise ConfigError(
                f"{where}: the weight of field {prefix!r} must be a number above 0, at most {_MOST_OF_FIELD:,.0f}, got"
                f" {weight!r}"
            )
    return tuple(sorted((prefix, float(weight)) for prefix, weight in written.items()))


def _slop(written: object, where: str) -> int:
    if not isinstance(written, int) or isinstance(written, bool) or not 0 <= written <= MAX_SLOP:
        raise ConfigError(f"{where}: slop of phrase must be a whole number from 0 to {MAX_SLOP}, got {written!r:.80}")
    return written


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
