import ir_measures
import numpy as np
import pytest
from ir_measures import R, nDCG

from alicorn.evaluation.metrics.ranking import (
    Targets,
    judged_only,
    ndcg_at,
    recall_at,
    target_ranks,
)

RANKED = np.array([[7, 3, 9, 1], [5, -1, -1, -1], [2, 4, 6, 8]], dtype=np.int32)
TARGETS = Targets.of([[3, 1, 100], [4], []])


def test_target_ranks_by_hand():
    assert target_ranks(RANKED, TARGETS).tolist() == [2, 4, 0, 0]


@pytest.mark.parametrize(("k", "expected"), [(1, 0.0), (2, 1 / 3), (3, 1 / 3), (4, 2 / 3), (100, 2 / 3)])
def test_recall_divides_by_all_targets(k, expected):
    recall = recall_at(RANKED, TARGETS, k)
    assert recall[:2] == pytest.approx([expected, 0.0])
    assert np.isnan(recall[2]), "a search without targets has no value"


def test_ndcg_by_hand_with_grades():
    targets = Targets.of([[1, 2, 3]], [[3.0, 2.0, 0.0]])
    ranked = np.array([[2, 9, 1]], dtype=np.int32)
    gained = 2 / np.log2(2) + 3 / np.log2(4)
    ideal = 3 / np.log2(2) + 2 / np.log2(3)
    assert ndcg_at(ranked, targets, 10) == pytest.approx([gained / ideal])
    assert ndcg_at(ranked, targets, 1) == pytest.approx([2 / 3])
    assert np.isnan(ndcg_at(ranked, Targets.of([[1]], [[0.0]]), 10)[0]), "judged, but nothing relevant"


def test_a_judged_zero_is_no_target():
    targets = Targets.of([[7, 3]], [[0.0, 1.0]])
    ranked = RANKED[:1]
    assert targets.counts.tolist() == [1]
    assert recall_at(ranked, targets, 1).tolist() == [0.0]
    assert recall_at(ranked, targets, 2).tolist() == [1.0]


def test_a_target_outside_the_corpus_is_never_found_and_counts():
    targets = Targets.of([[5, -1]])
    assert recall_at(RANKED[1:2], targets, 4).tolist() == [0.5], "-1 of the target is not -1 of the run"
    assert ndcg_at(RANKED[1:2], targets, 4) == pytest.approx([1 / (1 + 1 / np.log2(3))])


def test_an_empty_run_scores_zero():
    empty = np.empty((3, 0), dtype=np.int32)
    assert recall_at(empty, TARGETS, 10)[:2].tolist() == [0.0, 0.0]
    assert ndcg_at(empty, TARGETS, 10)[:2].tolist() == [0.0, 0.0]


def test_judged_only_moves_judged_documents_up_in_order():
    judged = Targets.of([[9, 3], [], [8]], [[0.0, 1.0], [], [1.0]])
    assert judged_only(RANKED, judged).tolist() == [[3, 9, -1, -1], [-1, -1, -1, -1], [8, -1, -1, -1]]


def test_take_picks_searches_in_order():
    taken = TARGETS.take(np.array([1, 0]))
    assert taken.starts.tolist() == [0, 1, 4]
    assert taken.documents.tolist() == [4, 3, 1, 100]


def test_a_run_of_other_searches_is_refused():
    with pytest.raises(ValueError, match="2 searches does not fit targets of 3"):
        recall_at(RANKED[:2], TARGETS, 1)


def test_agrees_with_ir_measures_on_random_runs():
    rng = np.random.default_rng(5)
    ranked = np.array([rng.permutation(40)[:20] for _ in range(50)], dtype=np.int32)
    ranked[rng.random(50) < 0.3, 12:] = -1
    documents = [rng.permutation(40)[: rng.integers(1, 9)].tolist() for _ in range(50)]
    grades = [[*rng.integers(0, 4, len(row) - 1).astype(float), 1.0] for row in documents]
    targets = Targets.of(documents, grades)
    qrels = [
        ir_measures.Qrel(str(i), str(d), int(g))
        for i, row in enumerate(documents)
        for d, g in zip(row, grades[i], strict=True)
    ]
    run = [
        ir_measures.ScoredDoc(str(i), str(d), 100.0 - rank)
        for i, row in enumerate(ranked)
        for rank, d in enumerate(row)
        if d >= 0
    ]
    ours = {
        nDCG @ 10: ndcg_at(ranked, targets, 10),
        R @ 5: recall_at(ranked, targets, 5),
        R @ 20: recall_at(ranked, targets, 20),
    }
    for result in ir_measures.iter_calc(list(ours), qrels, run):
        assert ours[result.measure][int(result.query_id)] == pytest.approx(result.value, abs=1e-9), result
