"""The training loop: stages, batches, loss, update, validation, checkpoint, early stop. `train` is its only entrance.

Two lines of thought run here and nowhere else: time (epochs, progress, interruption) and state (weights, optimizers).
Everything it calls is a function of arrays.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alicorn.config import nearest
from alicorn.errors import AlicornError, ConfigError
from alicorn.negatives import OwnNegatives, Search
from alicorn.processes import is_forked_with
from alicorn.reporting.json_text import to_json
from alicorn.towers import AnyModel, Model, Unified
from alicorn.training.auxiliary import AuxiliaryHead
from alicorn.training.batches import epoch_batches
from alicorn.training.checkpoint import Checkpoint
from alicorn.training.data import Pairs, TrainingData, ValidationData
from alicorn.training.divergence import Place, check_batch, check_epoch
from alicorn.training.mining import mined_once
from alicorn.training.objective import Objective, batch_recall
from alicorn.training.optimizer import Optimizers
from alicorn.training.progress import Progress
from alicorn.training.recipe import Recipe
from alicorn.training.validation import encode_corpus, validate
from alicorn.vertical import Vertical

_MONITORED = 10  # one batch of so many has its recall measured
_BATCH_KS = (1, 10)


@dataclass(frozen=True)
class Epoch:
    """number: 0 is before training. loss: mean over batches, None for epoch 0. recall: k -> mean over searches;
    empty without validation searches. stage: of the recipe, from 1; each round counts as one, and 0 is before all.

    auc: of the validation searches (validation.py), None without. batch_recall: k -> recall within the training batch,
    a mean over every tenth batch, before its update; empty for epoch 0."""

    number: int
    loss: float | None
    recall: dict[str, float]
    seconds: float
    pairs_per_s: float | None
    stage: int
    auc: float | None = None
    batch_recall: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trained:
    """The model with the weights of the best epoch of the last stage, its start included."""

    model: Model
    epochs: list[Epoch]
    best_epoch: int
    num_pairs: int
    num_searches: int

    def summary(self) -> dict[str, Any]:
        """Plain data: what history.json says in short."""
        return {
            "key": self.model.key,
            "dim": self.model.dim,
            "fingerprint": self.model.fingerprint,
            "pairs": self.num_pairs,
            "validation_searches": self.num_searches,
            "epochs": len(self.epochs) - 1,
            "best_epoch": self.best_epoch,
            "recall": self.epochs[self.best_epoch].recall,
            "auc": self.epochs[self.best_epoch].auc,
            "seconds": round(sum(epoch.seconds for epoch in self.epochs), 2),
        }


def train(
    pairs: str | Path,
    vertical: Vertical,
    recipe: Recipe,
    out: str | Path,
    progress: bool = True,
    resume: bool = False,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    start: AnyModel | None = None,
    search: Search | None = None,
) -> Trained:
    """Learn towers from pairs/ and write the model folder `out`, with history.json beside the model's files.

    progress: a bar on a terminal, and a line per epoch, on standard error. on_epoch is called when an epoch is on disk.
    resume: go on after the last finished epoch of an interrupted run in `out`; the result is that of a run never
    interrupted, bit for bit on a processor. A finished run is returned as it is. CUDA is used when present.
    start: a model of the same towers whose weights are learned on, such as one trained on hard negatives first.
    search: ranks documents where the recipe mines hard negatives (negatives/offline_hard.py); `alicorn train` passes
    alicorn.publishing.shard_search.search_shard, which publishes the shard to a collection of its own and asks that.
    Raises ConfigError or TableError before anything is written when recipe, vertical and pairs do not fit; and
    TrainingError when training diverges (divergence.py): then no model is written, the last good checkpoint stays.
    """
    out = Path(out).absolute()
    prepared = Pairs(pairs, vertical)
    made_from = {"recipe": recipe.fingerprint(), "vertical": vertical.fingerprint(), "data": prepared.fingerprint}
    made_from |= {} if start is None else {"start": start.fingerprint}
    checkpoint = Checkpoint(out / "checkpoint", made_from)
    finished = (out / "model.json").exists()
    if not resume and (finished or checkpoint.exists()):
        raise ConfigError(f"{out} already holds a model or a checkpoint: resume, or choose another folder")
    if finished:
        return _finished(out, made_from)
    _refuse_without_search(recipe, search)
    _refuse_threads_after_fork(recipe)
    unfitted = Model.new(vertical, recipe.plain(), prepared.fingerprint, {}, recipe.seed)
    numbers = prepared.standardizations(unfitted)
    model = Model.new(vertical, recipe.plain(), prepared.fingerprint, numbers, recipe.seed)
    if start is not None:
        _start_from(start, model)
    _refuse_unknown_channels(recipe, model)
    validation = prepared.validation(model, recipe)
    data = _featurised(prepared, model, recipe, checkpoint)
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        run = _Run(model.module, recipe, data, validation, checkpoint, search)
        if checkpoint.exists():
            run.restore(checkpoint.load())
        num_epochs = sum(step.epochs for step in recipe.steps())
        with Progress(progress, num_epochs, recipe.validation.k) as bar:
            run.fit(bar, on_epoch)
    finally:
        torch.set_num_threads(threads)
    model.module.cpu().load_state_dict(checkpoint.best_weights())
    _write_history(out, run, made_from)
    saved = model.save(out)
    shutil.rmtree(checkpoint.folder)
    return Trained(saved, run.epochs, run.best_epoch, len(data.positives), len(validation.requests))


def _refuse_without_search(recipe: Recipe, search: Search | None) -> None:
    if search is None and any(step.negatives.mined for step in recipe.steps()):
        raise ConfigError(
            "the recipe mines hard negatives, which takes a search: train with `alicorn train`, or give train(..., "
            "search=alicorn.publishing.shard_search.search_shard)"
        )


def _refuse_threads_after_fork(recipe: Recipe) -> None:
    if recipe.threads > 1 and is_forked_with("torch"):
        raise ConfigError(
            f"recipe, threads: a forked process has one thread of torch, which cannot use {recipe.threads}: set "
            "threads: 1, or start the process by spawn (multiprocessing.get_context('spawn'))"
        )


def _refuse_unknown_channels(recipe: Recipe, model: Model) -> None:
    named = recipe.blending.channels if recipe.blending else {}
    known = model.module.channel_names
    for name in set(named) - set(known):
        raise ConfigError(
            f"recipe, blending.channels: the towers have no channel '{name}'; {nearest(name, list(known))}channels: "
            f"{', '.join(known)}"
        )


def _start_from(start: AnyModel, model: Model) -> None:
    """Copy the weights of `start`. Raises ConfigError where it has other towers."""
    if not isinstance(start, Model):
        raise ConfigError("the model to start from is an ensemble: start from one of its members")
    try:
        model.module.load_state_dict(start.module.state_dict())
    except RuntimeError as error:
        raise ConfigError(f"the model to start from has other towers than the recipe: {error}") from error


def _featurised(pairs: Pairs, model: Model, recipe: Recipe, checkpoint: Checkpoint) -> TrainingData:
    """The training data; nothing is left on disk where they are refused, or by a run that never got to a checkpoint."""
    folder = checkpoint.folder
    if not checkpoint.exists():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        return pairs.training(model, recipe, folder / "features")
    except AlicornError:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.exists() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()
        raise


class _Run:
    """The state of a run between epochs."""

    def __init__(
        self,
        module: Unified,
        recipe: Recipe,
        data: TrainingData,
        validation: ValidationData,
        checkpoint: Checkpoint,
        search: Search | None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = module.to(self.device)
        self.recipe = recipe
        self.data = data
        self.validation = validation
        self.checkpoint = checkpoint
        self.search = search
        self.steps = recipe.steps()
        self.head = _head(recipe, data, module.dim, self.device)
        self.epochs: list[Epoch] = []
        self._prepare(self.steps[0])

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights the run has to give away now."""
        return self._best(self.epochs[-1].stage)

    def restore(self, state: dict[str, Any]) -> None:
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.module.load_state_dict(state["module"])
        self._prepare(self.steps[max(self.epochs[-1].stage, 1) - 1])
        self.optimizers.load_state(state["optimizers"])
        self.objective.load_state(state["objective"])
        if self.head is not None:
            self.head.load_state_dict(state["head"])

    def _prepare(self, step: Recipe) -> None:
        """Optimizers that have seen nothing, and an objective that remembers nothing."""
        self.optimizers = Optimizers(self.module, step.optimizer, self.head)
        self.objective = Objective(step, self.data, self.module.dim, self.head, self.device)

    def fit(self, bar: Progress, on_epoch: Callable[[Epoch], None]) -> None:
        """All stages; each ends with its number of epochs, or when validation has not risen for `patience` of them."""
        if not self.epochs:
            self._finish_epoch(0, None, time.perf_counter(), bar, on_epoch)
        for stage, step in enumerate(self.steps, 1):
            if stage < self.epochs[-1].stage or self._is_done(stage, step):
                continue
            if stage > self.epochs[-1].stage:
                self._begin(stage, step)
            mined = self._mined(stage, step)
            while not self._is_done(stage, step):
                started = time.perf_counter()
                with _dropout(self.module, (self.recipe.seed, len(self.epochs))):
                    learned = self._train_epoch(stage, step, mined, bar)
                self._finish_epoch(stage, learned, started, bar, on_epoch)

    def _begin(self, stage: int, step: Recipe) -> None:
        """The weights of the stage before; all else begins anew."""
        if stage > 1:
            self.module.load_state_dict(self.checkpoint.best_weights())
        self._prepare(step)

    def _mined(self, stage: int, step: Recipe) -> OwnNegatives | None:
        """The hard negatives of a stage; those of a stage that was interrupted are on disk."""
        settings = step.negatives.mined
        if settings is None or self.search is None:
            return None
        path = self.checkpoint.folder / f"mined-{stage}.npz"
        return mined_once(path, self.module, self.data, settings, self.search, (self.recipe.seed, stage))

    def _finish_epoch(
        self,
        stage: int,
        learned: "_Learned | None",
        started: float,
        bar: Progress,
        on_epoch: Callable[[Epoch], None],
    ) -> None:
        """Measure, save, tell. learned: None before training."""
        seconds = time.perf_counter() - started
        corpus = encode_corpus(self.module, self.data.documents, self.device)
        check_epoch(self.module, self.steps[max(stage, 1) - 1].optimizer, corpus, self._place(stage))
        measured = validate(self.module, corpus, self.validation, self._ks(), self.device)
        self.epochs.append(
            Epoch(
                len(self.epochs),
                learned.loss if learned else None,
                {str(k): value for k, value in measured.recall.items()},
                time.perf_counter() - started,
                len(self.data.positives) / seconds if learned else None,
                stage,
                measured.auc,
                learned.batch_recall if learned else {},
            )
        )
        self._save()
        bar.finish_epoch(self.epochs[-1])
        on_epoch(self.epochs[-1])

    def _train_epoch(self, stage: int, step: Recipe, mined: OwnNegatives | None, bar: Progress) -> "_Learned":
        number = len(self.epochs)
        losses: list[Tensor] = []
        monitored: list[list[float]] = []
        num_batches = -(-len(self.data.positives) // step.batch)
        for batch in epoch_batches(self.data, step, number, self.device, mined, self.objective.streaming):
            embedded = self.objective.embedded(self.module, batch)
            loss = self.objective.loss(batch, embedded)
            sides = {"request": embedded.requests, "document": embedded.documents}
            check_batch(self.module, step.optimizer, sides, loss.detach(), self._place(stage, len(losses) + 1))
            if len(losses) % _MONITORED == 0 and batch.size == min(step.batch, len(self.data.positives)):
                monitored.append(
                    [batch_recall(embedded.requests, embedded.documents[: batch.size], k) for k in _BATCH_KS]
                )
            loss.backward()
            self.optimizers.step()
            losses.append(loss.detach())
            bar.advance(number, len(losses), num_batches)
        of_batches = dict(zip(map(str, _BATCH_KS), np.mean(monitored, axis=0).tolist(), strict=True))
        return _Learned(float(torch.stack(losses).double().mean()), of_batches)

    def _place(self, stage: int, batch: int | None = None) -> Place:
        return Place(stage, len(self.epochs), batch, str(self.checkpoint.folder))

    def _is_done(self, stage: int, step: Recipe) -> bool:
        trained = [epoch.number for epoch in self.epochs if epoch.stage == stage]
        if not trained:
            return False
        best = self._best(stage)  # of the stage, or what it starts from
        if len(self.validation.requests) and sum(number > best for number in trained) >= step.patience:
            return True
        return len(trained) >= step.epochs

    def _best(self, stage: int) -> int:
        """The first epoch of the highest validation among those of a stage, in the last stage with its start where the
        recipe says so; without validation searches the last epoch of the stage."""
        own = [epoch.number for epoch in self.epochs if epoch.stage == stage]
        if stage == 0 or (own and len(self.validation.requests) == 0):
            return own[-1]
        if (stage == len(self.steps) and self.recipe.validation.start) or not own:
            own = [self._best(stage - 1), *own]
        return own[int(np.argmax([self._score(self.epochs[number]) for number in own]))]

    def _save(self) -> None:
        state = {
            "module": self.module.state_dict(),
            "optimizers": self.optimizers.state(),
            "objective": self.objective.state(),
            "head": self.head.state_dict() if self.head else {},
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }
        self.checkpoint.save(state, is_best=self.best_epoch == len(self.epochs) - 1)

    def _ks(self) -> tuple[int, ...]:
        return tuple(sorted({1, 10, 100, self.recipe.validation.k}))

    def _score(self, epoch: Epoch) -> float:
        """What has to rise."""
        if self.recipe.validation.metric == "auc":
            assert epoch.auc is not None
            return epoch.auc
        return epoch.recall[str(self.recipe.validation.k)]


@dataclass(frozen=True)
class _Learned:
    """What an epoch of learning leaves to tell; as in Epoch."""

    loss: float
    batch_recall: dict[str, float]


def _head(recipe: Recipe, data: TrainingData, dim: int, device: torch.device) -> AuxiliaryHead | None:
    if recipe.auxiliary is None or data.queries is None:
        return None
    return AuxiliaryHead(dim, recipe.auxiliary.hidden, data.queries.num_queries, recipe.seed).to(device)


@contextmanager
def _dropout(module: Unified, seed: tuple[int, int]) -> Iterator[None]:
    """Dropout within the towers, drawn from `seed`: an epoch is the same after a resume."""
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        module.train()
        try:
            yield
        finally:
            module.eval()


def _write_history(out: Path, run: _Run, made_from: dict[str, str]) -> None:
    history = {
        "made_from": made_from,
        "pairs": len(run.data.positives),
        "validation_searches": len(run.validation.requests),
        "metric": run.recipe.validation.metric,
        "auc_against": run.validation.against,
        "best_epoch": run.best_epoch,
        "epochs": [asdict(epoch) for epoch in run.epochs],
    }
    (out / "history.json").write_text(to_json(history, indent=2) + "\n", encoding="utf-8")


def _finished(out: Path, made_from: dict[str, str]) -> Trained:
    model = Model.load(out)
    if not isinstance(model, Model):
        raise ConfigError(f"{out} holds an ensemble: choose another folder")
    history = json.loads((out / "history.json").read_text(encoding="utf-8"))
    if history["made_from"] != made_from:
        raise ConfigError(f"{out} holds a model made with another recipe, vertical or data: choose another folder")
    epochs = [Epoch(**epoch) for epoch in history["epochs"]]
    return Trained(model, epochs, history["best_epoch"], history["pairs"], history["validation_searches"])
