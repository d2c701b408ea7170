"""Rows of effects.py that join two models: weighted ensembles before and after quantization, and cascades.

Nothing is trained here: members are models of rows/ebr.py. Weights are searched on the valid split, as in
`alicorn ensemble`. After quantization a document is what its codes say: the centre of its cluster and OPQ of the
residual, as EBR stored vectors. alicorn's own index settles near scores by the stored vector (docs/decisions/002), so
that codes do not change its answers; the loss that the paper warns of would come with an index that keeps codes alone.
"""

from functools import partial

import numpy as np
from lab.people import Lab, run_ranks
from rows.ebr import EBR, NON_CLICK, RANDOM, SHIPPED, TEXT, Ranks, Row, mined, then

from alicorn import Model
from alicorn.evaluation.searches import read_searches
from alicorn.evaluation.systems.ensemble_weights import search_weights
from alicorn.evaluation.systems.runs import embedding_run, reranked_run
from alicorn.quantization import OPQ, CoarseQuantizer
from alicorn.quantization.settings import default_num_clusters
from alicorn.towers import Ensemble
from alicorn.training import Recipe

HARD = then(RANDOM, mined())
DEPTH = 1000  # of the first stage of a cascade
_VALID = 2000  # searches for the weights


def weighted(lab: Lab, first: Recipe, second: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Requests and documents of the weighted ensemble of two models."""
    members = [Model.load(lab.trained(recipe)) for recipe in (first, second)]
    valid = read_searches(lab.pairs, _VALID, lab.seed, split="valid")
    ensemble = Ensemble.of(members, search_weights(members, valid).weights)
    return ensemble.encode_requests(lab.searches.requests), ensemble.encode_documents(lab.searches.documents)


def decoded(documents: np.ndarray, code_size: int) -> np.ndarray:
    """What `code_size` bytes and a cluster say of each document. float32 (rows, dim)."""
    coarse = CoarseQuantizer.fit(documents, default_num_clusters(len(documents)))
    centres = coarse.centroids[coarse.assign(documents)]
    codec = OPQ.fit(documents - centres, code_size)
    return centres + codec.decode(codec.encode(documents - centres))


def joined(lab: Lab, second: Recipe) -> np.ndarray:
    """Ranks by the ensemble of EBR's model and another, by exact search."""
    name = f"{lab.trained(EBR).name}-and-{lab.trained(second).name}"
    return lab.kept(name, lambda: lab.target_ranks(*weighted(lab, EBR, second)))


def quantized(lab: Lab, second: Recipe | None, code_size: int) -> np.ndarray:
    """Ranks by the codes of EBR's model alone, or of its ensemble with another."""
    name = lab.trained(EBR).name + (f"-and-{lab.trained(second).name}" if second else "")

    def ranks() -> np.ndarray:
        requests, documents = weighted(lab, EBR, second) if second else lab.vectors(EBR)
        return lab.target_ranks(requests, decoded(documents, code_size))

    return lab.kept(f"{name}-opq{code_size}", ranks)


def cascade(lab: Lab, first: Recipe, second: Recipe, depth: int) -> np.ndarray:
    """Ranks where the second model orders the first `depth` documents of the first model anew."""

    def ranks() -> np.ndarray:
        retrieved = embedding_run(*lab.vectors(first), DEPTH)
        return run_ranks(reranked_run(retrieved, *lab.vectors(second), depth), lab.searches.targets)

    return lab.kept(f"{lab.trained(first).name}-top-{depth}-by-{lab.trained(second).name}", ranks)


def ensemble_rows() -> list[Row]:
    """Bytes of a code: a quarter of the dimension (EBR), 32 for two models and 16 for one; or 16 each."""
    row = partial(Row, "Weighted ensembles")

    def exact(second: Recipe, lab: Lab) -> Ranks:
        return lab.ranks(EBR), joined(lab, second)

    def coded(second: Recipe, code_size: int, lab: Lab) -> Ranks:
        return quantized(lab, None, 16), quantized(lab, second, code_size)

    return [
        row("random and non-click / random, exact", "+4.39 %", "up", partial(exact, NON_CLICK), 0.0439),
        row(
            "random and non-click / random, by codes of 32 and 16 bytes",
            "the gain is lost",
            "no gain",
            partial(coded, NON_CLICK, 32),
        ),
        row(
            "random and non-click / random, by codes of 16 bytes each",
            "the gain is lost",
            "no gain",
            partial(coded, NON_CLICK, 16),
        ),
        row("random and offline hard / random, exact", "shipped by EBR", "up", partial(exact, HARD)),
        row("random and offline hard / random, by codes of 32 and 16 bytes", "kept", "up", partial(coded, HARD, 32)),
        row("random and offline hard / random, by codes of 16 bytes each", "kept", "up", partial(coded, HARD, 16)),
    ]


def cascade_rows() -> list[Row]:
    row = partial(Row, "Cascades")

    def second_stage(second: Recipe, depth: int, lab: Lab) -> Ranks:
        return lab.ranks(EBR), cascade(lab, EBR, second, depth)

    def against_ensemble(lab: Lab) -> Ranks:
        return joined(lab, NON_CLICK), cascade(lab, EBR, NON_CLICK, 100)

    def preselected(depth: int, lab: Lab) -> Ranks:
        return lab.ranks(SHIPPED), cascade(lab, TEXT, SHIPPED, depth)

    return [
        *(
            row(f"first {depth} by offline hard / random", "+3.4 %", "up", partial(second_stage, HARD, depth), 0.034)
            for depth in (20, 100, 500)
        ),
        *(
            row(f"first {depth} by non-click / random", "a gain", "up", partial(second_stage, NON_CLICK, depth))
            for depth in (20, 100, 500)
        ),
        row("first 100 by non-click / weighted ensemble of both", "below it", "down", against_ensemble),
        *(
            row(
                f"text embedding's first {depth} by unified / unified",
                "restores text match",
                "up",
                partial(preselected, depth),
            )
            for depth in (20, 100, 500)
        ),
    ]


ROWS = [*ensemble_rows(), *cascade_rows()]
