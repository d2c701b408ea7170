"""The search of weights, and cascades: better than either stage where each knows something."""

import numpy as np
import pytest
from evaluation_fakes import DIM, NUM_DOCUMENTS, FakeCollection, FakeModel, unit

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.ranking import recall_at
from alicorn.evaluation.reports.recall import EXACT, INDEX, measure_recall
from alicorn.evaluation.searches import read_searches
from alicorn.evaluation.systems.ensemble_weights import GRID, search_weights
from alicorn.evaluation.systems.runs import embedding_run, index_run, reranked_run
from alicorn.retrieval.encoder import search_vectors


def before_and_after(models, collection, searches, depth: int) -> dict[str, np.ndarray]:
    """Each model by exact search, under its name, and through the index that holds all of them, as `<name>, index`.

    A better model may be worse after quantization: both are compared over the same searches.
    """
    runs = {}
    for name, model in models.items():
        requests = search_vectors(model, searches.requests)
        runs[name] = embedding_run(requests, model.encode_documents(searches.documents), depth)
        runs[f"{name}, index"] = index_run(collection, model.key, searches, requests, depth)
    return runs


class Noisy(FakeModel):
    """Requests are those of the perfect model with noise of its own."""

    def __init__(self, noise, seed, key="people"):
        super().__init__(perfect=True, fingerprint=f"m{seed}")
        self.key, self.noise, self.seed = key, noise, seed

    def encode_requests(self, requests):
        clean = super().encode_requests(requests)
        noise = np.random.default_rng([self.seed, len(requests)]).standard_normal(clean.shape)
        noisy = clean + self.noise * noise / np.sqrt(DIM)
        return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)


def test_equally_good_members_help_each_other(pairs):
    searches = read_searches(pairs)
    members = [Noisy(1.5, 1), Noisy(1.5, 2)]
    found = search_weights(members, searches, k=5)
    alone = [
        np.nanmean(recall_at(embedding_run(m.encode_requests(searches.requests), _documents(m, searches), 5),
                             searches.targets, 5))
        for m in members
    ]  # fmt: skip
    assert found.recall > max(alone) + 0.02
    assert 0.3 < found.weights[1] < 3
    assert found.num_searches == 290
    assert len(found.tried) == len(GRID)
    assert dict(found.tried)[found.weights] == found.recall == max(recall for _, recall in found.tried)


def test_a_useless_member_gets_little_weight(pairs):
    searches = read_searches(pairs)
    useful, useless = Noisy(1.0, 1), Noisy(50.0, 2)
    assert search_weights([useful, useless], searches, k=5).weights[1] < 0.5
    assert search_weights([useless, useful], searches, k=5).weights[1] > 2


def test_three_members_are_searched_one_after_the_other(pairs):
    searches = read_searches(pairs)
    found = search_weights([Noisy(1.5, 1), Noisy(1.5, 2), Noisy(50.0, 3)], searches, k=5)
    assert found.weights[0] == 1.0
    assert found.weights[2] < found.weights[1]


def test_of_equal_recalls_the_equal_weights_are_taken(pairs):
    assert search_weights([FakeModel(perfect=True)] * 2, read_searches(pairs), k=5).weights == (1.0, 1.0)


def test_a_cascade_orders_the_head_by_the_second_and_keeps_the_tail():
    rng = np.random.default_rng(0)
    first = np.array([rng.permutation(30)[:20] for _ in range(50)], dtype=np.int32)
    first[3, 5:] = -1
    requests, documents = unit(rng, 50), unit(rng, 30)
    found = reranked_run(first, requests, documents, 8)
    assert np.array_equal(found[:, 8:], first[:, 8:])
    for row in range(50):
        head = sorted((n for n in first[row, :8] if n >= 0), key=lambda n: -float(requests[row] @ documents[n]))
        assert [n for n in found[row, :8] if n >= 0] == head
    assert found[3, 5:].tolist() == [-1] * 15
    assert np.array_equal(reranked_run(first, requests, documents, 100)[3], found[3]), "deeper than the run"


def test_equal_documents_tie_by_number():
    same = np.ones((5, 2), dtype=np.float32)
    assert reranked_run(np.array([[4, 1, 3]], dtype=np.int32), same[:1], same, 3).tolist() == [[1, 3, 4]]


def test_evaluate_with_a_second_model(pairs, vertical):
    first, second = Noisy(2.5, 1), FakeModel(perfect=True, fingerprint="m9")
    searches = read_searches(pairs)
    documents = _documents(first, searches)
    collection = FakeCollection(searches.documents["doc_id"].to_pylist(), documents)
    found = measure_recall(first, pairs, vertical, (1, 10), collection, second=second, depths=(10, 200))
    recalls = {system: found.comparison.mean(system, "recall@1").mean for system in found.comparison.systems}
    assert list(recalls) == [
        EXACT,
        INDEX,
        "first 10 re-ranked",
        "first 200 re-ranked",
        "quantized index, first 10 re-ranked",
        "quantized index, first 200 re-ranked",
    ]
    assert recalls["first 200 re-ranked"] == 1.0, "the whole corpus by a perfect model"
    assert recalls["first 10 re-ranked"] == found.comparison.mean(EXACT, "recall@10").mean < 1.0
    assert recalls[EXACT] < recalls["first 10 re-ranked"]
    assert found.comparison.difference("first 10 re-ranked", "recall@1").low > 0
    assert "ordered anew by model m9" in found.markdown()
    with pytest.raises(ConfigError, match="depths of a cascade"):
        measure_recall(first, pairs, vertical, second=second, depths=(0,))


def test_before_and_after_an_index_that_lost_documents(pairs):
    searches = read_searches(pairs)
    model = FakeModel(perfect=True)
    lost = [f"d{n}" for n in range(NUM_DOCUMENTS // 2)]
    collection = FakeCollection(
        searches.documents["doc_id"].to_pylist(), _documents(model, searches), model="m1", lost=lost
    )
    runs = before_and_after({"perfect": model}, collection, searches, 5)
    recalls = {name: np.nanmean(recall_at(run, searches.targets, 5)) for name, run in runs.items()}
    assert recalls["perfect"] == 1.0
    assert recalls["perfect, index"] == pytest.approx(np.mean([query not in lost for query in searches.queries]))


def _documents(model, searches):
    return model.encode_documents(searches.documents)
