"""alicorn.Collection with the same face as the peers of peers.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from harness.peers import PROBES, Ladder
from harness.vectors import Data
from harness.workload import Request

import alicorn
from alicorn import Collection

_BATCH = 50_000
_ALL = 1_000_000_000


# A setting: in how many clusters to look, and for filters of how many documents or more; in all clusters otherwise.
Setting = tuple[int, int] | None
_RECALLS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
_RARE = (0, 3_000, 10_000, 30_000)  # documents
# The loops that rare filters need are read from disk when they are first called, 5 ms each: no part of a request.
_LOADING = [
    f"(nn x :k 10{look} :filter {filter})"
    for look in ("", " :nprobe 4", " :recall 0.9")
    for filter in ("half", "u:1%", "(and half u:30%)", "(or half u:30%)")
]


class Alicorn:
    """Our engine with its default settings, used as a careful user would: complete where a filter's documents are few.

    How many they are is asked beforehand, as the peers' bitmaps are made beforehand.
    """

    name = "alicorn"
    stored = "float32"

    @classmethod
    def fingerprint(cls) -> str:
        """Of the code that writes a collection: another code, another index."""
        source = xxhash.xxh3_64()
        for room in ("quantization", "index"):
            for file in sorted((Path(alicorn.__file__).parent / room).rglob("*.py")):
                source.update(file.read_bytes())
        kept = "" if cls.stored == Alicorn.stored else f"{cls.stored}-"
        return kept + source.hexdigest()[:8]

    @classmethod
    def build(cls, data: Data, folder: Path) -> None:
        collection = Collection.create(folder / "collection", {"x": {"dim": data.dim, "stored": cls.stored}})
        for table in tables(data):
            collection.upsert(table)
        collection.flush()
        collection.merge()
        collection.close()

    def __init__(self, data: Data, folder: Path) -> None:
        self.collection = Collection.open(folder / "collection", read_only=True)
        self._counts: dict[str, int] = {}
        for asked in _LOADING:
            self.collection.search(asked, {"x": data.vectors[0]})
        self.collection.search_many([_LOADING[1]] * 2, {"x": data.vectors[:2]})

    def can(self, request: Request) -> bool:
        return True

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        if exact:
            return [[None]]
        varied = len({request.filter for request in requests}) > 1
        return [*([(nprobe, rare) for nprobe in PROBES] for rare in (_RARE if varied else _RARE[:1])), [None]]

    def expressions(self, requests: Sequence[Request], setting: Setting) -> list[str]:
        return [expression(request, self._nprobe(request, setting)) for request in requests]

    def _nprobe(self, request: Request, setting: Setting) -> int | None:
        if setting is None:
            return None
        nprobe, rare = setting
        return nprobe if request.filter is None or self._count(request.filter.expression()) >= rare else None

    def _count(self, filter: str) -> int:
        if filter not in self._counts:
            self._counts[filter] = self.collection.search(filter, limit=0).total
        return self._counts[filter]

    def bind(self, requests: Sequence[Request], setting: Setting) -> Callable[[int], Any]:
        search = self.collection.search
        expressions = self.expressions(requests, setting)
        vectors = [{"x": request.query} for request in requests]
        limit = requests[0].k or _ALL
        order = None if requests[0].k else "static_rank"  # of a radius the set is asked for, by no distance
        return lambda i: search(expressions[i], vectors[i], limit, order).ids

    def bind_batch(self, requests: Sequence[Request], setting: Setting, size: int) -> Callable[[int], Any]:
        """One search_many per `size` requests."""
        expressions = self.expressions(requests, setting)
        queries = np.stack([request.query for request in requests])
        limit = requests[0].k or _ALL

        def search(i: int) -> list[list[str]]:
            block = slice(i * size, (i + 1) * size)
            results = self.collection.search_many(expressions[block], {"x": queries[block]}, limit)
            return [result.ids for result in results]

        return search

    @staticmethod
    def documents(answer: list[str]) -> np.ndarray:
        return np.array([int(doc_id[1:]) for doc_id in answer], dtype=np.int64)

    def work(self, request: Request, setting: Setting) -> dict[str, int]:
        """What explain counted for one request, summed over the nodes, and the bytes that this is.

        A scanned code is read with its error bound of 4 bytes; an exact distance reads a stored vector.
        """
        asked = self.expressions([request], setting)[0]
        result = self.collection.search(asked, {"x": request.query}, request.k or _ALL, explain=True)
        assert result.explanation is not None
        names = ("documents_scanned", "documents_refined", "exact_distances", "clusters_probed")
        counts = dict.fromkeys(names, 0)
        pending = [result.explanation.to_dict()]
        while pending:
            step = pending.pop()
            for name in names:
                counts[name] += step.get(name, 0)
            pending.extend(step.get("children", ()))
        quantizer = self.collection.snapshot().quantizers["x"]
        codec = quantizer.codec
        counts["code_bytes"] = counts["documents_scanned"] * (codec.scan_size + 4)
        counts["code_bytes"] += counts["documents_refined"] * (codec.code_size - codec.scan_size + 4)
        counts["vector_bytes"] = counts["exact_distances"] * quantizer.vector_bytes
        return counts


class OneSetting(Alicorn):
    """The same collection, asked by one expression for the whole row: `:recall r`, whatever the filter."""

    def __init__(self, opened: Alicorn) -> None:
        self.collection = opened.collection

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        return [[f":recall {recall}" for recall in _RECALLS]]

    def expressions(self, requests: Sequence[Request], setting: Any) -> list[str]:
        return [expression(request, None, setting) for request in requests]


class Codes(Alicorn):
    """The same, keeping nothing of a vector but its 8-bit code."""

    stored = "codes"


def expression(request: Request, nprobe: int | None, option: str = "") -> str:
    """The request in our language. option: of the `nn`, as it is written."""
    near = f"(nn x :k {request.k}" if request.k else f"(nn x :radius {request.radius}"
    if nprobe is not None:
        near += f" :nprobe {nprobe}"
    if option:
        near += f" {option}"
    if request.filter is not None and request.k:
        near += f" :filter {request.filter.expression()}"
    near += ")"
    if request.filter is not None and not request.k:
        near = f"(and {request.filter.expression()} {near})"
    return near if request.also is None else f"(or {request.also.expression()} {near})"


def tables(data: Data, size: int = _BATCH):
    """The documents as the tables that upsert takes, of `size` documents."""
    names = pa.array(data.names)
    offsets, numbers = data.tags
    for start in range(0, len(data), size):
        stop = min(start + size, len(data))
        tags = names.take(pa.array(numbers[offsets[start] : offsets[stop]]))
        mapped = np.load(data.folder / "vectors.npy", mmap_mode="r")  # anew: what was read stays in memory with the map
        vectors = np.array(mapped[start:stop]).ravel()
        yield pa.table(
            {
                "doc_id": [f"d{number:09d}" for number in range(start, stop)],
                "terms": pa.ListArray.from_arrays((offsets[start : stop + 1] - offsets[start]).astype(np.int32), tags),
                "embedding:x": pa.FixedSizeListArray.from_arrays(pa.array(vectors), data.dim),
            }
        )
