"""A run between its epochs: weights, optimizers, what was measured. Stages, epochs, batches, early stop, mixes.

Time (epochs, progress, interruption) and state (weights, optimizers) are here and nowhere else; everything that is
called is a function of arrays.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alicorn.negatives import OwnNegatives, Search
from alicorn.towers import TwoTower
from alicorn.training.examples.batches import epoch_batches
from alicorn.training.examples.data import TrainingData, ValidationData
from alicorn.training.objective.auxiliary import AuxiliaryHead
from alicorn.training.objective.objective import Objective, batch_recall
from alicorn.training.ranks import ALONE, Ranks
from alicorn.training.recipe.recipe import Recipe
from alicorn.training.run.checkpoint import Checkpoint
from alicorn.training.run.divergence import TrainingPosition, check_batch, check_epoch
from alicorn.training.run.history import Epoch
from alicorn.training.run.mining import mined_once
from alicorn.training.run.optimizer import Optimizers
from alicorn.training.run.progress import Progress
from alicorn.training.run.validation import Measured, encode_corpus, validate

_MONITORED = 10  # one batch of so many has its recall measured
_BATCH_KS = (1, 10)


@dataclass(frozen=True)
class Learned:
    """What an epoch of learning leaves to tell; as in Epoch."""

    loss: float
    batch_recall: dict[str, float]


class Run:
    """The state of a run between epochs."""

    def __init__(
        self,
        module: TwoTower,
        recipe: Recipe,
        data: TrainingData,
        validation: ValidationData,
        checkpoint: Checkpoint,
        search: Search | None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = module.to(self.device)
        self.recipe = recipe
        self.data = data
        self.validation = validation
        self.checkpoint = checkpoint
        self.search = search
        self.stages = recipe.stage_recipes()
        self.head = auxiliary_head(recipe, data, module.dim, self.device)
        self.epochs: list[Epoch] = []
        self._prepare(self.stages[0])

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights the run has to give away now."""
        return self._best(self.epochs[-1].stage)

    def facts(self) -> dict[str, Any]:
        """Of the run as a whole, plain data for its history."""
        return {
            "pairs": len(self.data.positives),
            "validation_searches": len(self.validation.requests),
            "metric": self.recipe.validation.metric,
            "auc_against": self.validation.against,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.module.load_state_dict(state["module"])
        self._prepare(self._recipe_of(self.epochs[-1].stage))
        self.optimizers.load_state(state["optimizers"])
        self.objective.load_state(state["objective"])
        if self.head is not None:
            self.head.load_state_dict(state["head"])

    def _prepare(self, stage_recipe: Recipe) -> None:
        """Optimizers that have seen nothing, and an objective that remembers nothing."""
        self.optimizers = Optimizers(self.module, stage_recipe.optimizer, self.head, self.ranks)
        self.objective = Objective(stage_recipe, self.data, self.module.dim, self.head, self.device, self.ranks)

    def _recipe_of(self, stage: int) -> Recipe:
        """The first stage's before all, the last one's for mixes."""
        return self.stages[min(max(stage, 1), len(self.stages)) - 1]

    def fit(self, bar: Progress, on_epoch: Callable[[Epoch], None]) -> None:
        """All stages; each ends with its number of epochs, or when validation has not risen for `patience` of them.
        Then the mixes of the best weights with those before training."""
        if not self.epochs:
            if self.recipe.validation.interpolate:
                self._keep("start", self.module.state_dict)
            self._finish_epoch(0, None, time.perf_counter(), bar, on_epoch)
        for stage, stage_recipe in enumerate(self.stages, 1):
            if stage < self.epochs[-1].stage or self._is_done(stage, stage_recipe):
                continue
            if stage > self.epochs[-1].stage:
                self._begin(stage, stage_recipe)
            mined = self._mined(stage, stage_recipe)
            while not self._is_done(stage, stage_recipe):
                started = time.perf_counter()
                of_process = () if self.ranks.is_first else (self.ranks.rank,)
                with dropout(self.module, (self.recipe.seed, len(self.epochs), *of_process)):
                    learned = self._train_epoch(stage, stage_recipe, mined, bar)
                self._finish_epoch(stage, learned, started, bar, on_epoch)
        self._interpolate(bar, on_epoch)

    def _interpolate(self, bar: Progress, on_epoch: Callable[[Epoch], None]) -> None:
        """Measure mixes as epochs of a stage of their own, in which nothing is learned."""
        stage = len(self.stages) + 1
        done = sum(epoch.stage == stage for epoch in self.epochs)
        shares = self.recipe.validation.interpolate[done:]
        if not shares or self.best_epoch == 0 or len(self.validation.requests) == 0:
            return
        if done == 0:
            self._keep("learned", self.checkpoint.best_weights)
        start, learned = (self.checkpoint.kept(name) for name in ("start", "learned"))
        for share in shares:
            started = time.perf_counter()
            self.module.load_state_dict({name: _mixed(learned[name], start[name], share) for name in learned})
            self._finish_epoch(stage, None, started, bar, on_epoch, share)

    def _keep(self, name: str, weights: Callable[[], dict[str, Any]]) -> None:
        if self.ranks.is_first:
            self.checkpoint.keep(name, weights())
        self.ranks.wait()

    def _begin(self, stage: int, stage_recipe: Recipe) -> None:
        """The weights of the stage before; all else begins anew."""
        if stage > 1:
            self.module.load_state_dict(self.checkpoint.best_weights())
        self._prepare(stage_recipe)

    def _mined(self, stage: int, stage_recipe: Recipe) -> OwnNegatives | None:
        """The hard negatives of a stage; those of a stage that was interrupted are on disk."""
        settings = stage_recipe.negatives.mined
        if settings is None or self.search is None:
            return None
        path = self.checkpoint.folder / f"mined-{stage}.npz"
        mine = partial(mined_once, path, self.module, self.data, settings, self.search, (self.recipe.seed, stage))
        if self.ranks.is_first:
            mine()
        self.ranks.wait()
        return mine()

    def _finish_epoch(
        self,
        stage: int,
        learned: "Learned | None",
        started: float,
        bar: Progress,
        on_epoch: Callable[[Epoch], None],
        share: float = 1.0,
    ) -> None:
        """Measure, save, tell. learned: None where nothing was. share: as in Epoch."""
        seconds = time.perf_counter() - started
        corpus = encode_corpus(self.module, self.data.documents, self.device, self.ranks)
        check_epoch(self.module, self._recipe_of(stage).optimizer, corpus, self._place(stage))
        validated = partial(validate, self.module, corpus, self.validation, self._ks(), self.device)
        measured: Measured = self.ranks.by_first(validated)
        self.epochs.append(
            Epoch(
                len(self.epochs),
                learned.loss if learned else None,
                {str(k): float(np.mean(values)) for k, values in measured.recall.items()},
                time.perf_counter() - started,
                len(self.data.positives) / seconds if learned else None,
                stage,
                measured.auc,
                learned.batch_recall if learned else {},
                measured.recall[self.recipe.validation.k].tolist() if measured.recall else [],
                share,
            )
        )
        if self.ranks.is_first:
            self._save()
        self.ranks.wait()
        bar.finish_epoch(self.epochs[-1])
        on_epoch(self.epochs[-1])

    def _train_epoch(self, stage: int, stage_recipe: Recipe, mined: OwnNegatives | None, bar: Progress) -> "Learned":
        number = len(self.epochs)
        losses: list[Tensor] = []
        monitored: list[list[float]] = []
        num_batches = -(-len(self.data.positives) // stage_recipe.batch)
        batches = epoch_batches(
            self.data, stage_recipe, number, self.device, mined, self.objective.streaming, self.ranks
        )
        for batch in batches:
            embedded = self.objective.embedded(self.module, batch)
            loss = self.objective.loss(batch, embedded)
            sides = {"request": embedded.requests, "document": embedded.documents}
            check_batch(self.module, stage_recipe.optimizer, sides, loss.detach(), self._place(stage, len(losses) + 1))
            if len(losses) % _MONITORED == 0 and batch.size == min(stage_recipe.batch, len(self.data.positives)):
                monitored.append(
                    [batch_recall(embedded.requests, embedded.documents[: batch.size], k) for k in _BATCH_KS]
                )
            loss.backward()
            self.optimizers.step()
            losses.append(loss.detach())
            bar.advance(number, len(losses), num_batches)
        of_batches = dict(zip(map(str, _BATCH_KS), np.mean(monitored, axis=0).tolist(), strict=True))
        return Learned(float(torch.stack(losses).double().mean()), of_batches)

    def _place(self, stage: int, batch: int | None = None) -> TrainingPosition:
        return TrainingPosition(stage, len(self.epochs), batch, str(self.checkpoint.folder))

    def _is_done(self, stage: int, stage_recipe: Recipe) -> bool:
        trained = [epoch.number for epoch in self.epochs if epoch.stage == stage]
        if not trained:
            return False
        best = self._best(stage)  # of the stage, or what it starts from
        if len(self.validation.requests) and sum(number > best for number in trained) >= stage_recipe.patience:
            return True
        return len(trained) >= stage_recipe.epochs

    def _best(self, stage: int) -> int:
        """The first epoch of the highest validation among those of a stage, in the last stage with its start where the
        recipe says so, of mixes with what was mixed; without validation searches the last epoch of the stage."""
        own = [epoch.number for epoch in self.epochs if epoch.stage == stage]
        if stage == 0 or (own and len(self.validation.requests) == 0):
            return own[-1]
        is_last = stage == len(self.stages) and self.recipe.validation.start
        if is_last or stage > len(self.stages) or not own:
            own = [self._best(stage - 1), *own]
        return own[int(np.argmax([self._monitored_metric(self.epochs[number]) for number in own]))]

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

    def _monitored_metric(self, epoch: Epoch) -> float:
        """The validation metric that early stopping maximises."""
        if self.recipe.validation.metric == "auc":
            assert epoch.auc is not None
            return epoch.auc
        return epoch.recall[str(self.recipe.validation.k)]


def auxiliary_head(recipe: Recipe, data: TrainingData, dim: int, device: torch.device) -> AuxiliaryHead | None:
    if recipe.auxiliary is None or data.queries is None:
        return None
    return AuxiliaryHead(dim, recipe.auxiliary.hidden, data.queries.num_queries, recipe.seed).to(device)


def _mixed(learned: Tensor, start: Tensor, share: float) -> Tensor:
    return torch.lerp(start, learned, share) if learned.is_floating_point() else learned


@contextmanager
def dropout(module: TwoTower, seed: tuple[int, ...]) -> Iterator[None]:
    """Dropout within the towers, drawn from `seed`: an epoch is the same after a resume."""
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        module.train()
        try:
            yield
        finally:
            module.eval()
