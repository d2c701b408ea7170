"""How near is exact search to the speed of the bare matrix product? The limit of `alicorn.evaluation.systems.exact`.

Data: unit vectors with clusters, seeded. Baseline: numpy's float32 product of the same blocks, with nothing selected.
Quality: the answer is exact; the agreement with Faiss's flat search, which does not settle ties, is printed beside it.
What bounds it: arithmetic. At k = 1000 the second scoring reads 1,032 scattered documents per request.

    python benchmarks/learning/exact_search.py [--documents 200000] [--requests 2048] [--dim 128]

2 cores of an AMD EPYC with little other work, 2,048 requests over 200,000 x 128 of uniform directions: product 0.49 s
(215 GFLOP/s); exact top 10 0.58 s, top 100 0.55 s, top 1000 0.93 s. Busy cores disturb the threads of both.
"""

import argparse
import time
from collections.abc import Callable

import faiss
import numpy as np

from alicorn.evaluation.systems.exact import exact_top_k

_BLOCK = 1024, 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=2048)
    parser.add_argument("--dim", type=int, default=128)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, arguments.dim), dtype=np.float32)
    documents = _near(rng, centres, arguments.documents)
    requests = _near(rng, centres, arguments.requests)
    exact_top_k(requests[:8], documents[:1000], 10)  # compiles

    product_s = _best_s(lambda: _product(requests, documents))
    operations = 2.0 * len(requests) * documents.size
    print(f"{len(requests):,} requests, {len(documents):,} documents, dim {arguments.dim}")
    print(f"bare product  {product_s:.2f} s  {operations / product_s / 1e9:.0f} GFLOP/s")
    for k in (10, 100, 1000):
        seconds = _best_s(lambda k=k: exact_top_k(requests, documents, k))  # type: ignore[misc]
        _, flat = faiss.knn(requests, documents, k, metric=faiss.METRIC_INNER_PRODUCT)
        agreement = np.mean(exact_top_k(requests, documents, k)[0] == flat)
        print(f"top {k:<5}     {seconds:.2f} s  {product_s / seconds:.0%} of the product; same as flat {agreement:.5f}")


def _near(rng: np.random.Generator, centres: np.ndarray, rows: int) -> np.ndarray:
    vectors = centres[rng.integers(len(centres), size=rows)]
    vectors += rng.standard_normal(vectors.shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _product(requests: np.ndarray, documents: np.ndarray) -> None:
    out = np.empty(_BLOCK, dtype=np.float32)
    for row in range(0, len(requests), _BLOCK[0]):
        for first in range(0, len(documents), _BLOCK[1]):
            left, right = requests[row : row + _BLOCK[0]], documents[first : first + _BLOCK[1]]
            whole = (len(left), len(right)) == _BLOCK
            np.matmul(left, right.T, out=out if whole else None)


def _best_s(work: Callable[[], object], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main()
