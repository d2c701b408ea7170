"""Markdown tables."""

from alicorn.reporting.markdown import table


def test_a_bar_in_a_cell_does_not_end_it():
    assert table(["a", "b"], [["1", "x|y"]]) == "| a | b |\n|---|---|\n| 1 | x\\|y |"
