"""A Tuning as a Markdown table, JSON and curves. The last step of tune.py's way; the files say what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

from alicorn.errors import ConfigError
from alicorn.quantization import Settings
from alicorn.reporting.json_text import to_json
from alicorn.reporting.markdown import table
from alicorn.tuning.measure import Point
from alicorn.tuning.recommend import recommend
from alicorn.tuning.tune import Tuning

_HEADER = (
    *("coarse", "clusters", "code", "bytes of code", "nprobe", "recall", "1-recall@10", "documents scanned"),
    *("bytes read", "p50", "p99", "training"),
)


def check_drawing() -> None:
    """Raise ConfigError where curves cannot be drawn: before the work, not after it."""
    if find_spec("matplotlib") is None:
        raise ConfigError("the curves are drawn by matplotlib: pip install 'alicorn[learn]'")


def write_report(tuning: Tuning, folder: Path) -> list[Path]:
    """Write tuning.md, tuning.json and tuning.png into the folder and return the three paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"tuning.{ending}" for ending in ("md", "json", "png")]
    paths[0].write_text(markdown(tuning), encoding="utf-8")
    paths[1].write_text(to_json(tuning.to_dict(), indent=1) + "\n", encoding="utf-8")
    draw(tuning, paths[2])
    return paths


def markdown(tuning: Tuning) -> str:
    """Every setting at the first nprobe that reaches the target, and what is recommended."""
    queries = "documents, each without itself" if tuning.queries_are_documents else "given vectors"
    lines = [
        f"# Quantizers of `{tuning.key}`",
        f"{_sample(tuning)}; {tuning.num_queries:,} queries ({queries}); recall@{tuning.k}, target"
        f" {tuning.target_recall:g}. Latency is of one request in one thread, the fastest of three.",
        "Each setting at its cheapest nprobe that reaches the target; where none does, at its best recall.",
        points_table([_row_of(points, tuning.target_recall) for points in by_setting(tuning.points)]),
    ]
    if tuning.applied:
        lines += ["Applied to the collection, and measured there:", points_table(tuning.applied)]
    return "\n\n".join([*lines, recommendation(tuning)]) + "\n"


def recommendation(tuning: Tuning) -> str:
    """In a sentence or two."""
    best = tuning.recommended
    if best is None:
        reached = max(tuning.points, key=lambda point: point.recall)
        return (
            f"No setting reaches recall {tuning.target_recall:g}. The best is {described(reached.settings)} at nprobe"
            f" {reached.nprobe}: {reached.recall:.3f}. Name larger nprobe in the grid, or a lower target."
        )
    text = (
        f"Recommended: {described(best.settings)} at nprobe {best.nprobe}: recall {best.recall:.3f},"
        f" {best.p50_us:.0f} us, {best.documents_scanned:,.0f} documents scanned."
    )
    assert tuning.settings is not None
    if tuning.num_measured < tuning.num_vectors:
        clusters = tuning.settings.num_clusters
        text += f" For all {tuning.num_vectors:,} vectors: {f'{clusters:,}' if clusters else 'the default'} clusters."
    if tuning.applied and tuning.nprobe is None:
        text += f" On the collection itself no nprobe that was tried reaches {tuning.target_recall:g}: see its points."
    if tuning.expression is not None:
        text += f" Ask: {tuning.expression}"
    return text


def points_table(points: Sequence[Point]) -> str:
    """Markdown, one row per point."""
    return table(_HEADER, [_cells(point) for point in points])


def _cells(point: Point) -> list[str]:
    return [
        *(str(point.settings.coarse), f"{point.settings.num_clusters:,}", code_of(point.settings)),
        *(f"{point.code_bytes:,}", f"{point.nprobe:,}", f"{point.recall:.3f}", f"{point.one_recall_at_10:.3f}"),
        *(f"{point.documents_scanned:,.0f}", f"{point.bytes_read:,.0f}"),
        *(f"{point.p50_us:.0f} us", f"{point.p99_us:.0f} us", f"{point.train_s:.1f} s"),
    ]


def by_setting(points: Sequence[Point]) -> list[list[Point]]:
    """The points of each setting, in the order they were measured."""
    groups: dict[Settings, list[Point]] = {}
    for point in points:
        groups.setdefault(point.settings, []).append(point)
    return list(groups.values())


def code_of(settings: Settings) -> str:
    """Codec with its size where that was a choice."""
    if settings.pq_bytes is not None:
        return f"{settings.codec} {settings.pq_bytes} bytes"
    if settings.bits is not None:
        return f"{settings.codec} {settings.bits} bit{'s' if settings.bits > 1 else ''}"
    return settings.codec or "int8, stored"


def described(settings: Settings) -> str:
    return f"{settings.coarse} {settings.num_clusters:,} clusters, {code_of(settings)}"


def draw(tuning: Tuning, path: Path) -> None:
    """Recall against documents scanned, bytes read and latency. Writes a PNG.

    One line a setting; against documents scanned one for each set of clusters, because a code changes what a document
    costs, not which are scanned.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2, sharey=True)
    groups = by_setting(tuning.points)
    clusters = [(group[0].settings.coarse, group[0].settings.num_clusters) for group in groups]
    codes = dict.fromkeys(code_of(group[0].settings) for group in groups)
    markers = dict(zip(codes, cycle("osv^D*PXh<>p"), strict=False))
    color_of = colormaps["tab20"]
    for at, (group, of) in enumerate(zip(groups, clusters, strict=True)):
        settings = group[0].settings
        recalls = [point.recall for point in group]
        style: dict[str, Any] = {"color": color_of((2 * at + at // 10) % 20), "lw": 1.0, "ms": 4}
        style["marker"] = markers[code_of(settings)]
        if clusters.index(of) == at:
            scanned = [point.documents_scanned for point in group]
            label = f"{settings.coarse} {settings.num_clusters:,}"
            panels[0, 0].plot(scanned, recalls, label=label, **style)
            panels[0, 1].plot(scanned, [point.one_recall_at_10 for point in group], **style)
        panels[1, 0].plot([point.bytes_read for point in group], recalls, **style)
        panels[1, 1].plot([point.p50_us for point in group], recalls, label=described(settings), **style)
    best = tuning.recommended
    if best is not None:
        ring: dict[str, Any] = {"marker": "o", "ms": 12, "mfc": "none", "mec": "black", "ls": "none"}
        panels[0, 0].plot([best.documents_scanned], [best.recall], **ring)
        panels[1, 0].plot([best.bytes_read], [best.recall], **ring)
        panels[1, 1].plot([best.p50_us], [best.recall], label="recommended", **ring)
    recall, us = f"recall@{tuning.k}", "latency, median us"
    titles = ((recall, "documents scanned"), ("1-recall@10", "documents scanned"), (recall, "bytes read"), (recall, us))
    for panel, (title, unit) in zip(panels.flat, titles, strict=True):
        panel.set(xscale="log", xlabel=unit, title=title)
        panel.grid(alpha=0.3)
        panel.axhline(tuning.target_recall, color="0.5", lw=0.8, ls="--")
    panels[0, 0].legend(fontsize=8)
    figure.legend(*panels[1, 1].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.suptitle(f"{tuning.key}: {_sample(tuning)}, {tuning.num_queries:,} queries", fontsize=11)
    figure.savefig(path, dpi=80, metadata={"Software": None})


def _row_of(points: Sequence[Point], target_recall: float) -> Point:
    return recommend(points, target_recall) or max(points, key=lambda point: point.recall)


def _sample(tuning: Tuning) -> str:
    vectors = f"{tuning.num_measured:,} vectors of {tuning.dim} dimensions"
    if tuning.num_measured < tuning.num_vectors:
        vectors += f", sampled from {tuning.num_vectors:,}"
    return vectors
