"""Charts as SVG: text that can be read and escaped, titles on points, the same bytes in every process."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from alicorn.reporting.figure import SERIES, Chart, drawing, panels

SVG = "{http://www.w3.org/2000/svg}"


def chart() -> Chart:
    with drawing(300, 200) as figure:
        (panel,) = panels(figure, 1)
        panel.scatter([0, 1], [0, 1], color=SERIES[0], gid="points")
        panel.set_title("loss <1 & rising")
    return Chart(figure, {"points": ["<script>", "the second"]})


def test_text_is_text_and_escaped():
    text = chart().svg("a", "a chart")
    assert "loss &lt;1 &amp; rising</text>" in text
    assert "<script>" not in text
    root = ET.fromstring(text)
    assert (root.get("width"), root.get("height"), root.get("aria-label")) == ("300", "200", "a chart")


def test_a_pointer_on_a_point_shows_its_title():
    root = ET.fromstring(chart().svg("a", "a chart"))
    titles = [title.text for use in root.iter(f"{SVG}use") for title in use.findall(f"{SVG}title")]
    assert titles == ["<script>", "the second"]


def test_titles_that_do_not_fit_the_points_are_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        Chart(chart().figure, {"points": ["one"]}).svg("a", "a chart")


def test_charts_of_one_page_share_no_id_and_refer_to_none_that_is_missing():
    ids = []
    for name in ("a", "b"):
        text = chart().svg(name, "a chart")
        own = re.findall(r' id="([^"]+)"', text)
        assert {*re.findall(r"url\(#([^)]+)\)", text), *re.findall(r'href="#([^"]+)"', text)} == set(own) != set()
        ids += own
    assert len(ids) == len(set(ids))


def test_nothing_but_the_chart_and_nothing_from_elsewhere():
    text = chart().svg("a", "a chart")
    assert not re.search(r"<style|<metadata|<!--|font-family:[^;]*DejaVu Sans'[^,]", text)
    assert re.findall(r'(?:src|href)="(?!#)', text) == []


def test_a_file_is_on_white_and_the_same_in_every_process(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from test_figure import chart\nchart().write(Path(sys.argv[2]), 'a chart')"
    )
    for seed in ("0", "1"):
        out = tmp_path / seed / "chart.svg"
        out.parent.mkdir()
        command = [sys.executable, "-c", program, str(Path(__file__).parent), str(out)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
    first, second = ((tmp_path / seed / "chart.svg").read_bytes() for seed in ("0", "1"))
    assert first == second
    assert b"fill: #ffffff" in first
