"""The second task: labels are a document's frequent queries, the loss is a cross-entropy, and the towers feel it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.errors import ConfigError
from alicorn.training import train
from alicorn.training.examples.document_queries import DocumentQueries
from alicorn.training.objective.auxiliary import multi_label_loss


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=40), st.integers(2, 7))
@settings(max_examples=80, deadline=None)
def test_labels_are_the_frequent_queries_that_a_document_was_chosen_for(
    pairs: list[tuple[int, int]], most: int
) -> None:
    queries, documents = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    counts = {query: int((queries == query).sum()) for query in sorted(set(queries.tolist()))}
    frequent = sorted(counts, key=lambda query: -counts[query])[:most]
    found = DocumentQueries.of(queries, documents, 8, most)
    asked = np.array([3, 0, 3, 7])
    rows, labels = found.labels(asked)
    assert found.num_queries == len(frequent)
    for place, document in enumerate(asked):
        expected = sorted({frequent.index(q) for q, d in pairs if d == document and q in frequent})
        assert labels[rows == place].tolist() == expected


def test_the_loss_by_a_naive_loop_is_over_labelled_rows_with_a_kth_for_each_label() -> None:
    logits = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = {0: [1, 4], 2: [3], 3: [0, 1, 5]}  # row 1 has none
    rows = torch.tensor([row for row, of_row in labels.items() for _ in of_row])
    flat = torch.tensor([label for of_row in labels.values() for label in of_row])
    logs = torch.log_softmax(logits, dim=1)
    expected = -sum(sum(float(logs[row, label]) for label in of) / len(of) for row, of in labels.items()) / 3
    assert multi_label_loss(logits, rows, flat).item() == pytest.approx(expected)
    nothing = torch.empty(0, dtype=torch.int64)
    assert multi_label_loss(logits, nothing, nothing).item() == 0.0


def test_it_is_learned_beside_the_main_task_and_not_served(tmp_path: Path) -> None:
    """With its weight alone it moves the towers; the model has the same weights by name as without it."""
    pairs = write_pairs(tmp_path / "pairs", num_pairs=600)
    plain, heavy = (
        train(pairs, VERTICAL, recipe(epochs=2, **changes), tmp_path / name, progress=False)
        for name, changes in (("plain", {}), ("heavy", {"auxiliary": {"queries": 100, "weight": 1.0}}))
    )
    assert heavy.epochs[1].loss is not None
    assert plain.epochs[1].loss is not None
    assert heavy.epochs[1].loss - plain.epochs[1].loss > 3.0  # log 100 is 4.6
    assert heavy.epochs[2].loss - plain.epochs[2].loss < heavy.epochs[1].loss - plain.epochs[1].loss
    states = [trained.model.module.state_dict() for trained in (plain, heavy)]
    assert states[0].keys() == states[1].keys()
    assert not torch.equal(states[0]["document.linear.weight"], states[1]["document.linear.weight"])


def test_pairs_of_one_query_are_refused(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", num_pairs=100)
    table = pq.read_table(pairs / "pairs.parquet")
    at = table.column_names.index("query")
    pq.write_table(table.set_column(at, "query", pa.array(["ada"] * len(table))), pairs / "pairs.parquet")
    with pytest.raises(ConfigError, match="leave auxiliary out"):
        train(pairs, VERTICAL, recipe(auxiliary={}), tmp_path / "m", progress=False)
    assert not (tmp_path / "m").exists()
