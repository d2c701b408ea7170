"""Rows of effects.py on how towers are learned: Que2Search's two stages, MGDSPR's loss and negatives, and CBNS.

    python benchmarks/effects.py --set learning --size small --seeds 3 --out DIR

All recipes have the towers and the positives of the shipped recipe of the people world and differ from their baseline
in one thing. Both sides of a row train as many epochs. MGDSPR's relevance is not judged here, only its recall.
"""

from functools import partial
from typing import Any

from effect_rows import SHIPPED, Row, changed, two

from alicorn.training import Recipe

EPOCHS = 4


def learned(**changes: Any) -> Recipe:
    """The shipped towers with in-batch negatives alone, for a fixed number of epochs, of which the best is kept."""
    plain = {
        "negatives": {"random": 0},
        "batch": 768,
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "validation": {"start": False},
    }
    return changed(SHIPPED, **{**plain, **changes})


# Que2Search: stages, head

HARDEST = {"random": 0, "in_batch": False, "online_hard": 1}
RATE = {"rate": 0.0007}  # of the paper, from which the second stage starts


def rank(reduction: str = "sum", margin: float = 0.1, **stage: Any) -> dict[str, Any]:
    """A stage of margin rank against the hardest other positive of the batch."""
    loss = {"kind": "triplet", "margin": margin, "reduction": reduction}
    return {"loss": loss, "negatives": HARDEST, "epochs": EPOCHS, **stage}


BPR = {"loss": {"kind": "bpr", "reduction": "sum"}, "negatives": HARDEST, "epochs": EPOCHS}
SOFTMAX = {"epochs": EPOCHS}


def in_stages(*stages: dict[str, Any], **changes: Any) -> Recipe:
    return learned(stages=list(stages), **changes)


def curriculum_rows() -> list[Row]:
    row = partial(Row, "Que2Search: two stages")
    twice, then_rank, then_bpr = (in_stages(SOFTMAX, second) for second in (SOFTMAX, rank(), BPR))
    early = in_stages({"epochs": 1}, rank(epochs=2 * EPOCHS - 1))
    return [
        row("softmax, then margin rank / softmax twice as long", "+0.8 or +1 % AUC", "up", two(twice, then_rank)),
        row("second stage: margin rank / BPR", "margin rank won", "up", two(then_bpr, then_rank)),
        row(
            "margin rank from the start / softmax",
            "without a first stage it is worse",
            "down",
            two(twice, in_stages(rank(), rank())),
        ),
        row("second stage after 1 epoch / after 4", "too early is worse", "down", two(then_rank, early)),
        row(
            "second stage: sum / mean over the batch",
            "sum made it work",
            "up",
            two(in_stages(SOFTMAX, rank("mean")), then_rank),
        ),
    ]


def head_rows() -> list[Row]:
    row = partial(Row, "Que2Search: more losses")
    symmetric = learned(loss={"kind": "softmax", "symmetric": True})
    return [
        row("auxiliary head / none", "+0.5", "up", two(learned(), learned(auxiliary={"queries": 5000}))),
        row("softmax both ways / one way", "", "", two(learned(), symmetric)),
    ]


# MGDSPR: loss, temperature, generated negatives

POOL = {"random": 684, "in_batch": False}


def pooled(loss: dict[str, Any], **changes: Any) -> Recipe:
    """A loss over random documents that a batch shares, as MGDSPR trains."""
    return learned(loss=loss, negatives=POOL, batch=256, **changes)


def pool_rows() -> list[Row]:
    row = partial(Row, "MGDSPR: softmax, temperature, generated negatives")
    softmax = {"kind": "softmax", "scale": 20}
    base = pooled(softmax)
    once = {"epochs": 1}
    return [
        *(
            row(
                f"softmax / hinge of margin {margin}, after {count} epoch{'s' if count > 1 else ''}",
                "faster and higher",
                "up",
                two(pooled({"kind": "triplet", "margin": margin}, **length), pooled(softmax, **length)),
            )
            for count, length in ((1, once), (EPOCHS, {}))
            for margin in (0.1, 0.3, 0.5)
        ),
        *(
            row(
                f"temperature 1/{less} / 1/{more}",
                claim,
                expected,
                two(pooled({**softmax, "scale": more}), pooled({**softmax, "scale": less})),
            )
            for more, less, claim, expected in ((40, 20, "", ""), (20, 10, "-0.1 of 85.6", "down"), (10, 5, "", ""))
        ),
        row(
            "generated negatives, 684 / none",
            "-2.3 % (83.6 of 85.6)",
            "down",
            two(base, learned(loss=softmax, negatives={**POOL, "interpolated": 684}, batch=256)),
            0.023,
        ),
        row(
            "generated negatives, 50 / none",
            "lower",
            "down",
            two(base, learned(loss=softmax, negatives={**POOL, "interpolated": 50}, batch=256)),
        ),
    ]


# CBNS: where negatives come from, as batches get smaller

BATCHES = (64, 256, 1024)
MEMORY = 2432


def sampled(batch: int, **negatives: Any) -> Recipe:
    return learned(batch=batch, negatives={"random": 0, "log_q": True, **negatives})


def cross_batch_rows() -> list[Row]:
    row = partial(Row, "CBNS: cross-batch negatives")
    rows = []
    for batch in BATCHES:
        alone = sampled(batch)
        kept = sampled(batch, memory={"size": MEMORY, "warm_up": 60_000 // batch})
        mixed = sampled(batch, random=batch)
        uniform = sampled(batch, random=batch, in_batch=False, log_q=False)
        rows += [
            row(f"remembered beside in-batch / in-batch, batch {batch}", "better", "up", two(alone, kept)),
            row(f"remembered / mixed, batch {batch}", "better or equal", "", two(mixed, kept)),
            row(f"mixed / in-batch, batch {batch}", "better or equal", "up", two(alone, mixed)),
            row(f"remembered / uniform, batch {batch}", "better", "up", two(uniform, kept)),
        ]
    cold = sampled(64, memory={"size": MEMORY, "warm_up": 0})
    warm = sampled(64, memory={"size": MEMORY, "warm_up": 60_000 // 64})
    streamed = sampled(64, streaming={})
    return [
        *rows,
        row("remembered without warm-up / with, batch 64", "worse", "down", two(warm, cold)),
        row("logQ streamed / counted, batch 64", "follows it", "equal", two(sampled(64), streamed)),
    ]


ROWS = [*curriculum_rows(), *head_rows(), *pool_rows(), *cross_batch_rows()]
