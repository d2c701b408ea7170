"""What was tuned, as a Markdown table, JSON and curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alicorn.extras import check_installed
from alicorn.quantization import Settings
from alicorn.reporting.figure import AXIS, INK, SERIES, Chart, drawing
from alicorn.reporting.json_text import to_json
from alicorn.reporting.markdown import table
from alicorn.tuning.measure import Point
from alicorn.tuning.recommend import recommend
from alicorn.tuning.tune import Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADER = (
    *("coarse", "clusters", "code", "bytes of code", "nprobe", "recall", "1-recall@10", "documents scanned"),
    *("bytes read", "p50", "p99", "training"),
)


def check_drawing() -> None:
    """Raise ConfigError where curves cannot be drawn: before the work, not after it."""
    check_installed("the drawing of the curves", "matplotlib")


def write_report(tuning: Tuning, folder: Path) -> list[Path]:
    """Write tuning.md, tuning.json and tuning.svg into the folder and return the three paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"tuning.{ending}" for ending in ("md", "json", "svg")]
    paths[0].write_text(markdown(tuning), encoding="utf-8")
    paths[1].write_text(to_json(tuning.to_dict(), indent=1) + "\n", encoding="utf-8")
    chart(tuning).write(paths[2], f"recall of {tuning.key} against its costs")
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
    text += f" Ask: {tuning.expression}"
    if tuning.calibrated is not None:
        by = "stored vectors" if tuning.queries_are_documents else "the queries given"
        text += f" which is calibrated by {by}, and reaches {tuning.calibrated:.3f} here."
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


def chart(tuning: Tuning) -> Chart:
    """Recall against documents scanned, bytes read and latency.

    One line a setting; against documents scanned one for each set of clusters, because a code changes what a document
    costs, not which are scanned.
    """
    groups = by_setting(tuning.points)
    clusters = [(group[0].settings.coarse, group[0].settings.num_clusters) for group in groups]
    codes = dict.fromkeys(code_of(group[0].settings) for group in groups)
    markers = dict(zip(codes, cycle("osv^D*PXh<>p"), strict=False))
    with drawing(1280, 720) as figure:
        (scanned, one_at_10), (read, latency) = figure.subplots(2, 2, sharey=True)
        for at, (group, of) in enumerate(zip(groups, clusters, strict=True)):
            settings = group[0].settings
            style: dict[str, Any] = {"color": SERIES[at % len(SERIES)], "lw": 1.2, "ms": 5}
            style |= {"marker": markers[code_of(settings)], "ls": ("-", "--", ":")[at // len(SERIES) % 3]}
            recalls = [point.recall for point in group]
            if clusters.index(of) == at:
                documents = [point.documents_scanned for point in group]
                scanned.plot(documents, recalls, label=f"{settings.coarse} {settings.num_clusters:,}", **style)
                one_at_10.plot(documents, [point.one_recall_at_10 for point in group], **style)
            read.plot([point.bytes_read for point in group], recalls, **style)
            latency.plot([point.p50_us for point in group], recalls, label=described(settings), **style)
        _ring(tuning.recommended, scanned, read, latency)
        recall, us = f"recall@{tuning.k}", "latency, median us"
        titles = {scanned: (recall, "documents scanned"), one_at_10: ("1-recall@10", "documents scanned")}
        for panel, (title, unit) in (titles | {read: (recall, "bytes read"), latency: (recall, us)}).items():
            panel.set(xscale="log", xlabel=unit, title=title)
            panel.axhline(tuning.target_recall, color=AXIS, lw=1, ls="--")
        scanned.legend(fontsize=10)
        figure.legend(*latency.get_legend_handles_labels(), loc="outside right center", fontsize=10)
        figure.suptitle(f"{tuning.key}: {_sample(tuning)}, {tuning.num_queries:,} queries", ha="left", x=0.01)
    return Chart(figure)


def _ring(best: Point | None, scanned: Axes, read: Axes, latency: Axes) -> None:
    """Around what is recommended."""
    if best is not None:
        ring: dict[str, Any] = {"marker": "o", "ms": 12, "mfc": "none", "mec": INK, "ls": "none"}
        scanned.plot([best.documents_scanned], [best.recall], **ring)
        read.plot([best.bytes_read], [best.recall], **ring)
        latency.plot([best.p50_us], [best.recall], label="recommended", **ring)


def _row_of(points: Sequence[Point], target_recall: float) -> Point:
    return recommend(points, target_recall) or max(points, key=lambda point: point.recall)


def _sample(tuning: Tuning) -> str:
    vectors = f"{tuning.num_measured:,} vectors of {tuning.dim} dimensions"
    if tuning.num_measured < tuning.num_vectors:
        vectors += f", sampled from {tuning.num_vectors:,}"
    return vectors
