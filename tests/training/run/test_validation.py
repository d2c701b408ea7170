"""Recall in the loop is the recall of a sort, ties by row; AUC is the share of pairs in order; either ends a stage."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.towers import Model
from alicorn.training import train
from alicorn.training.examples.data import Pairs
from alicorn.training.run.validation import _ranks, roc_auc


def test_ranks_equal_a_stable_sort() -> None:
    rng = np.random.default_rng(0)
    corpus = rng.integers(-2, 3, (200, 3)).astype(np.float32)  # many equal scores
    requests = rng.integers(-2, 3, (15, 2, 3)).astype(np.float32)  # of two interests each
    rows, targets = rng.integers(0, 15, 60), rng.integers(0, 200, 60)
    ranks = _ranks(torch.from_numpy(requests), torch.from_numpy(corpus), rows, targets)
    for row, target, rank in zip(rows, targets, ranks, strict=True):
        order = np.argsort(-(corpus @ requests[row].T).max(axis=1), kind="stable")
        assert order[rank] == target


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_auc_is_the_share_of_pairs_in_order_ties_counting_half(seed: int, many: int, others: int) -> None:
    rng = np.random.default_rng(seed)
    positives, negatives = rng.integers(0, 6, many), rng.integers(0, 6, others)
    pairs = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    assert roc_auc(positives, negatives) == pytest.approx(np.mean(pairs))


def test_auc_is_against_what_the_searches_showed_and_random_documents_where_none_did(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", num_pairs=200, num_valid=50)
    plan = recipe()
    model = Model.new(VERTICAL, plan.plain(), "", {}, 0)
    random = Pairs(pairs, VERTICAL).validation(model, plan)
    assert random.against == "random"
    assert 490 < len(random.wrong[0]) <= 500  # ten for each, but for its target
    assert not set(zip(*random.wrong, strict=True)) & set(zip(random.rows, random.targets, strict=True))
    searches = pq.read_table(pairs / "searches.parquet")
    search_ids, targets = searches["search_id"].to_pylist(), [row[0] for row in searches["targets"].to_pylist()]
    shown = [(search_id, f"d{number}") for search_id in search_ids[:20] for number in range(3)]
    shown += [(search_ids[0], targets[0]), ("of another split", "d5")]
    table = pa.table({"search_id": [one for one, _ in shown], "doc_id": [one for _, one in shown]})
    pq.write_table(table, pairs / "non_clicks.parquet")
    found = Pairs(pairs, VERTICAL).validation(model, plan)
    assert found.against == "shown"
    expected = {(search, number) for search in range(20) for number in range(3) if f"d{number}" != targets[search]}
    assert set(zip(*(part.tolist() for part in found.wrong), strict=True)) == expected


def test_a_stage_ends_and_weights_are_kept_by_the_metric_of_the_recipe(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", num_pairs=600)
    given = recipe(validation={"metric": "auc", "interpolate": []}, patience=1, epochs=8)
    trained = train(pairs, VERTICAL, given, tmp_path / "m", progress=False)
    values = [epoch.auc for epoch in trained.epochs]
    assert trained.best_epoch == int(np.argmax(values))
    assert len(trained.epochs) == min(trained.best_epoch + 2, 9)
    assert values[trained.best_epoch] > values[0] > 0.5
    history = json.loads((tmp_path / "m" / "history.json").read_text())
    assert (history["metric"], history["auc_against"]) == ("auc", "random")
    rising = [epoch["batch_recall"]["1"] for epoch in history["epochs"][1:]]
    assert history["epochs"][0]["batch_recall"] == {}
    assert rising[-1] > rising[0]
