"""The record of a training run: an epoch, a finished run, and history.json beside the model's files."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json
from alicorn.towers import Model


@dataclass(frozen=True)
class Epoch:
    """number: 0 is before training. loss: mean over batches, None where nothing was learned. recall: k -> mean over
    searches; empty without validation searches. stage: of the recipe, from 1; each round counts as one, and 0 is before
    all. share: of what was learned in its weights, the rest being those before training; below 1 after the last stage.

    auc: of the validation searches (validation.py), None without. batch_recall: k -> recall within the training batch,
    a mean over every tenth batch, before its update; empty for epoch 0. by_search: recall at `validation.k` of each
    validation search; history.json does not keep it."""

    number: int
    loss: float | None
    recall: dict[str, float]
    seconds: float
    pairs_per_s: float | None
    stage: int
    auc: float | None = None
    batch_recall: dict[str, float] = field(default_factory=dict)
    by_search: list[float] = field(default_factory=list, repr=False)
    share: float = 1.0


@dataclass(frozen=True, eq=False)
class Trained:
    """The model with the weights of the best epoch of the last stage, its start and the mixes with it included.

    encoder: what its pretrained text encoder did, texts, found and seconds (features/pretrained/); None without one."""

    model: Model
    epochs: list[Epoch]
    best_epoch: int
    num_pairs: int
    num_searches: int
    encoder: dict[str, float] | None = None

    def summary(self) -> dict[str, Any]:
        """Plain data: what history.json says in short."""
        return {
            "key": self.model.key,
            "dim": self.model.dim,
            "fingerprint": self.model.fingerprint,
            "pairs": self.num_pairs,
            "validation_searches": self.num_searches,
            "epochs": sum(epoch.loss is not None for epoch in self.epochs),
            "best_epoch": self.best_epoch,
            "share": self.epochs[self.best_epoch].share,
            "recall": self.epochs[self.best_epoch].recall,
            "auc": self.epochs[self.best_epoch].auc,
            "seconds": round(sum(epoch.seconds for epoch in self.epochs), 2),
        } | ({"encoder": {name: round(value, 2) for name, value in self.encoder.items()}} if self.encoder else {})


def write_history(
    out: Path, made_from: dict[str, str], epochs: Sequence[Epoch], best_epoch: int, facts: dict[str, Any]
) -> None:
    """made_from: fingerprints of recipe, vertical and data. facts: of the run as a whole, plain data."""
    kept = [{name: value for name, value in asdict(epoch).items() if name != "by_search"} for epoch in epochs]
    history = {"made_from": made_from, **facts, "best_epoch": best_epoch, "epochs": kept}
    (out / "history.json").write_text(to_json(history, indent=2) + "\n", encoding="utf-8")


def finished_run(out: Path, made_from: dict[str, str]) -> Trained:
    """The finished run in a folder. Raises ConfigError where it was made from something else."""
    model = Model.load(out)
    if not isinstance(model, Model):
        raise ConfigError(f"{out} holds an ensemble: choose another folder")
    history = json.loads((out / "history.json").read_text(encoding="utf-8"))
    if history["made_from"] != made_from:
        raise ConfigError(f"{out} holds a model made with another recipe, vertical or data: choose another folder")
    epochs = [Epoch(**epoch) for epoch in history["epochs"]]
    counts = history["pairs"], history["validation_searches"]
    return Trained(model, epochs, history["best_epoch"], *counts, history.get("encoder"))
