"""Vectors of documents, refined over the graph of who chose what: GRCN without its training.

    preference   p = normalise(sum f), then three routings: p <- normalise(p + sum a f), with a the softmax of p . f
                 over the documents that a searcher chose
    affinity     w = max(p . f, 0) of each choice: one that is unlike what its searcher wants is pruned, as noise
    refined      normalise(f + x1 + x2): x1 is the mean of the preferences of those who chose the document, x2 that of
                 the mean documents of these searchers, both weighted by the affinity

Source: GRCN (ACM MM 2020), as in its authors' code: routing, hard pruning, and the sum of two layers. There,
preferences and the confidences of several modalities are learned by BPR; here there is one modality, the embedding that
the collection has, and nothing is learned. What that costs is not known to us.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from alicorn.errors import ConfigError, TableError
from alicorn.folders import check_file, whole_file
from alicorn.index import Snapshot
from alicorn.pairs import PairsFolder
from alicorn.retrieval.regions import stored_vectors

REFINED = "refined"
_ROUTINGS = 3
_CHOICES = 1 << 16  # whose affinity is computed at once


class Refined(NamedTuple):
    """vectors: float32 (documents, dim), unit length. pruned: share of the choices."""

    vectors: np.ndarray
    pruned: float


def write_refined(pairs: Path, snapshot: Snapshot, key: str, out: Path, *, overwrite: bool = False) -> dict[str, float]:
    """Write a Parquet file: doc_id, and `refined`, list<float>, of every document of `pairs` with the embedding.

    Choices are those of the training split. A document that nobody chose keeps its vector.
    Raises ConfigError where the collection has no such key, TableError where the pairs are none or nothing was chosen.
    """
    check_file(out, overwrite=overwrite)
    if key not in snapshot.embeddings:
        raise ConfigError(f"--key: the collection has {', '.join(sorted(snapshot.embeddings))}, got {key!r}")
    folder = PairsFolder(pairs)
    doc_ids = folder.read("documents", ["doc_id"])["doc_id"].combine_chunks()
    known, vectors = stored_vectors(snapshot, key, doc_ids.to_pylist())
    doc_ids, vectors = doc_ids.filter(pa.array(known)), vectors[known]
    searchers, documents = _choices(folder, doc_ids)
    found = refined(vectors, searchers, documents)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(found.vectors.ravel()), vectors.shape[1])
    table = pa.table({"doc_id": doc_ids, REFINED: flat.cast(pa.list_(pa.float32()))})
    with whole_file(out, overwrite=overwrite) as place:
        pq.write_table(table, place)
    return {
        "documents": len(doc_ids),
        "documents_chosen": len(np.unique(documents)),
        "choices": len(documents),
        "share_pruned": round(found.pruned, 4),
        "documents_without_vector": int((~known).sum()),
    }


def refined(vectors: np.ndarray, searchers: np.ndarray, documents: np.ndarray) -> Refined:
    """vectors: float (documents, dim), unit length. searchers, documents: int64 (choices,), who chose which row."""
    shape = (int(searchers.max(initial=-1)) + 1, len(vectors))
    chosen = csr_array((np.ones(len(searchers), dtype=np.float32), (searchers, documents)), shape=shape)
    chosen.sum_duplicates()
    chosen.data[:] = 1.0
    preferences = _unit(chosen @ vectors)
    for _ in range(_ROUTINGS):
        attention = _with_data(chosen, np.exp(_affinities(chosen, preferences, vectors)))
        preferences = _unit(preferences + _mean(attention, vectors))
    weights = _with_data(chosen, np.maximum(_affinities(chosen, preferences, vectors), 0.0))
    by_document = weights.T.tocsr()
    layers = _mean(by_document, preferences) + _mean(by_document, _mean(weights, vectors))
    pruned = float((weights.data == 0.0).mean()) if weights.nnz else 0.0
    return Refined(_unit(vectors + layers).astype(np.float32), pruned)


def _choices(folder: PairsFolder, doc_ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Of the training split, int64 twice: the searcher's number and the document's row."""
    shown = folder.read("impressions", ["searcher_id", "doc_id", "grade", "split"])
    rows = pc.index_in(shown["doc_id"], doc_ids)
    is_choice = pc.and_(pc.equal(shown["split"], "train"), pc.greater(shown["grade"], 0.0))
    is_choice = pc.and_(is_choice, pc.and_(rows.is_valid(), shown["searcher_id"].is_valid()))
    kept = pc.fill_null(is_choice, False)
    if not pc.any(kept).as_py():
        raise TableError(
            f"{folder.folder}: no known searcher of the training split chose a document with the embedding: there is"
            " nothing to refine by",
            table="impressions",
        )
    who = shown["searcher_id"].filter(kept).combine_chunks().dictionary_encode().indices
    return np.asarray(who).astype(np.int64), np.asarray(rows.filter(kept)).astype(np.int64)


def _affinities(chosen: csr_array, preferences: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(choices,) float32: the cosine of searcher and document."""
    searchers = np.repeat(np.arange(chosen.shape[0]), np.diff(chosen.indptr))
    found = np.empty(len(searchers), dtype=np.float32)
    for start in range(0, len(found), _CHOICES):
        some = slice(start, start + _CHOICES)
        found[some] = np.einsum("ij,ij->i", preferences[searchers[some]], vectors[chosen.indices[some]])
    return found


def _with_data(graph: csr_array, data: np.ndarray) -> csr_array:
    return csr_array((data, graph.indices, graph.indptr), shape=graph.shape)


def _mean(weights: csr_array, vectors: np.ndarray) -> np.ndarray:
    """Of each row the weighted mean of the vectors; zero where all weights are."""
    sums = np.asarray(weights.sum(axis=1))[:, None]
    return np.asarray(np.divide(weights @ vectors, sums, out=np.zeros((len(sums), vectors.shape[1])), where=sums > 0))


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))
