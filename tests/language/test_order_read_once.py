"""An order is read once for all that write it alike, and only for these."""

import pytest

from alicorn.errors import ConfigError
from alicorn.language.order import read_order


def test_orders_that_are_written_alike_are_one():
    first = read_order({"nn": 0.7, "bm25": {"weight": 0.3, "half_at": 8}})
    assert read_order({"nn": 0.7, "bm25": {"weight": 0.3, "half_at": 8}}) is first
    assert read_order({"nn": 0.7, "bm25": {"weight": 0.3, "half_at": 9}}) != first
    assert read_order(["nn", {"bm25": 1}]) is read_order(["nn", {"bm25": 1}])


def test_what_is_equal_and_not_alike_is_still_refused():
    assert read_order({"nn": 1})
    assert read_order({"bm25": {"weight": 1, "log": True}})
    with pytest.raises(ConfigError, match="must be a finite number"):
        read_order({"nn": True})
    with pytest.raises(ConfigError, match="one scale"):
        read_order({"bm25": {"weight": 1, "log": 1}})


def test_a_changed_object_is_read_anew():
    weights = {"nn": 1.0, "bm25": 0.5}
    before = read_order(weights)
    weights["bm25"] = 0.6
    assert read_order(weights) != before
