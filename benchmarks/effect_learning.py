"""Rows of effects.py on how towers are learned: Que2Search's two stages, MGDSPR's loss and negatives, and CBNS.

    python benchmarks/effects.py --set learning --size small --seeds 3 --out DIR

All recipes have the towers and the positives of the shipped recipe of the people world and differ from their baseline
in one thing. Both sides of a row train as many epochs. MGDSPR's P_good needs a judge of relevance, which the
people world has not: the likeness of a name to the query stands for it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from effect_lab import Lab
from effect_rows import SHIPPED, Ranks, Row, changed, two

from alicorn.evaluation.exact import exact_top_k
from alicorn.evaluation.metrics import Targets
from alicorn.logs.likeness import likeness
from alicorn.training import Recipe

EPOCHS = 4
DEPTH = 10  # documents whose likeness to the query is measured
LIKE = 0.5  # share of the query's trigrams


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


# On the page: what the log can say of relevance


def page_ranks(lab: Lab, recipe: Recipe) -> np.ndarray:
    """int32 (targets,): the rank of each target among it and what its search showed and nobody clicked."""

    def ranks() -> np.ndarray:
        requests, documents = lab.vectors(recipe)
        targets, rows = lab.searches.targets, lab.searches.targets.rows
        shown = pq.read_table(lab.pairs / "non_clicks.parquet", columns=["session_id", "doc_id"])
        searches = pc.index_in(shown["session_id"], lab.searches.session_ids.combine_chunks())
        shown, searches = shown.filter(pc.is_valid(searches)), searches.drop_null().to_numpy()
        numbers = pc.index_in(shown["doc_id"], lab.searches.documents["doc_id"].combine_chunks()).to_numpy()
        cosines = np.einsum("ij,ij->i", requests[searches], documents[numbers])
        own = np.einsum("ij,ij->i", requests[rows], documents[targets.documents])
        order = np.argsort(searches, kind="stable")
        ordered = searches[order]
        found = np.ones(len(rows), dtype=np.int32)
        for place, (row, cosine) in enumerate(zip(rows, own, strict=True)):
            of_search = slice(*np.searchsorted(ordered, [row, row + 1]))
            found[place] += np.count_nonzero(cosines[order[of_search]] > cosine)
        return found

    return lab.kept(f"{lab.trained(recipe).name}-page", ranks)


def two_on_page(baseline: Recipe, variant: Recipe) -> Callable[[Lab], Ranks]:
    return lambda lab: (page_ranks(lab, baseline), page_ranks(lab, variant))


# The first documents: are they like the query?


def likes(lab: Lab, recipe: Recipe) -> np.ndarray:
    """bool (searches, 10): whether each of the nearest documents has at least half of the query's letter trigrams.

    It stands for a judge of relevance, which the people world has not: a name is what a query asks for.
    """

    def alike() -> np.ndarray:
        requests, documents = lab.vectors(recipe)
        run, _ = exact_top_k(requests, documents, DEPTH)
        queries = pa.chunked_array([np.repeat(np.array(lab.searches.queries, dtype=object), DEPTH)])
        found = lab.searches.documents["doc_id"].take(pa.array(run.ravel()))
        names = lab.searches.documents.select(["doc_id", "name"])
        return (likeness(queries, found, names) >= LIKE).reshape(run.shape)

    return lab.kept(f"{lab.trained(recipe).name}-like", alike)


def share(alike: np.ndarray, targets: Targets, k: int) -> np.ndarray:
    """float64 (searches,): the share of the first k documents that are like the query."""
    return alike[:, :k].mean(axis=1)


# Que2Search: stages, head

HARDEST = {"random": 0, "in_batch": False, "online_hard": 1}


def rank(reduction: str = "sum", margin: float = 0.1, **stage: Any) -> dict[str, Any]:
    """A stage of margin rank against the hardest other positive of the batch."""
    loss = {"kind": "triplet", "margin": margin, "reduction": reduction}
    return {"loss": loss, "negatives": HARDEST, "epochs": EPOCHS, **stage}


BPR = {"loss": {"kind": "bpr", "reduction": "sum"}, "negatives": HARDEST, "epochs": EPOCHS}
SOFTMAX = {"epochs": EPOCHS}


def in_stages(*stages: dict[str, Any], **changes: Any) -> Recipe:
    return learned(stages=list(stages), **changes)


def everywhere(compared: str, claim: str, expected: Any, baseline: Recipe, variant: Recipe) -> list[Row]:
    """Of all documents, and on the page: Que2Search's figures are of an AUC over what was shown."""
    return [
        Row("Que2Search: stages and further losses", compared, claim, expected, two(baseline, variant)),
        Row("The same, on the page", compared, claim, expected, two_on_page(baseline, variant)),
    ]


def que2search_rows() -> list[Row]:
    base, twice = learned(), in_stages(SOFTMAX, SOFTMAX)
    then_rank, then_bpr = in_stages(SOFTMAX, rank()), in_stages(SOFTMAX, BPR)
    early = in_stages({"epochs": 1}, rank(epochs=2 * EPOCHS - 1))
    compared = [
        everywhere("softmax, then margin rank / softmax twice as long", "+0.8, +1 % AUC", "up", twice, then_rank),
        everywhere("softmax, then BPR / softmax twice as long", "tried", "", twice, then_bpr),
        everywhere("second stage: margin rank / BPR", "margin rank won", "up", then_bpr, then_rank),
        everywhere(
            "margin rank from the start / softmax, then margin rank",
            "without a first stage it is worse",
            "down",
            then_rank,
            in_stages(rank(), rank()),
        ),
        everywhere("second stage after 1 epoch / after 4", "too early is worse", "down", then_rank, early),
        everywhere(
            "second stage: sum / mean over the batch",
            "sum made it work",
            "up",
            in_stages(SOFTMAX, rank("mean")),
            then_rank,
        ),
        everywhere("auxiliary head / none", "+0.5", "up", base, learned(auxiliary={"queries": 5000})),
        everywhere("gradient blending / none", "+0.7", "up", base, learned(blending={})),
        everywhere(
            "softmax both ways / one way", "a variant", "", base, learned(loss={"kind": "softmax", "symmetric": True})
        ),
    ]
    return [row for rows in zip(*compared, strict=True) for row in rows]


# MGDSPR: loss, temperature, generated negatives

POOL = {"random": 684, "in_batch": False}
SCALED = {"kind": "softmax", "scale": 20}


def pooled(loss: dict[str, Any], **changes: Any) -> Recipe:
    """A loss over random documents that a batch shares, as MGDSPR trains."""
    return learned(loss=loss, negatives=POOL, batch=256, **changes)


def convergence_rows() -> list[Row]:
    row = partial(Row, "MGDSPR: softmax and hinge", claim="softmax is faster and higher", expected="up")
    return [
        row(
            f"softmax / hinge of margin {margin}, after {epochs} epoch{'s' if epochs > 1 else ''}",
            ranks=two(pooled({"kind": "triplet", "margin": margin}, epochs=epochs), pooled(SCALED, epochs=epochs)),
        )
        for epochs in (1, EPOCHS)
        for margin in (0.1, 0.3, 0.5)
    ]


def relevance_rows() -> list[Row]:
    """Both lower recall and raise P_good in the paper."""
    scales = {scale: pooled({**SCALED, "scale": scale}) for scale in (40, 20, 10, 5)}
    generated = {
        count: learned(loss=SCALED, negatives={**POOL, "interpolated": count}, batch=256) for count in (684, 50)
    }
    compared = [
        ("temperature 1/20 / 1/40", "", scales[40], scales[20], None),
        ("temperature 1/10 / 1/20", "-0.1 of 85.6 %; 71.2 to 79.0 % good", scales[20], scales[10], None),
        ("temperature 1/5 / 1/10", "", scales[10], scales[5], None),
        (
            "generated negatives, 684 / none",
            "85.6 to 83.6 %; 71.2 to 80.6 % good",
            scales[20],
            generated[684],
            0.023,
        ),
        ("generated negatives, 50 / none", "as above", scales[20], generated[50], None),
    ]
    return [
        *(
            Row("MGDSPR: temperature and generated negatives", name, claim, "down" if claim else "", two(*pair), size)
            for name, claim, *pair, size in compared
        ),
        *(
            Row(
                "The same, likeness to the query",
                name,
                claim,
                "up" if claim else "",
                lambda lab, pair=tuple(pair): (likes(lab, pair[0]), likes(lab, pair[1])),
                measure=share,
                named="like the query",
            )
            for name, claim, *pair, _ in compared
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


ROWS = [*que2search_rows(), *convergence_rows(), *relevance_rows(), *cross_batch_rows()]
