"""`alicorn ensemble`: the weights of an ensemble, searched on the valid split, and the folder that `Model.load` reads.

EBR chooses the weights of the weighted concatenation (towers/ensemble.py) on its evaluation set. Here that is the valid
split, so that the test split still measures the ensemble without bias.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.ranking import recall_at
from alicorn.evaluation.searches import Searches, open_searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.folders import MODEL_FOLDER, check_place
from alicorn.reporting.json_text import to_json
from alicorn.towers import AnyModel, Ensemble

GRID = tuple(float(2.0**power) for power in np.arange(-4, 4.25, 0.5))
"""Weights that are tried beside the first member's 1: from a sixteenth to sixteen, two a doubling."""
_ROUNDS = 3  # over the members: with two there is nothing after the first


@dataclass(frozen=True)
class WeightSearch:
    """weights: the best that were tried; the first is 1, as only their ratios matter. recall: of these, at k.

    tried: every vector of weights with its mean recall at k.
    """

    weights: tuple[float, ...]
    recall: float
    k: int
    num_searches: int
    tried: tuple[tuple[tuple[float, ...], float], ...]

    def to_dict(self) -> dict[str, Any]:
        tried = [{"weights": list(weights), "recall": round(recall, 6)} for weights, recall in self.tried]
        return {"k": self.k, "validation_searches": self.num_searches, "weights": list(self.weights), "tried": tried}


def search_weights(members: Sequence[AnyModel], searches: Searches, k: int = 10) -> WeightSearch:
    """Coordinate ascent over GRID from equal weights, by exact recall@k; a tie goes to the more equal weights."""
    requests = [member.encode_requests(searches.requests) for member in members]
    documents = np.concatenate([member.encode_documents(searches.documents) for member in members], axis=1)
    tried: dict[tuple[float, ...], float] = {}

    def recall(weights: tuple[float, ...]) -> float:
        if weights not in tried:
            scaled = [np.float32(weight) * part for weight, part in zip(weights, requests, strict=True)]
            run = embedding_run(np.concatenate(scaled, axis=1), documents, k)
            tried[weights] = float(np.nanmean(recall_at(run, searches.targets, k)))
        return tried[weights]

    best = (1.0,) * len(members)
    for _ in range(_ROUNDS):
        before = best
        for at in range(1, len(members)):
            options = [(*best[:at], weight, *best[at + 1 :]) for weight in GRID]
            best = max(options, key=lambda weights: (recall(weights), -float(np.abs(np.log2(weights)).sum())))
        if best == before or len(members) == 2:
            break
    return WeightSearch(best, recall(best), k, len(searches), tuple(sorted(tried.items())))


def make_ensemble(
    members: Sequence[AnyModel],
    logs: str | Path,
    out: str | Path,
    key: str | None = None,
    k: int = 10,
    num_searches: int = 2000,
    seed: int = 0,
) -> tuple[Ensemble, WeightSearch]:
    """Search the weights on the valid split of pairs/ or a log folder, and write the ensemble's folder.

    history.json beside the model's files has every weight that was tried. key: the vertical's unless given.
    Raises ConfigError or TableError before anything is written.
    """
    out = Path(out)
    unweighted = Ensemble.of(members, [1.0] * len(members), key)
    check_place(out, MODEL_FOLDER)
    if k < 1:
        raise ConfigError(f"k must be 1 or more, got {k}")
    searches = open_searches(logs, unweighted.vertical, num_searches, seed, split="valid")
    found = search_weights(members, searches, k)
    history = {"members": [member.fingerprint for member in members], **found.to_dict()}
    try:
        ensemble = Ensemble.of(members, found.weights, key).save(out)
        (out / "history.json").write_text(to_json(history, indent=2) + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return ensemble, found
