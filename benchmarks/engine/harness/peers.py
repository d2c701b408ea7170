"""The engines we compare with, one class each: brute force, Faiss (four indexes), hnswlib, ScaNN, and `adaptive`.

Each is used as a careful user would: bitmaps, masks and selectors of whole filters are made beforehand and kept (what
making one costs is measured apart, by `select`); only `brute force` and `adaptive` combine posting lists in the
request, as we do. All answer with row numbers; ours answers with doc_ids.

A peer has
    build(data, folder)               static: make the index from nothing, and write it (not brute force, adaptive)
    Peer(data, folder, filters)       open it
    can(request)                      whether it can answer at all
    ladders(requests, exact)          lists of settings, each list rising in cost and recall
    bind(requests, setting)           -> function of i that answers requests[i]; everything before it is free
    documents(answer)                 -> row numbers, not timed
    select(filter)                    make what the filter needs, from the mask (Faiss, hnswlib)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from harness.posting_lists import PostingLists
from harness.vectors import Data
from harness.workload import Filter, Filters, Request, largest

try:
    import hnswlib
except ImportError:  # the `peers` extra is not installed
    hnswlib = None
try:
    import scann
except ImportError:
    scann = None

Ladder = list[Any]
PROBES = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
_EFS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096)
_MOST_FETCHED = 30_000
_TRAINING_POINTS = 64  # a cluster, as our own quantizer


def num_clusters(count: int) -> int:
    """What alicorn takes: about 4 sqrt(n), as a power of two."""
    return 1 << max(0, round(np.log2(4 * np.sqrt(count))))


def _fetches(request: Request) -> tuple[float, ...]:
    """How many candidates get exact scores, as multiples of k."""
    return (3, 6, 10, 20, 40) if request.k is not None and request.k < 100 else (1.2, 1.5, 2, 3, 6)


def _train(index: faiss.Index, vectors: np.ndarray, seed: int = 0) -> None:
    """On a sample of 64 points a cluster, k-means of 10 rounds: the same as alicorn's."""
    inner = faiss.extract_index_ivf(index)
    inner.cp.niter, inner.cp.seed, inner.cp.spherical = 10, seed + 1, True
    inner.cp.min_points_per_centroid, inner.cp.max_points_per_centroid = 1, _TRAINING_POINTS + 1
    size = min(len(vectors), max(_TRAINING_POINTS * inner.nlist, 131_072))
    chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), size, replace=False))
    index.train(np.ascontiguousarray(vectors[chosen]))


def _add(index: faiss.Index, vectors: np.ndarray) -> None:
    for start in range(0, len(vectors), 50_000):
        index.add(np.ascontiguousarray(vectors[start : start + 50_000]))


class BruteForce:
    """One matrix product over the filter's stored vectors and a partial sort: what a user writes by hand."""

    name = "brute force"

    def __init__(self, data: Data, filters: Filters) -> None:
        self.vectors = np.load(data.folder / "vectors.npy")  # in memory, not mapped
        self.terms = PostingLists(filters.postings, len(data))

    def can(self, request: Request) -> bool:
        return True

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        return [[None]]

    def bind(self, requests: Sequence[Request], setting: None) -> Callable[[int], np.ndarray]:
        def search(i: int) -> np.ndarray:
            request = requests[i]
            documents = None if request.filter is None else self.terms.documents(request.filter)
            found = scan(self.vectors, documents, request)
            return found if request.also is None else np.union1d(found, self.terms.documents(request.also))

        return search

    documents = staticmethod(lambda answer: answer)


def scan(vectors: np.ndarray, documents: np.ndarray | None, request: Request) -> np.ndarray:
    """The request's answer among some documents (None: all) by exact inner products."""
    scores = (vectors if documents is None else vectors[documents]) @ request.query
    if request.k is None:
        assert request.radius is not None
        best = np.flatnonzero(scores >= 1.0 - request.radius)
    else:
        best = largest(scores, request.k)
    return best if documents is None else documents[best]


class _Faiss(ABC):
    """What the four Faiss indexes share: reading, selectors from bitmaps, searching."""

    name: str
    fingerprint = staticmethod(lambda: faiss.__version__)

    def __init__(self, data: Data, folder: Path, filters: Filters) -> None:
        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(str(folder / "index.faiss"))
        self.filters = filters
        self.selectors: dict[Filter | None, Any] = {None: None}

    def can(self, request: Request) -> bool:
        return request.k is not None

    def bind(self, requests: Sequence[Request], setting: Any) -> Callable[[int], np.ndarray]:
        parameters = self.bound(requests, setting)
        queries = [request.query[None] for request in requests]
        index, k = self.index, requests[0].k

        def search(i: int) -> np.ndarray:
            return index.search(queries[i], k, params=parameters[i])[1][0]

        return search

    def bound(self, requests: Sequence[Request], setting: Any) -> list[Any]:
        """Search parameters of each request; requests of the same filter share theirs."""
        for request in requests:
            if request.filter not in self.selectors:
                self.selectors[request.filter] = self.select(request.filter)
        made = {one: self.parameters(self.selectors[one], setting) for one in {r.filter for r in requests}}
        return [made[request.filter] for request in requests]

    def select(self, filter: Filter) -> faiss.IDSelectorBitmap:
        return faiss.IDSelectorBitmap(np.packbits(self.filters.mask(filter), bitorder="little"))

    @abstractmethod
    def parameters(self, selector: Any, setting: Any) -> Any:
        """Search parameters of Faiss."""

    def documents(self, answer: np.ndarray) -> np.ndarray:
        return answer[answer >= 0]


class IVFFlat(_Faiss):
    """Clusters, and the vectors themselves. A setting is nprobe. Answers a radius too."""

    name = "Faiss IVFFlat"
    codes = staticmethod(lambda dim: "Flat")

    @classmethod
    def build(cls, data: Data, folder: Path) -> None:
        index = faiss.index_factory(
            data.dim, f"IVF{num_clusters(len(data))},{cls.codes(data.dim)}", faiss.METRIC_INNER_PRODUCT
        )
        _train(index, data.vectors)
        _add(index, data.vectors)
        faiss.write_index(index, str(folder / "index.faiss"))

    def can(self, request: Request) -> bool:
        return request.also is None

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        return [[self.index.nlist]] if exact else [[*PROBES]]

    def parameters(self, selector: Any, setting: int) -> faiss.SearchParametersIVF:
        return faiss.SearchParametersIVF(nprobe=setting, sel=selector)

    def bind(self, requests: Sequence[Request], setting: int) -> Callable[[int], np.ndarray]:
        if requests[0].k is not None:
            return super().bind(requests, setting)
        parameters = self.bound(requests, setting)
        index = self.index

        def search(i: int) -> np.ndarray:
            return index.range_search(requests[i].query[None], 1.0 - requests[i].radius, params=parameters[i])[2]

        return search


class IVFSQ8(IVFFlat):
    """8-bit codes: the coarse and fine quantizer that alicorn takes by default. For the build row only."""

    name = "Faiss IVFSQ8"
    codes = staticmethod(lambda dim: "SQ8")


class _Refined(IVFFlat):
    """Codes, then exact scores of `fetch` x k of the best. A setting is (nprobe, fetch)."""

    def __init__(self, data: Data, folder: Path, filters: Filters) -> None:
        super().__init__(data, folder, filters)
        self.exact = faiss.IndexFlatIP(data.dim)
        _add(self.exact, data.vectors)
        self.index = faiss.IndexRefine(self.index, self.exact)

    def can(self, request: Request) -> bool:
        return request.k is not None

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        fetches = _fetches(requests[0])
        return [] if exact else [[(nprobe, fetch) for nprobe in PROBES] for fetch in fetches]

    def parameters(self, selector: Any, setting: tuple[int, float]) -> faiss.IndexRefineSearchParameters:
        inner = faiss.SearchParametersIVF(nprobe=setting[0], sel=selector)
        return faiss.IndexRefineSearchParameters(k_factor=setting[1], base_index_params=inner)


class IVFPQFastScan(_Refined):
    """4-bit product codes scanned in registers, refined."""

    name = "Faiss IVFPQFastScan"
    codes = staticmethod(lambda dim: f"PQ{dim // 2}x4fs")


class IVFRaBitQ(_Refined):
    """One bit a dimension, scanned in registers, refined."""

    name = "Faiss IVFRaBitQ"
    codes = staticmethod(lambda dim: "RaBitQfs")


class FaissHNSW(_Faiss):
    """A graph, M 16, efConstruction 100. A setting is efSearch."""

    name = "Faiss HNSW"

    @staticmethod
    def build(data: Data, folder: Path) -> None:
        index = faiss.IndexHNSWFlat(data.dim, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 100
        _add(index, data.vectors)
        faiss.write_index(index, str(folder / "index.faiss"))

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        return [] if exact else [[ef for ef in _EFS if ef >= (requests[0].k or 0)]]

    def parameters(self, selector: Any, setting: int) -> faiss.SearchParametersHNSW:
        return faiss.SearchParametersHNSW(efSearch=setting, sel=selector)


class Hnswlib:
    """A graph, M 16, ef_construction 100, with a filter function. A setting is ef."""

    name = "hnswlib"
    fingerprint = staticmethod(lambda: version("hnswlib"))

    @staticmethod
    def build(data: Data, folder: Path) -> None:
        index = hnswlib.Index("ip", data.dim)
        index.init_index(len(data), M=16, ef_construction=100, random_seed=1)
        index.set_num_threads(faiss.omp_get_max_threads())
        for start in range(0, len(data), 50_000):
            index.add_items(np.ascontiguousarray(data.vectors[start : start + 50_000]))
        index.save_index(str(folder / "index.hnsw"))

    def __init__(self, data: Data, folder: Path, filters: Filters) -> None:
        self.index = hnswlib.Index("ip", data.dim)
        self.index.load_index(str(folder / "index.hnsw"), len(data))
        self.index.set_num_threads(1)
        self.filters = filters
        self.functions: dict[Filter | None, Any] = {None: None}

    def can(self, request: Request) -> bool:
        return request.k is not None

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        return [] if exact else [[ef for ef in _EFS if ef >= (requests[0].k or 0)]]

    def select(self, filter: Filter) -> Callable[[int], int]:
        return self.filters.mask(filter).tobytes().__getitem__

    def bind(self, requests: Sequence[Request], setting: int) -> Callable[[int], np.ndarray]:
        for request in requests:
            if request.filter not in self.functions:
                self.functions[request.filter] = self.select(request.filter)
        self.index.set_ef(setting)
        index, k, functions = self.index, requests[0].k, self.functions

        def search(i: int) -> np.ndarray:
            try:
                return index.knn_query(requests[i].query, k, num_threads=1, filter=functions[requests[i].filter])[0][0]
            except RuntimeError:  # it met fewer than k documents of the filter, and then gives none
                return np.empty(0, dtype=np.int64)

        return search

    documents = staticmethod(lambda answer: answer.astype(np.int64))


class ScaNN:
    """Tree, anisotropic 4-bit codes, exact reordering; it has no filter, so it fetches more and drops the rest.

    A setting is (leaves, fetched).
    """

    name = "ScaNN"
    fingerprint = staticmethod(lambda: version("scann"))

    @staticmethod
    def build(data: Data, folder: Path) -> None:
        count = len(data)
        leaves = max(1, round(2 * np.sqrt(count)))
        builder = scann.scann_ops_pybind.builder(np.ascontiguousarray(data.vectors), 10, "dot_product")
        builder = builder.tree(leaves, max(1, leaves // 20), training_sample_size=min(count, 250_000))
        searcher = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).build()
        searcher.serialize(str(folder))

    def __init__(self, data: Data, folder: Path, filters: Filters) -> None:
        self.searcher = scann.scann_ops_pybind.load_searcher(str(folder))
        self.count = len(data)
        self.filters = filters

    def can(self, request: Request) -> bool:
        return request.k is not None

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        k = requests[0].k
        assert k is not None
        filters = {request.filter for request in requests}
        share = float(np.mean([1.0 if one is None else self.filters.mask(one).mean() for one in filters]))
        fetched = [round(times * k / max(share, 1e-9)) for times in _fetches(requests[0])]
        fetched = [number for number in fetched if number <= min(_MOST_FETCHED, self.count)]
        return [] if exact else [[(leaves, number) for leaves in PROBES] for number in fetched]

    def bind(self, requests: Sequence[Request], setting: tuple[int, int]) -> Callable[[int], np.ndarray]:
        leaves, fetched = setting
        masks = [None if request.filter is None else self.filters.mask(request.filter) for request in requests]
        k, searcher = requests[0].k, self.searcher

        def search(i: int) -> np.ndarray:
            wanted = k if masks[i] is None else fetched
            found = searcher.search(requests[i].query, wanted, fetched, leaves)[0]
            return found if masks[i] is None else found[masks[i][found]][:k]

        return search

    documents = staticmethod(lambda answer: answer.astype(np.int64))


@dataclass(frozen=True)
class Adapted:
    """A setting of `adaptive`: brute force over at most `most` documents, above it nprobe and fetch."""

    most: int
    nprobe: int
    fetch: float


class Adaptive:
    """What a careful user writes by hand: posting lists and bitmaps of terms as NumPy arrays, brute force over few
    documents, above a tuned threshold Faiss: fast-scan codes with a bitmap for k, IVFFlat for a radius."""

    name = "adaptive"

    borrowed = (IVFPQFastScan, IVFFlat)

    def __init__(self, data: Data, near: IVFPQFastScan, within: IVFFlat, filters: Filters) -> None:
        self.vectors = np.load(data.folder / "vectors.npy")
        self.near, self.within = near, within
        self.terms = PostingLists(filters.postings, len(data))

    def can(self, request: Request) -> bool:
        return True

    def ladders(self, requests: Sequence[Request], exact: bool) -> list[Ladder]:
        thresholds = (0,) if requests[0].filter is None else (0, 1_000, 3_000, 10_000, 30_000, 100_000)
        if requests[0].k is None:
            probes = (self.within.index.nlist,) if exact else PROBES
            return [[Adapted(most, nprobe, 0.0) for nprobe in probes] for most in thresholds]
        if exact:
            return [[Adapted(len(self.vectors), 1, 1.0)]]
        return [[Adapted(most, n, fetch) for n in PROBES] for most in thresholds for fetch in _fetches(requests[0])]

    def bind(self, requests: Sequence[Request], setting: Adapted) -> Callable[[int], np.ndarray]:
        terms, single = self.terms, {}
        for request in requests:  # selectors of single terms are kept, those of combinations are made in the request
            if request.filter is None or request.filter == Filter(request.filter.all_of[:1]):
                bits = None if request.filter is None else faiss.IDSelectorBitmap(terms.combined(request.filter))
                single[request.filter] = self._parameters(request, bits, setting)

        def search(i: int) -> np.ndarray:
            request = requests[i]
            found = near(request)
            return found if request.also is None else np.union1d(found, terms.documents(request.also))

        def near(request: Request) -> np.ndarray:
            if request.filter is not None and terms.size(request.filter) <= setting.most:
                return scan(self.vectors, terms.documents(request.filter), request)
            parameters = single.get(request.filter)
            if parameters is None:
                bits = faiss.IDSelectorBitmap(terms.combined(request.filter))
                parameters = self._parameters(request, bits, setting)
            if request.k is None:
                index, least = self.within.index, 1.0 - request.radius
                return index.range_search(request.query[None], least, params=parameters)[2]
            return self.near.index.search(request.query[None], request.k, params=parameters)[1][0]

        return search

    def _parameters(self, request: Request, selector: Any, setting: Adapted) -> Any:
        if request.k is None:
            return self.within.parameters(selector, setting.nprobe)
        return self.near.parameters(selector, (setting.nprobe, setting.fetch))

    def documents(self, answer: np.ndarray) -> np.ndarray:
        return answer[answer >= 0]
