"""Rows of effects.py on how towers are learned: Que2Search's two stages, MGDSPR's loss and negatives, and CBNS.

    python benchmarks/effects/effects.py --set learning --size small --seeds 3 --out DIR         # people world
    python benchmarks/effects/effects.py --set learning-shop --size tiny --seeds 3 --out DIR     # shop world

On the people world recipes have the towers of its shipped recipe; on the shop world text, age and a few attributes, and
no behaviour. Both sides of a row differ in one thing and train as many epochs. MGDSPR's P_good needs a judge of
relevance: the shop world knows what a query asks for; the people world uses the likeness of a name to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lab.people import Lab, recall
from lab.shop import ShopLab
from rows.ebr import SHIPPED, Measure, Row, changed

from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.systems.exact import exact_top_k
from alicorn.logs.likeness import likeness
from alicorn.training import Recipe

DEPTH = 10  # documents whose relevance is looked at
LIKE = 0.5  # share of the query's trigrams


# On the page: what the log can say of relevance


def page_ranks(lab: Lab, recipe: Recipe) -> np.ndarray:
    """int32 (targets,): the rank of each target among it and what its search showed and nobody clicked."""

    def ranks() -> np.ndarray:
        requests, documents = lab.vectors(recipe)
        targets, rows = lab.searches.targets, lab.searches.targets.rows
        shown = pq.read_table(lab.pairs / "non_clicks.parquet", columns=["search_id", "doc_id"])
        searches = pc.index_in(shown["search_id"], lab.searches.search_ids.combine_chunks())
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


# The first documents: are they like the query, do they have what it asks for?


def likes(lab: Lab, recipe: Recipe) -> np.ndarray:
    """bool (searches, 10): whether each of the nearest documents has at least half of the query's letter trigrams.

    It replaces a judge of relevance, which the people world does not have: a query asks for a name.
    """

    def alike() -> np.ndarray:
        requests, documents = lab.vectors(recipe)
        run, _ = exact_top_k(requests, documents, DEPTH)
        queries = pa.chunked_array([np.repeat(np.array(lab.searches.queries, dtype=object), DEPTH)])
        found = lab.searches.documents["doc_id"].take(pa.array(run.ravel()))
        names = lab.searches.documents.select(["doc_id", "name"])
        return (likeness(queries, found, names) >= LIKE).reshape(run.shape)

    return lab.kept(f"{lab.trained(recipe).name}-like", alike)


def good(lab: ShopLab, recipe: Recipe) -> np.ndarray:
    """bool (searches, 10): whether each of the nearest products has what the query asks for; the shop world knows."""

    def relevant() -> np.ndarray:
        run, _ = exact_top_k(*lab.vectors(recipe), DEPTH)
        numbers = pc.utf8_slice_codeunits(lab.searches.documents["doc_id"], 1).cast(pa.int64()).to_numpy()
        return lab.world.relevant(lab.truth, numbers[run])

    return lab.kept(f"{lab.trained(recipe).name}-relevant", relevant)


def share(found: np.ndarray, targets: Targets, k: int) -> np.ndarray:
    """float64 (searches,): the share of the first k documents that are."""
    return found[:, :k].mean(axis=1)


@dataclass(frozen=True)
class View:
    """What two recipes are compared by: `of` makes an array of each, `measure` values of searches from that."""

    title: str
    of: Callable[[Any, Recipe], np.ndarray]
    measure: Measure = recall
    named: str = "recall"


EVERYWHERE = View("among all documents", Lab.ranks)
ON_PAGE = View("among what the page showed", page_ranks)
ALIKE = View("likeness of the first documents to the query", likes, share, "like the query")
GOOD = View("relevance of the first documents", good, share, "P_good")


@dataclass(frozen=True)
class Compared:
    """Two recipes, and what a paper says of the variant; `expected` and `size` as in Row, by view."""

    name: str
    claim: str
    expected: Mapping[View, Any]
    baseline: Recipe
    variant: Recipe
    size: Mapping[View, float] = field(default_factory=dict)


def seen(topic: str, views: Sequence[View], compared: Sequence[Compared]) -> list[Row]:
    """A section for each view."""

    def row(view: View, one: Compared) -> Row:
        return Row(
            f"{topic}: {view.title}",
            one.name,
            one.claim,
            one.expected.get(view, ""),
            lambda lab: (view.of(lab, one.baseline), view.of(lab, one.variant)),
            one.size.get(view),
            measure=view.measure,
            named=view.named,
        )

    return [row(view, one) for view in views for one in compared]


# Que2Search: stages, head

HARDEST = {"random": 0, "in_batch": False, "online_hard": 1}
UP, DOWN = dict.fromkeys((EVERYWHERE, ON_PAGE), "up"), dict.fromkeys((EVERYWHERE, ON_PAGE), "down")


def rank(epochs: int, reduction: str = "sum") -> dict[str, Any]:
    """A stage of margin rank against the hardest other positive of the batch."""
    return {"loss": {"kind": "triplet", "margin": 0.1, "reduction": reduction}, "negatives": HARDEST, "epochs": epochs}


def que2search(base: Recipe) -> list[Compared]:
    """On in-batch negatives; two stages of as many epochs as the base has."""
    epochs = base.epochs

    def stages(*given: dict[str, Any]) -> Recipe:
        return changed(base, stages=list(given))

    softmax = {"epochs": epochs}
    bpr = {"loss": {"kind": "bpr", "reduction": "sum"}, "negatives": HARDEST, "epochs": epochs}
    twice, then_rank, then_bpr = stages(softmax, softmax), stages(softmax, rank(epochs)), stages(softmax, bpr)
    return [
        Compared("softmax, then margin rank / softmax twice as long", "+0.8, +1 % AUC", UP, twice, then_rank),
        Compared("softmax, then BPR / softmax twice as long", "tried", {}, twice, then_bpr),
        Compared("second stage: margin rank / BPR", "margin rank won", UP, then_bpr, then_rank),
        Compared(
            "margin rank from the start / softmax, then margin rank",
            "without a first stage it is worse",
            DOWN,
            then_rank,
            stages(rank(epochs), rank(epochs)),
        ),
        Compared(
            f"second stage after 1 epoch / after {epochs}",
            "too early is worse",
            DOWN,
            then_rank,
            stages({"epochs": 1}, rank(2 * epochs - 1)),
        ),
        Compared(
            "second stage: sum / mean over the batch",
            "sum made it work",
            UP,
            stages(softmax, rank(epochs, "mean")),
            then_rank,
        ),
        Compared("auxiliary head / none", "+0.5", UP, base, changed(base, auxiliary={"queries": 5000})),
        Compared("gradient blending / none", "+0.7", UP, base, changed(base, blending={})),
        Compared(
            "softmax both ways / one way",
            "a variant",
            {},
            base,
            changed(base, loss={"kind": "softmax", "symmetric": True}),
        ),
    ]


# MGDSPR: loss, temperature, generated negatives

FASTER = {EVERYWHERE: "up"}
RELEVANT = {EVERYWHERE: "down", ALIKE: "up", GOOD: "up"}


def pooled(base: Recipe, **changes: Any) -> Recipe:
    """Softmax over random documents that a batch of 256 shares, as MGDSPR trains."""
    return changed(base, **{"negatives": {"random": 684, "in_batch": False}, "batch": 256, **changes})


def convergence(base: Recipe) -> list[Compared]:
    return [
        Compared(
            f"softmax / hinge of margin {margin}, after {epochs} epoch{'s' if epochs > 1 else ''}",
            "softmax is faster and higher",
            FASTER,
            pooled(base, loss={"kind": "triplet", "margin": margin}, epochs=epochs),
            pooled(base, epochs=epochs),
        )
        for epochs in (1, base.epochs)
        for margin in (0.1, 0.3, 0.5)
    ]


def temperatures(base: Recipe) -> list[Compared]:
    """And generated negatives: both lower recall and raise P_good in the paper."""
    scales = {scale: pooled(base, loss={"kind": "softmax", "scale": scale}) for scale in (40, 20, 10, 5)}
    generated = {
        count: pooled(base, negatives={"random": 684, "in_batch": False, "interpolated": count}) for count in (684, 50)
    }
    to_good = "71.2 to 79.0 % good"
    return [
        Compared("temperature 1/20 / 1/40", "", {}, scales[40], scales[20]),
        Compared("temperature 1/10 / 1/20", f"-0.1 of 85.6 %; {to_good}", RELEVANT, scales[20], scales[10]),
        Compared("temperature 1/5 / 1/10", "", {}, scales[10], scales[5]),
        Compared(
            "generated negatives, 684 / none",
            "85.6 to 83.6 %; 71.2 to 80.6 % good",
            RELEVANT,
            scales[20],
            generated[684],
            {EVERYWHERE: 0.023, GOOD: 0.132},
        ),
        Compared("generated negatives, 50 / none", "as above", RELEVANT, scales[20], generated[50]),
    ]


# CBNS: where negatives come from, as batches get smaller

MEMORY = 2432


def cross_batch(base: Recipe, batches: Sequence[int], warm_up: int) -> list[Compared]:
    """warm_up: in pairs."""

    def sampled(batch: int, **negatives: Any) -> Recipe:
        return changed(base, batch=batch, negatives={"random": 0, "log_q": True, **negatives})

    def kept(batch: int, pairs: int) -> Recipe:
        return sampled(batch, memory={"size": MEMORY, "warm_up": pairs // batch})

    compared, better = [], {EVERYWHERE: "up"}
    for batch in batches:
        alone, mixed = sampled(batch), sampled(batch, random=batch)
        uniform = sampled(batch, random=batch, in_batch=False, log_q=False)
        warm = kept(batch, warm_up)
        compared += [
            Compared(f"remembered beside in-batch / in-batch, batch {batch}", "better", better, alone, warm),
            Compared(f"remembered / mixed, batch {batch}", "better or equal", {}, mixed, warm),
            Compared(f"mixed / in-batch, batch {batch}", "better or equal", better, alone, mixed),
            Compared(f"remembered / uniform, batch {batch}", "better", better, uniform, warm),
        ]
    least, equal, worse = min(batches), {EVERYWHERE: "equal"}, {EVERYWHERE: "down"}
    return [
        *compared,
        Compared(
            f"remembered without warm-up / with, batch {least}", "worse", worse, kept(least, warm_up), kept(least, 0)
        ),
        Compared(
            f"logQ streamed / counted, batch {least}",
            "follows it",
            equal,
            sampled(least),
            sampled(least, streaming={}),
        ),
    ]


PEOPLE = changed(
    SHIPPED, negatives={"random": 0}, batch=768, epochs=4, patience=4, validation={"start": False, "interpolate": []}
)  # the best of 4 epochs
SHOP = changed(
    PEOPLE,
    towers={
        "dim": 64,
        "features": {"request": ["text", "age"], "document": ["title", "category", "brand", "price"]},
        "tables": {"text": {"buckets": 32768, "dim": 64}},
    },
    batch=256,
    epochs=6,
    patience=6,
)
ROWS = [
    *seen("Que2Search", [EVERYWHERE, ON_PAGE], que2search(PEOPLE)),
    *seen("MGDSPR, softmax and hinge", [EVERYWHERE], convergence(PEOPLE)),
    *seen("MGDSPR", [EVERYWHERE, ALIKE], temperatures(PEOPLE)),
    *seen("CBNS", [EVERYWHERE], cross_batch(PEOPLE, (64, 256, 1024), 60_000)),
]
SHOP_ROWS = [
    *seen("Que2Search", [EVERYWHERE, ON_PAGE, GOOD], que2search(SHOP)),
    *seen("MGDSPR, softmax and hinge", [EVERYWHERE], convergence(SHOP)),
    *seen("MGDSPR", [EVERYWHERE, GOOD], temperatures(SHOP)),
    *seen("CBNS", [EVERYWHERE, GOOD], cross_batch(SHOP, (64, 256), 20_000)),
]
