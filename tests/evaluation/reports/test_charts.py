"""The charts of the reports: every mean is drawn where it is, has its title, and what is missing is not drawn."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from alicorn.evaluation.metrics.bootstrap import Interval
from alicorn.evaluation.reports.charts import Curve, curve_chart, interval_chart, point_map
from alicorn.reporting.figure import OTHER, SERIES, Chart

SVG = "{http://www.w3.org/2000/svg}"
UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


def points(chart: Chart) -> dict[str, tuple[float, float, str]]:
    """Title -> x, y and style of every point that has one."""
    root = ET.fromstring(chart.svg("c", "a chart"))
    return {
        title.text or "": (float(use.get("x", "nan")), float(use.get("y", "nan")), use.get("style", ""))
        for use in root.iter(f"{SVG}use")
        for title in use.findall(f"{SVG}title")
    }


def test_a_dot_per_row_and_series_and_none_for_what_is_missing():
    series = {
        "exact": [Interval(0.5, 0.4, 0.6), UNKNOWN, Interval(1.0, 1.0, 1.0)],
        "index": [Interval(0.25, 0.2, 0.3), Interval(0.75, 0.7, 0.8), None],
    }
    drawn = points(interval_chart(["a", "b", "c"], {"recall@10": series}, low=0.0))
    assert set(drawn) == {
        *("a: 0.5000 [0.4000, 0.6000]", "a: 0.2500 [0.2000, 0.3000]"),
        *("b: 0.7500 [0.7000, 0.8000]", "c: 1.0000 [1.0000, 1.0000]"),
    }
    x = {title: place[0] for title, place in drawn.items()}
    quarter = x["b: 0.7500 [0.7000, 0.8000]"] - x["a: 0.5000 [0.4000, 0.6000]"]
    assert x["a: 0.5000 [0.4000, 0.6000]"] - x["a: 0.2500 [0.2000, 0.3000]"] == pytest.approx(quarter, abs=0.01)
    exact, index = drawn["a: 0.5000 [0.4000, 0.6000]"], drawn["a: 0.2500 [0.2000, 0.3000]"]
    assert exact[1] < index[1] < drawn["b: 0.7500 [0.7000, 0.8000]"][1], "series of a row one above the other"
    assert SERIES[0] in exact[2]
    assert SERIES[1] in index[2]


def test_the_axis_of_losses_is_logarithmic_beyond_its_linear_part():
    cells: list[Interval | None] = [Interval(value, value, value) for value in (0.01, 0.1, 1.0)]
    drawn = points(interval_chart(["a", "b", "c"], {"loss": {"request": cells}}, low=-0.01, linear_below=0.01))
    x = [place[0] for place in drawn.values()]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], rel=0.01), "a decade is as wide as the next"


def test_curves_have_their_points_and_names_apart_from_one_another():
    chart = curve_chart([Curve("one", [(0, 0.0), (1, 1.0)]), Curve("two", [(0, 0.5), (1, 1.0)])], "epoch", "recall", 1)
    assert set(points(chart)) == {"one: 0 at 0", "one: 1 at 1", "two: 0.5 at 0", "two: 1 at 1"}
    texts = {text.text: float(text.get("y", "nan")) for text in ET.fromstring(chart.svg("c", "x")).iter(f"{SVG}text")}
    assert abs(texts["one"] - texts["two"]) > 10


def test_the_map_draws_what_has_no_colour_below_and_names_it_last():
    places = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 2.0]])
    chart = point_map(places, np.array([1, 0, 0]), ["york"], ["<nobody>", "in york", "in york too"])
    drawn = points(chart)
    assert list(drawn) == ["<nobody>", "in york", "in york too"], "drawn first is below"
    assert OTHER in drawn["<nobody>"][2]
    assert SERIES[0] in drawn["in york"][2]
    texts = [text.text for text in ET.fromstring(chart.svg("c", "x")).iter(f"{SVG}text")]
    assert texts == ["york", "all others"]
    right, up = drawn["in york too"][0] - drawn["in york"][0], drawn["in york"][1] - drawn["in york too"][1]
    assert up == pytest.approx(2 * right, rel=0.01), "equal scales"
