"""Charts by matplotlib, as SVG: text stays text, and the same numbers give the same bytes.

A chart is as wide as it is said to be in pixels, and a font of size 12 is 12 pixels high in it. matplotlib is imported
when a chart is drawn: it belongs to the extra `learn`.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, AXIS = "#1c2024", "#667079", "#e3e5e8", "#a9b0b7"
SERIES = ("#2563a8", "#c2571a", "#2f8a57", "#8a4fb0", "#b3902a", "#c03a6b", "#3a8fa3", "#7a5c3e")
"""Colours of the first, second, ... series; OTHER is of whatever has none of its own."""
OTHER = "#c3c7cb"

_DPI = 72  # a point of matplotlib is a pixel of the SVG
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_STYLE: dict[Any, Any] = {
    "font.size": 12,
    "figure.dpi": _DPI,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    **{f"axes.spines.{side}": False for side in ("top", "right", "left")},
    "grid.color": LINE,
    "grid.linewidth": 1.0,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text, which readers can select and search, in the fonts that they have
}


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of that many pixels, in the house's style while it is drawn on."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        yield Figure(figsize=(width / _DPI, height / _DPI), layout="constrained", facecolor="none")


def panels(figure: Figure, count: int) -> list[Axes]:
    """Panels side by side that share the vertical axis."""
    return list(figure.subplots(1, count, sharey=True, squeeze=False)[0])


@dataclass(frozen=True)
class Chart:
    """A figure, and what a pointer on its points shows: gid of a scatter plot -> a title for each of its points."""

    figure: Figure
    titles: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def svg(self, name: str, label: str) -> str:
        """As one <svg> element. name: makes its ids differ from those of other charts on the page. label: what a
        screen reader says."""
        from matplotlib import rc_context

        text = io.StringIO()
        with rc_context(_STYLE | {"svg.hashsalt": name}):
            self.figure.savefig(text, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
        root = ET.fromstring(text.getvalue())
        for gid, names in self.titles.items():
            _add_titles(root, gid, names)
        _strip(root)
        _, _, width, height = root.attrib["viewBox"].split()
        root.attrib = {"viewBox": root.attrib["viewBox"], "width": width, "height": height}
        root.attrib |= {"role": "img", "aria-label": label, "style": f"font-family: {_FONTS}; stroke-linejoin: round"}
        ET.register_namespace("", _SVG)
        ET.register_namespace("xlink", _XLINK)
        return ET.tostring(root, encoding="unicode")

    def write(self, path: Path, label: str) -> None:
        """As a file, on white."""
        self.figure.set_facecolor("white")
        path.write_text(self.svg(path.stem, label) + "\n", encoding="utf-8")


def _add_titles(root: ET.Element, gid: str, titles: Sequence[str]) -> None:
    (group,) = (element for element in root.iter(f"{{{_SVG}}}g") if element.get("id") == gid)
    for point, title in zip(group.iter(f"{{{_SVG}}}use"), titles, strict=True):
        ET.SubElement(point, f"{{{_SVG}}}title").text = title


def _strip(root: ET.Element) -> None:
    """Take away what a chart on a page does not need: metadata, styles of the whole page, fonts, ids, white space."""
    text = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        if "style" in element.attrib:
            element.set("style", re.sub(r"font-family:[^;]*;?\s*", "", element.attrib["style"]))
        element.tail = None
        element.text = element.text if element.text and element.text.strip() else None
