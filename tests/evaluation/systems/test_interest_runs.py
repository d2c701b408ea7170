"""Searches by several vectors: a document is as near as it is to the nearest of them, exactly and through an index."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from evaluation_fakes import FakeModel, unit

from alicorn.evaluation.reports.recall import EXACT, INDEX, measure_recall
from alicorn.evaluation.searches import read_searches
from alicorn.evaluation.systems.runs import best_of_each, embedding_run, reranked_run
from alicorn.query import Collection


class Torn(FakeModel):
    """One of the three interests of a request is the perfect model's vector, the others are drawn."""

    num_interests = 3

    def encode_interests(self, requests: pa.Table) -> np.ndarray:
        perfect = self.encode_requests(requests)
        others = unit(np.random.default_rng(5), 2 * len(requests)).reshape(len(requests), 2, -1)
        return np.concatenate([others[:, :1], perfect[:, None], others[:, 1:]], axis=1)


def test_the_run_of_several_vectors_is_by_the_greatest_cosine() -> None:
    rng = np.random.default_rng(0)
    documents, requests = unit(rng, 60), unit(rng, 15).reshape(5, 3, -1)
    cosines = np.einsum("sid,nd->sin", requests, documents, dtype=np.float64).max(axis=1)
    expected = np.argsort(-cosines, axis=1, kind="stable")
    np.testing.assert_array_equal(embedding_run(requests, documents, 20), expected[:, :20])
    whole = embedding_run(requests, documents, 70)
    np.testing.assert_array_equal(whole[:, :60], expected)
    assert (whole[:, 60:] == -1).all()
    shuffled = rng.permuted(expected, axis=1)
    again = reranked_run(shuffled, requests, documents, 60)
    np.testing.assert_array_equal(again, expected)


def test_each_document_once_and_ties_by_number() -> None:
    numbers = np.array([[4, 2, -1, 2, 7, 4]])
    scores = np.array([[0.5, 0.1, -np.inf, 0.9, 0.5, 0.2]])
    assert best_of_each(numbers, scores, 5).tolist() == [[2, 4, 7, -1, -1]]


def test_evaluate_finds_by_any_interest_and_the_same_through_an_index(
    pairs: Path,
    vertical,  # type: ignore[no-untyped-def]
    tmp_path: Path,
) -> None:
    searches, model = read_searches(pairs), Torn(perfect=True)
    vectors = model.encode_documents(searches.documents)
    metadata = {"models": {model.key: model.fingerprint}}
    with Collection.create(tmp_path / "c", {"people": vectors.shape[1]}, metadata=metadata) as collection:
        table = {"doc_id": searches.documents["doc_id"], "embedding:people": vectors.tolist()}
        collection.upsert(pa.table(table))
        collection.flush()
        found = measure_recall(model, searches, vertical, ks=(1, 10), collection=collection, index_recall=1.0)
    np.testing.assert_array_equal(found.runs[INDEX], found.runs[EXACT])
    assert found.comparison.mean(EXACT, "recall@1").mean > 0.9
    interests = model.encode_interests(searches.requests)
    pairs_of_two = [np.einsum("sd,sd->s", interests[:, i], interests[:, j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert abs(found.facts["interest_cosine"] - np.mean(pairs_of_two)) < 1e-5
    assert "Requests have 3 vectors" in found.markdown()
