"""Looks at the test split are counted in the model's folder."""

import pytest

from alicorn.errors import ModelError
from alicorn.evaluation.test_looks import FILE, count_look


def test_each_look_is_counted(tmp_path):
    assert [count_look(tmp_path) for _ in range(3)] == [1, 2, 3]


def test_a_damaged_count_is_not_taken_for_none(tmp_path):
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(ModelError, match="no list of looks"):
        count_look(tmp_path)
