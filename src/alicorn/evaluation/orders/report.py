"""The search of an order as Markdown, JSON and curves of NDCG against the weight of each part."""

from pathlib import Path

import numpy as np

from alicorn.evaluation.orders.block import order_of
from alicorn.evaluation.orders.fields import FoundFields, K
from alicorn.evaluation.orders.search import PRESENT, OrderSearch, Trial
from alicorn.evaluation.reports.charts import Curve, curve_chart
from alicorn.evaluation.reports.comparison_report import markdown as comparison_markdown
from alicorn.language.order import Part
from alicorn.reporting.json_text import to_json
from alicorn.reporting.markdown import table

TITLE = "Order of the hybrid expression"


def comment(found: OrderSearch) -> str:
    """One line on why this order: for vertical.yaml."""
    measure = f"NDCG@{K}"
    gain = found.comparison.difference(found.chosen, measure)
    before, after = (found.comparison.mean(name, measure).mean for name in (PRESENT, found.chosen))
    difference = f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    return (
        f"`alicorn tune --order`: {measure} {before:.3f} -> {after:.3f}, {difference}"
        f" on {found.comparison.segments['overall']:,} valid searches that did not choose it"
    )


def verdict(found: OrderSearch) -> str:
    """What to do, in a sentence."""
    if found.is_worth_having:
        return f"Worth having: {found.chosen}. {comment(found)}."
    if found.chosen == PRESENT:
        return "Not worth changing: the present order is the best of those that were tried."
    return f"Not worth changing: what {found.chosen} gains may be chance. {comment(found)}."


def words_alone(fields: FoundFields) -> str:
    """What the weights of fields are worth where words alone order the hits, in a sentence."""
    gain = f"{fields.gain.mean:+.3f} [{fields.gain.low:+.3f}, {fields.gain.high:+.3f}]"
    means = f"NDCG@{K} {fields.before:.3f} -> {fields.after:.3f}, {gain}"
    return f"Words alone, BM25 in fields {to_json(fields.weights)}: {means}."


def markdown(found: OrderSearch) -> str:
    """The verdict, and the tables that it rests on."""
    orders = [[name, f"`{to_json(order)}`"] for name, order in found.orders.items()]
    notes = [
        verdict(found),
        table(["", "order"], orders),
        f"Chosen by NDCG@{K} on {found.num_choosing:,} searches of the valid split; the tables are of the others.",
    ]
    if found.fields is not None:
        notes.append(words_alone(found.fields))
    return comparison_markdown(found.comparison, title=TITLE, notes=notes).rstrip() + "\n"


def write_report(found: OrderSearch, folder: Path) -> list[Path]:
    """order.md with all orders that were tried, order.json, and order.svg: NDCG against the weight of each part beside
    the best of the others."""
    trials = [[one.part, f"`{to_json(order_of(one.parts))}`", f"{one.value:.4f}"] for one in found.trials]
    tried = table(["part", "order", f"NDCG@{K}"], trials)
    if found.fields is not None:
        fields = [[f"`{to_json(one.weights)}`", f"{one.value:.4f}"] for one in found.fields.trials]
        tried += f"\n\n## Weights of fields, words alone\n\n{table(['fields', f'NDCG@{K}'], fields)}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"order.{ending}" for ending in ("md", "json", "svg")]
    paths[0].write_text(f"{markdown(found)}\n## Tried\n\n{tried}\n", encoding="utf-8")
    paths[1].write_text(to_json(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    if curves := _curves(found):
        chart = curve_chart(curves, "log2 of the weight", f"NDCG@{K} on the searches that chose")
        chart.write(paths[2], TITLE)
    return [path for path in paths if path.exists()]


def _curves(found: OrderSearch) -> list[Curve]:
    """Of the last round in which each part and scale was varied."""
    points: dict[str, dict[float, float]] = {}
    for trial in found.trials:
        varied = _varied(trial)
        if varied is not None and varied.weight > 0:
            points.setdefault(_label(varied), {})[float(np.log2(varied.weight))] = trial.value
    return [Curve(label, sorted(of.items())) for label, of in points.items() if len(of) > 1]


def _varied(trial: Trial) -> Part | None:
    return next((part for part in trial.parts if str(part) == trial.part), None)


def _label(part: Part) -> str:
    if part.half_at is not None:
        return f"{part}, half at {part.half_at:g}"
    return f"{part}, log" if part.log else str(part)
