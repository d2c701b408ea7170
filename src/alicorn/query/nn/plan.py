"""Which way to run an `nn` in one segment: by stored vectors, by the codes of listed rows, or by a scan.

The plan with the fewest estimated nanoseconds is chosen. The constants were measured by benchmarks/engine/engine.py on
one core; only their rough size matters, because every plan gives the same answer.
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel
from alicorn.index import EmbeddingBlock
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.probe import Probe
from alicorn.query.sets import docset, kernels
from alicorn.query.sets.docset import DocSet

# Nanoseconds.
_EXACT_ROW = 5.0  # one stored vector at a random place: the cache misses, of which a core has a dozen under way
_EXACT_DIM = 0.36
_CODE_ROW = 28.0  # one code, the first part of it, at a random place
_CODE_BYTE = 0.1
_BIT = 0.1  # one row passed over in a bitmap
_MEMBER = 1.5  # one member of a bitmap listed, or of a list marked in a bitmap
_RECHECKED = 0.02  # share of scored rows that need their stored vector after all
_CLUSTER = 5.0  # one centroid compared, where clusters are looked at


def nn_costs(
    num_allowed: int | None,
    rows_in_clusters: int,
    rows_total: int,
    num_clusters: int,
    scan_size: int,
    dim: int,
    probed: bool,
    listed: bool,
) -> dict[str, float]:
    """Estimated ns, over one segment, of each plan for the rows of some clusters.

    num_allowed: how many documents may match (a filter, or what the other operands of `and` left), None for all.
    scan_size: bytes of a code that a scan reads; 0 where there is no code.
    probed: whether `:nprobe` limits the clusters; without it, `exact` need not look at clusters at all.
    listed: whether the allowed documents are a list of numbers, else they are a bitmap.
    The plans:
      exact   stored vectors of the allowed rows in the clusters: no codes, nothing to check again
      slice   codes of the allowed rows, found in a list, in the clusters; stored vectors where the code cannot decide
      scan    the same of the rows whose bit is set; codes of all rows where all are allowed
    """
    exact_row = _EXACT_ROW + _EXACT_DIM * dim
    code_row = _CODE_ROW + _CODE_BYTE * scan_size + _RECHECKED * exact_row if scan_size else exact_row
    clusters = _CLUSTER * num_clusters
    if num_allowed is None:
        return {"scan": clusters + rows_in_clusters * code_row}
    inside = num_allowed * rows_in_clusters / max(rows_total, 1)
    listing = 0.0 if listed else _MEMBER * num_allowed
    marking = _MEMBER * num_allowed if listed else 0.0
    return {
        "exact": (clusters if probed else 0.0) + listing + inside * exact_row,
        "slice": clusters + listing + inside * code_row,
        "scan": clusters + marking + rows_in_clusters * _BIT + inside * code_row,
    }


def choose(probe: Probe, block: EmbeddingBlock, inside: DocSet | None, counters: Counters, forced: str | None) -> str:
    """The cheapest of the plans of nn_costs, or the one that is forced where it is possible."""
    if inside is None and forced is None:
        counters.plans.append("scan")
        return "scan"
    num_rows = len(block.docs) if probe.all_clusters else _num_rows(block.starts, probe.nearest_first)
    costs = _costs(
        block,
        None if inside is None else docset.size(inside),
        num_rows,
        probed=not probe.all_clusters,
        listed=not isinstance(inside, docset.Bitmap),
    )
    if counters.explained:
        for name, cost in costs.items():
            counters.costs_us[name] = counters.costs_us.get(name, 0.0) + cost / 1000.0
    plan = forced if forced in costs else min(costs, key=costs.__getitem__)
    counters.plans.append(plan)
    return plan


@kernel("int64(int64[::1], int64[::1])")
def _num_rows(starts: np.ndarray, clusters: np.ndarray) -> int:
    """How many rows the clusters have together."""
    total = 0
    for cluster in clusters:
        total += starts[cluster + 1] - starts[cluster]
    return total


def is_exact(block: EmbeddingBlock, num_allowed: int) -> bool:
    """Whether comparing stored vectors is the plan for the k nearest of so many documents in all clusters."""
    costs = _costs(block, num_allowed, len(block.docs), probed=False, listed=True)
    return min(costs, key=costs.__getitem__) == "exact"


def _costs(
    block: EmbeddingBlock, num_allowed: int | None, num_rows: int, *, probed: bool, listed: bool
) -> dict[str, float]:
    quantizer = block.quantizer
    scan_size, num_clusters = quantizer.codec.scan_size, quantizer.num_clusters
    return nn_costs(num_allowed, num_rows, len(block.docs), num_clusters, scan_size, quantizer.dim, probed, listed)


def allowed_rows(block: EmbeddingBlock, inside: DocSet) -> np.ndarray:
    """The allowed documents that have this embedding, as ascending rows."""
    documents = docset.as_array(inside)
    if block.identity:
        if len(documents) and documents[-1] >= len(block.docs):
            documents = documents[: np.searchsorted(documents, len(block.docs))]
        return documents
    rows = np.empty(len(documents), dtype=np.uint32)
    rows = rows[: kernels.rows_of_documents(block.rows_of, documents, rows)]
    rows.sort()
    return rows
