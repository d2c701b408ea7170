"""Which of the effects that the papers report can be seen on generated worlds, and which cannot?

    python benchmarks/effects/effects.py [--set ebr] --size small --seeds 3 --out DIR [--minutes M] [--rows TEXT]

Data: people worlds (simulated) of `--seeds` seeds; a seed is a world, a log and the seed of every training on it. Each
row trains two recipes that differ in one thing (rows/ebr.py), and measures both on the same searches of the test
split by exact search (lab/people.py). Everything made is kept in DIR, so that a run that is interrupted, or given
`--minutes`, goes on; the table shows what is there. Writes effects.json and effects.md to DIR/<size>;
effects-<set> for another set of rows.

**Effect**: relative change of mean recall@K; the mean over seeds. **Interval** (95 %): half of it is the larger of two:
1.96 standard errors over searches (searches of a seed are independent, paired between the two systems), and Student's t
over the seeds' effects, where there are several. The second covers what differs between worlds and between trainings.

**Verdict**, fixed before anything was measured. A claim says up, down, or equal. Up or down: *agree* where the interval
is on that side of 0; *disagree* where it is on the other side, or where it includes 0 and even its far end is below
a quarter of the paper's figure; else *cannot say*. Equal: *agree* where the interval is within 1 %, *disagree* where
it is outside, else *cannot say*. No gain: *agree* where it is below +1 %, *disagree* where it is above 0 and
reaches beyond that, else *cannot say*. A row has a verdict at recall@1 and one at recall@10: EBR does not say which K.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from lab.people import Lab, OutOfTimeError, recall
from lab.shop import SIZES as SHOP_SIZES
from lab.shop import ShopLab
from rows.channels import ROWS as CHANNELS
from rows.ebr import EBR, ROWS, Row
from rows.ensembles import ROWS as JOINED
from rows.learning import ROWS as LEARNING
from rows.learning import SHOP_ROWS as LEARNING_SHOP

from alicorn.worlds import SIZES

# Rows of the EBR paper; of others on losses and negatives.
SETS = {"ebr": [*ROWS, *JOINED], "learning": LEARNING, "learning-shop": LEARNING_SHOP, "channels": CHANNELS}
KS = (1, 10)
SMALLEST = 0.01  # a relative change of recall that "equal" allows
_T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t, two-sided 95 %, by number of seeds
_SIMULATION = "Simulated: searchers, documents and clicks are generated (docs/{world}-world.md)."


@dataclass(frozen=True)
class Effect:
    """At one K over `seeds` seeds: mean recall of both systems, relative change and its interval."""

    seeds: int
    baseline: float
    variant: float
    change: float
    low: float
    high: float

    def verdict(self, row: Row) -> str:
        """By the rule above; nothing where nothing is claimed."""
        if not row.expected:
            return ""
        if row.expected in ("up", "down"):
            low, high = (self.low, self.high) if row.expected == "up" else (-self.high, -self.low)
            too_small = row.size is not None and high < row.size / 4
            return "agree" if low > 0 else "disagree" if high < 0 or too_small else "cannot say"
        if row.expected == "no gain":
            return "agree" if self.high < SMALLEST else "disagree" if self.low > 0 else "cannot say"
        if self.low >= -SMALLEST and self.high <= SMALLEST:
            return "agree"
        return "disagree" if self.low > SMALLEST or self.high < -SMALLEST else "cannot say"


def effect(recalls: list[tuple[np.ndarray, np.ndarray]]) -> Effect:
    """recalls: for each seed (searches,) of the baseline and of the variant."""
    means = np.array([(baseline.mean(), variant.mean()) for baseline, variant in recalls])
    changes = means[:, 1] / means[:, 0] - 1
    errors = [
        (variant - (1 + change) * baseline).std(ddof=1) / np.sqrt(len(baseline)) / baseline.mean()
        for (baseline, variant), change in zip(recalls, changes, strict=True)
    ]
    seeds = len(recalls)
    half = 1.96 * float(np.sqrt(np.square(errors).sum())) / seeds
    if seeds > 1:
        half = max(half, _T95[seeds] * float(changes.std(ddof=1)) / np.sqrt(seeds))
    change = float(changes.mean())
    return Effect(seeds, *means.mean(axis=0).tolist(), change, change - half, change + half)


def measure(labs: list[Lab], rows: list[Row]) -> dict[Row, dict[int, Effect]]:
    """Row -> K -> effect over the seeds that are there; seed by seed, so that an early stop leaves whole seeds."""
    recalls: dict[Row, dict[int, list[tuple[np.ndarray, np.ndarray]]]] = {row: {k: [] for k in KS} for row in rows}
    for lab in labs:
        for row in rows:
            try:
                baseline, variant = row.ranks(lab)
            except OutOfTimeError:
                continue
            targets = lab.searches.targets
            kept = np.array([row.label is None or row.label in labels for labels in lab.labels])
            for k in KS:
                recalls[row][k].append(tuple(row.measure(one, targets, k)[kept] for one in (baseline, variant)))
    return {row: {k: effect(found) for k, found in by_k.items()} for row, by_k in recalls.items() if by_k[KS[0]]}


def markdown(effects: dict[Row, dict[int, Effect]], world: str, size: str) -> str:
    lines = [f"# Effects on the {world} world, {size}", "", _SIMULATION.format(world=world), ""]
    section = None
    for row, by_k in effects.items():
        if row.section != section:
            section = row.section
            lines += ["", f"## {section}", ""]
            lines += [
                f"| compared | paper | seeds | {row.named}@1 | change | | {row.named}@10 | change | |",
                "|---" * 9 + "|",
            ]
        cells = [row.compared, row.claim, str(by_k[KS[0]].seeds)]
        for k in KS:
            found = by_k[k]
            cells += [
                f"{found.baseline:.4f} → {found.variant:.4f}",
                f"{found.change:+.1%} [{found.low:+.1%}, {found.high:+.1%}]",
                found.verdict(row),
            ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def pools(labs: list[Lab]) -> str:
    """EBR's K ~ N/n: the chance that a target is first among n random documents, and recall@(N/n)."""
    lines = [
        "",
        "## Recall@1 among n random documents, and recall@K of all N with K = N/n, of the model with random",
        "",
    ]
    lines += ["| seed | n | K | recall@1 among n | recall@K |", "|---|---|---|---|---|"]
    for lab in labs:
        try:
            ranks = lab.ranks(EBR)
        except OutOfTimeError:
            continue
        targets, num_documents = lab.searches.targets, len(lab.searches.documents)
        for n in (20, 200, 2000):
            k = num_documents // n
            first = targets.sums((1 - (ranks - 1) / num_documents) ** n) / targets.counts
            found = recall(ranks, targets, k)
            lines.append(f"| {lab.seed} | {n} | {k} | {first.mean():.4f} | {found.mean():.4f} |")
    return "\n".join(lines) + "\n"


def plain(effects: dict[Row, dict[int, Effect]]) -> list[dict]:
    """For JSON."""
    return [
        {
            "section": row.section,
            "compared": row.compared,
            "claim": row.claim,
            "expected": row.expected,
            "size": row.size,
            **{f"{row.named}@{k}": {**vars(found), "verdict": found.verdict(row)} for k, found in by_k.items()},
        }
        for row, by_k in effects.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="ebr", help="whose rows")
    parser.add_argument("--size", choices=["tiny", "small", "medium", "large"], default="medium")
    parser.add_argument("--seeds", type=int, choices=range(1, 6), default=3)
    parser.add_argument("--out", type=Path, default=Path("effects"))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so long")
    parser.add_argument("--rows", default="", help="only rows whose section or comparison has this text")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    world = "shop" if arguments.set.endswith("-shop") else "people"
    of_world, sizes = (ShopLab, SHOP_SIZES) if world == "shop" else (Lab, SIZES)
    if arguments.size not in sizes:
        parser.error(f"the {world} world has the sizes {', '.join(sizes)}, got {arguments.size}")
    labs = [of_world(arguments.out, arguments.size, seed, deadline) for seed in range(arguments.seeds)]
    rows = [row for row in SETS[arguments.set] if arguments.rows in f"{row.section}: {row.compared}"]
    effects = measure(labs, rows)
    table = markdown(effects, world, arguments.size) + (
        pools(labs) if arguments.set == "ebr" and not arguments.rows else ""
    )
    if not arguments.rows:
        name = "effects" if arguments.set == "ebr" else f"effects-{arguments.set}"
        folder = labs[0].folder.parent
        (folder / f"{name}.md").write_text(table, encoding="utf-8")
        (folder / f"{name}.json").write_text(json.dumps(plain(effects), indent=1))
    print(table)
    missing = len(rows) * len(labs) - sum(by_k[KS[0]].seeds for by_k in effects.values())
    print(f"{missing} of {len(rows) * len(labs)} rows x seeds are missing: run again" if missing else "complete")


if __name__ == "__main__":
    main()
