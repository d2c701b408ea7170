"""Which effects of MGDSPR's parts can be seen on the shop world, on recall and on the relevance of what is found?

    python benchmarks/effects/semantic.py --size tiny --seeds 2 --out DIR [--minutes M] [--rows TEXT]

Data: shop worlds (simulated; lab/shop.py). A row trains two recipes that differ in one thing, for the same number of
epochs, of which the best is kept, and measures both on the same searches of the test split by exact search: recall@10,
and P_good@10, the share of the first 10 that have what the query asks for, by the world's truth. Effect, interval and
verdict are those of effects.py. An interrupted run goes on; the table shows what is there. Writes
DIR/shop-<size>/effects-semantic.md and .json.

The paper does not say what its base has instead of a part. Here: the mean of the query's words for the
semantic unit, the mean of all tokens for the Transformer, half the temperature, no generated negatives.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from effects import Effect, effect
from lab.people import OutOfTimeError, recall
from lab.shop import GOOD_AT, SIZES, ShopLab
from rows.ebr import Row

from alicorn.features import ChannelId
from alicorn.towers import Model
from alicorn.towers.channels.tensors import batch_tensors
from alicorn.training import Recipe

Expected = Literal["up", "down", ""]
PAPER_BASE = (85.6, 71.2)  # recall@1000 and P_good
LINKED = ("session", "days", "months")  # kinds of search that behaviour tells something of

FUSION = {
    "kind": "semantic",
    "past_queries": "past",
    "realtime": "realtime",
    "short": "short",
    "long": "long",
    "kinds": ["click", "visited", "collected", "bought"],
}
PLAIN = {"granularities": ["segments"], "pool": "mean"}
DOCUMENT = ["title", "item", "category", "brand", "shop"]
WINDOWS = ["realtime", "short", "long"]
NO_BEHAVIOUR = {"realtime": None, "short": None, "long": None, "kinds": []}


def recipe(
    fusion: dict[str, Any], scale: float = 20, interpolated: int = 0, windows: list[str] = WINDOWS, **changes: Any
) -> Recipe:
    """Softmax over random documents that a batch shares, as MGDSPR trains; Adam."""
    plain = {
        "towers": {
            "dim": 64,
            "fusion": {**FUSION, **fusion},
            "features": {
                "request": ["text", "past", *windows],
                "document": ["title", "item", "category", "brand", "shop"],
            },
            "tables": {"text": {"buckets": 32_768, "dim": 64}},
        },
        "loss": {"kind": "softmax", "scale": scale},
        "negatives": {"random": 684, "in_batch": False, "interpolated": interpolated},
        "batch": 256,
        "epochs": 3,
        "patience": 3,
        "validation": {"searches": 700, "start": False, "interpolate": []},
    }
    return Recipe.model_validate({**plain, **changes})


BASE = recipe(PLAIN)
WITHOUT_MIX = recipe({}, scale=10)
WHOLE = recipe({}, scale=10, interpolated=684)


@dataclass(frozen=True, eq=False)
class Ablation:
    """expected, size: of recall and of P_good; sizes are shares of the baseline, from MGDSPR's table.
    kind: only searches of these kinds."""

    compared: str
    claim: str
    baseline: Recipe
    variant: Recipe
    expected: tuple[Expected, Expected] = ("", "")
    size: tuple[float | None, float | None] = (None, None)
    kinds: tuple[str, ...] = ()

    @classmethod
    def of_table(
        cls, compared: str, variant: Recipe, expected: tuple[Expected, Expected], got: tuple[float, float]
    ) -> "Ablation":
        """Against the paper's base. got: its recall@1000 and P_good, in per cent."""
        claim = "; ".join(f"{before} → {after}" for before, after in zip(PAPER_BASE, got, strict=True))
        sizes = [abs(after / before - 1) for before, after in zip(PAPER_BASE, got, strict=True)]
        return cls(compared, claim, BASE, variant, expected, (sizes[0], sizes[1]))


def ablations() -> list[Ablation]:
    temperature, mix = recipe(PLAIN, scale=10), recipe(PLAIN, interpolated=684)
    without, no_zero = recipe(NO_BEHAVIOUR, 10, 684, []), recipe({"zero_vector": False}, 10, 684)
    up, down = ("up", "up"), ("down", "up")
    unit, transformer = recipe({"pool": "mean"}), recipe({"granularities": ["segments"]})
    against_base = [
        ("semantic unit / mean of words", unit, up, (86.0, 71.6)),
        ("Transformer with [CLS] / mean of tokens", transformer, up, (86.4, 71.4)),
        ("temperature doubled", temperature, down, (85.5, 79.0)),
        ("unit, Transformer and temperature / none", WITHOUT_MIX, up, (86.8, 79.2)),
        ("684 generated negatives / none", mix, down, (83.6, 80.6)),
        ("all / none", WHOLE, down, (84.7, 80.0)),
    ]
    nothing = "lets irrelevant behaviour be ignored"
    return [
        *(Ablation.of_table(compared, variant, expected, got) for compared, variant, expected, got in against_base),
        Ablation("behaviour / none", "", without, WHOLE),
        Ablation("behaviour / none, linked searches", "", without, WHOLE, kinds=LINKED),
        Ablation("behaviour / none, unlinked searches", "", without, WHOLE, kinds=("unlinked",)),
        Ablation("zero vector / none", nothing, no_zero, WHOLE),
        Ablation("zero vector / none, unlinked searches", nothing, no_zero, WHOLE, kinds=("unlinked",)),
    ]


def measured(lab: ShopLab, ablation: Ablation) -> list[tuple[np.ndarray, np.ndarray]]:
    """For recall@10 and P_good@10 the values of baseline and variant, (searches,)."""
    kept = np.array([not ablation.kinds or bool(labels & set(ablation.kinds)) for labels in lab.labels])
    of_metric: list[Callable[[Recipe], np.ndarray]] = [
        lambda one: recall(lab.ranks(one), lab.searches.targets, GOOD_AT),
        lab.good,
    ]
    return [(values(ablation.baseline)[kept], values(ablation.variant)[kept]) for values in of_metric]


def measure(labs: list[ShopLab], rows: list[Ablation]) -> dict[Ablation, list[Effect]]:
    """Row -> effects on recall and on P_good over the seeds that are there; seed by seed."""
    found: dict[Ablation, list[list[tuple[np.ndarray, np.ndarray]]]] = {row: [] for row in rows}
    for lab in labs:
        for row in rows:
            try:
                found[row].append(measured(lab, row))
            except OutOfTimeError:
                continue
    return {row: [effect(list(values)) for values in zip(*seeds, strict=True)] for row, seeds in found.items() if seeds}


def cells(row: Ablation, effects: list[Effect]) -> list[list[str]]:
    """For recall and P_good: values, change with interval, verdict."""
    out = []
    for found, expected, size in zip(effects, row.expected, row.size, strict=True):
        claimed = Row("MGDSPR", row.compared, row.claim, expected, lambda lab: (np.empty(0), np.empty(0)), size)
        out.append(
            [
                f"{found.baseline:.4f} → {found.variant:.4f}",
                f"{found.change:+.1%} [{found.low:+.1%}, {found.high:+.1%}]",
                found.verdict(claimed),
            ]
        )
    return out


def markdown(effects: dict[Ablation, list[Effect]], size: str) -> str:
    header = ["compared", "paper: recall; P_good", "seeds", "recall@10", "change", "", "P_good@10", "change", ""]
    lines = [f"# MGDSPR on the shop world, {size}", "", "Simulated: docs/shop-world.md.", ""]
    lines += ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for row, found in effects.items():
        by_metric = [cell for part in cells(row, found) for cell in part]
        lines.append("| " + " | ".join([row.compared, row.claim, str(found[0].seeds), *by_metric]) + " |")
    return "\n".join(lines) + "\n"


def plain(effects: dict[Ablation, list[Effect]]) -> list[dict[str, Any]]:
    """For JSON."""
    names = (f"recall@{GOOD_AT}", f"p_good@{GOOD_AT}")
    return [
        {
            "compared": row.compared,
            "claim": row.claim,
            **{
                name: {**vars(one), "verdict": cell[2]}
                for name, one, cell in zip(names, found, cells(row, found), strict=True)
            },
        }
        for row, found in effects.items()
    ]


def left_out(lab: ShopLab) -> dict[str, float]:
    """Kind of search -> mean weight of the zero vector in the whole model's reading of real-time behaviour, over test
    searches whose searcher did anything in the last day."""
    module = (model := Model.load(lab.trained(WHOLE))).module
    tower, tables = module.request, dict(zip(module._names, module.tables, strict=True))
    batch = batch_tensors(model.requests.transform(lab.searches.requests))
    with torch.inference_mode():
        queries = tower.unit(tower.query(batch, tables))
        realtime = batch[ChannelId("request", "realtime")]
        weights = tower.behaviour[0].reads(queries, realtime, tables)[1][:, :, 0].mean(dim=1).numpy()
    active = realtime.lengths.numpy() > 0
    kinds = [next(iter(labels & {*LINKED, "unlinked"})) for labels in lab.labels]
    return {kind: float(weights[active & (np.array(kinds) == kind)].mean()) for kind in (*LINKED, "unlinked")}


def zero_vector(labs: list[ShopLab]) -> str:
    """What left_out finds, a line for each seed that is there."""
    lines = ["", "Weight of the zero vector in real-time behaviour, by kind of search:"]
    for lab in labs:
        try:
            found = left_out(lab)
        except OutOfTimeError:
            continue
        lines.append(f"seed {lab.seed}: " + ", ".join(f"{kind} {weight:.3f}" for kind, weight in found.items()))
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="tiny")
    parser.add_argument("--seeds", type=int, choices=range(1, 6), default=2)
    parser.add_argument("--out", type=Path, default=Path("effects"))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so long")
    parser.add_argument("--rows", default="", help="only rows whose comparison has this text")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    labs = [ShopLab(arguments.out, arguments.size, seed, deadline) for seed in range(arguments.seeds)]
    rows = [row for row in ablations() if arguments.rows in row.compared]
    effects = measure(labs, rows)
    table = markdown(effects, arguments.size) + (zero_vector(labs) if not arguments.rows else "")
    if not arguments.rows:
        folder = arguments.out / f"shop-{arguments.size}"
        (folder / "effects-semantic.md").write_text(table, encoding="utf-8")
        (folder / "effects-semantic.json").write_text(json.dumps(plain(effects), indent=1))
    print(table)
    missing = len(rows) * len(labs) - sum(found[0].seeds for found in effects.values())
    print(f"{missing} of {len(rows) * len(labs)} rows x seeds are missing: run again" if missing else "complete")


if __name__ == "__main__":
    main()
