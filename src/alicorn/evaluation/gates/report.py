"""The search of a gate as Markdown, JSON and a curve, and the block of vertical.yaml."""

from collections.abc import Sequence
from pathlib import Path

from alicorn.evaluation.gates.search import Closed, GateSearch, K
from alicorn.evaluation.reports.charts import Curve, curve_chart
from alicorn.evaluation.vertical_block import in_one_line
from alicorn.reporting.json_text import to_json
from alicorn.reporting.markdown import table
from alicorn.vertical import Selection

TITLE = "Texts that need no nn"


def verdict(found: GateSearch) -> str:
    """What to do, in a sentence."""
    if found.chosen is None:
        return f"Not worth having: whatever is closed may lose more than {found.lost:g} of NDCG@{K}."
    if not found.is_worth_having:
        return f"Not worth having: {_said(found.chosen)}."
    return f"Worth having: {_said(found.chosen)}."


def markdown(found: GateSearch) -> str:
    """The verdict, and the table that it rests on."""
    note = (
        f"Learned from {found.num_choosing:,} searches of the valid split; the table is of {found.num_measuring:,}"
        f" others. Lost: the hybrid expression minus the Boolean one, averaged over all searches, with 95 % intervals."
        f" A request takes {found.us['hybrid']:,.0f} us by the hybrid expression with its encoding,"
        f" {found.us['boolean']:,.0f} us by the Boolean one, and the signs {found.us['signs']:,.0f} us (medians)."
    )
    rows = [*found.rules, *([] if found.chosen is None else [found.chosen]), *found.curve]
    return "\n\n".join([f"# {TITLE}", verdict(found), note, closed_table(rows)]) + "\n"


def closed_table(rows: Sequence[Closed]) -> str:
    """A row for each rule."""
    measures = list(rows[0].lost) if rows else []
    cells = [
        [one.by, f"{one.share:.1%}", *(_interval(one, name) for name in measures), f"{one.us:,.0f}"] for one in rows
    ]
    return table(["closed by", "without nn", *(f"{name} lost" for name in measures), "us"], cells)


def selection_block(selection: Selection, found: GateSearch) -> str:
    """The lines of `selection:` with the rule that was found, after the others."""
    assert found.rule is not None
    assert found.chosen is not None
    lines = ["selection:"]
    if selection.documents:
        lines += [
            "  documents:",
            *(_item(rule.model_dump(mode="json", exclude_none=True)) for rule in selection.documents),
        ]
    others = [_item(rule.model_dump(mode="json")) for rule in selection.without_learned().requests]
    comment = f"    # `alicorn tune --gate`: {_said(found.chosen)}"
    lines += ["  requests:", *others, comment, _item(found.rule.model_dump(mode="json"))]
    return "\n".join(lines) + "\n"


def write_report(found: GateSearch, folder: Path) -> list[Path]:
    """gate.md, gate.json, and gate.svg: what is lost against the share of searches without nn."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"gate.{ending}" for ending in ("md", "json", "svg")]
    paths[0].write_text(markdown(found), encoding="utf-8")
    paths[1].write_text(to_json(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    curves = [
        Curve(name, [(100 * one.share, one.lost[name].mean) for one in found.curve]) for name in found.curve[0].lost
    ]
    curve_chart(curves, "% of the searches without nn", "lost on average").write(paths[2], TITLE)
    return paths


def _said(of: Closed) -> str:
    lost = " and ".join(f"{_interval(of, name)} of {name}" for name in of.lost)
    return f"{of.share:.1%} of the searches go without nn, and {lost} is lost"


def _interval(of: Closed, name: str) -> str:
    lost = of.lost[name]
    return f"{lost.mean:.4f} [{lost.low:.4f}, {lost.high:.4f}]"


def _item(rule: dict[str, object]) -> str:
    return f"    - {in_one_line(rule)}"
