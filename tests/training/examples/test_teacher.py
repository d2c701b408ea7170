"""The margins of a teacher against a dictionary of its scores, the slow oracle; and what is refused without one."""

import math
from pathlib import Path

import numpy as np
import pytest
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.errors import TableError
from alicorn.training import Recipe, train
from alicorn.training.examples.teacher import TeacherScores

ONLY_SHOWN = {"non_click": 1, "random": 0, "in_batch": False}


@pytest.mark.parametrize("seed", range(4))
def test_margins_are_those_of_a_dictionary(seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, documents = rng.integers(0, 6, 20), rng.integers(0, 9, 20)
    scored = {(int(rng.integers(0, 6)), int(rng.integers(0, 9))): float(rng.normal()) for _ in range(30)}
    keys = np.array(list(scored))
    teacher = TeacherScores.of(queries, documents, keys[:, 0], keys[:, 1], np.array(list(scored.values())), 9)
    pairs, columns = rng.integers(0, 20, 7), rng.integers(0, 9, 11)
    allowed = rng.random((7, 11)) < 0.7
    found = teacher.margins(pairs, columns, allowed)
    for row, pair in enumerate(pairs):
        for at, document in enumerate(columns):
            own = scored.get((int(queries[pair]), int(documents[pair])), math.nan)
            other = scored.get((int(queries[pair]), int(document)), math.nan)
            wanted = own - other if allowed[row, at] else math.nan
            np.testing.assert_allclose(found[row, at], wanted, rtol=1e-5)


def test_a_teacher_that_scored_nothing_knows_no_margin() -> None:
    none = np.empty(0, dtype=np.int64)
    teacher = TeacherScores.of(np.zeros(2, np.int64), np.arange(2), none, none, np.empty(0), 2)
    assert np.isnan(teacher.margins(np.arange(2), np.arange(2), np.ones((2, 2), dtype=bool))).all()


def test_pairs_without_scores_and_negatives_that_nobody_scored_are_refused(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", num_pairs=200)
    given = recipe(loss={"kind": "margin_mse"}, negatives=ONLY_SHOWN)
    with pytest.raises(TableError, match=r"no scores of a teacher.*alicorn mine --teacher"):
        train(pairs, VERTICAL, given, tmp_path / "model", progress=False)
    assert not (tmp_path / "model").exists()
    with pytest.raises(ValueError, match="margin_mse compares a positive with documents that its search showed"):
        Recipe.model_validate({"loss": {"kind": "margin_mse"}})
