"""`train`: learn towers from pairs/ and write a model folder. The only entrance to a run."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from alicorn.config import did_you_mean
from alicorn.errors import AlicornError, ConfigError
from alicorn.negatives import Search
from alicorn.processes import is_forked_with
from alicorn.towers import AnyModel, Model
from alicorn.towers.layout.layout import layout
from alicorn.training.examples.data import Pairs, TrainingData
from alicorn.training.ranks import Ranks, launched
from alicorn.training.recipe.recipe import Recipe
from alicorn.training.run.channel_balance import fit_channel_balance
from alicorn.training.run.checkpoint import Checkpoint
from alicorn.training.run.history import Epoch, Trained, finished_run, write_history
from alicorn.training.run.progress import Progress
from alicorn.training.run.run import Run
from alicorn.vertical import Vertical
from alicorn.vertical.parts import fingerprint_of, of_examples, of_vectors


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
    Processes that torchrun started share the rows of every batch (ranks.py); all return the model.
    start: a model of the same towers whose weights are learned on, such as one trained on hard negatives first.
    search: ranks documents where the recipe mines hard negatives (negatives/offline_hard.py); `alicorn train` passes
    alicorn.publish.nearest, which publishes the shard to a collection of its own and asks that.
    Raises ConfigError or TableError before anything is written when recipe, vertical and pairs do not fit; and
    TrainingError when training diverges (divergence.py): then no model is written, the last good checkpoint stays.
    """
    out = Path(out).absolute()
    ranks = launched()
    prepared = Pairs(pairs, vertical)
    made_from = _made_from(recipe, prepared, start)
    checkpoint = Checkpoint(out / "checkpoint", made_from)
    finished = (out / "model.json").exists()
    if not resume and (finished or checkpoint.exists()):
        raise ConfigError(f"{out} already holds a model or a checkpoint: give --resume, --overwrite or another folder")
    if finished:
        return finished_run(out, made_from)
    ranks.wait()  # none has written yet
    _refuse_without_search(recipe, search)
    _refuse_threads_after_fork(recipe)
    numbers = prepared.standardizations(layout(recipe.towers, vertical))
    model = Model.new(vertical, recipe.plain(), prepared.fingerprint, numbers, recipe.seed)
    if start is not None:
        _start_from(start, model)
    _refuse_unknown_channels(recipe, model)
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        validation = prepared.validation(model, recipe)
        if not ranks.is_first:
            ranks.wait()
        data = _featurised(prepared, model, recipe, checkpoint, ranks)
        if ranks.is_first:
            ranks.wait()
        run = Run(model.module, recipe, data, validation, checkpoint, search, ranks)
        if checkpoint.exists():
            run.restore(checkpoint.load())
        elif start is None and recipe.channel_balance == "fitted":
            fit_channel_balance(run.module, data, recipe)
        num_epochs = sum(stage.epochs for stage in recipe.stage_recipes())
        with Progress(progress and ranks.is_first, num_epochs, recipe.validation.k) as bar:
            run.fit(bar, on_epoch)
    finally:
        torch.set_num_threads(threads)
    model.module.cpu().load_state_dict(checkpoint.best_weights())
    encoder = asdict(model.encodings[0]) if model.encodings else None
    ranks.wait()  # all have read the weights
    if not ranks.is_first:
        ranks.wait()
        return finished_run(out, made_from)
    write_history(out, made_from, run.epochs, run.best_epoch, run.facts() | {"encoder": encoder})
    saved = model.save(out)
    shutil.rmtree(checkpoint.folder)
    ranks.wait()
    return Trained(saved, run.epochs, run.best_epoch, len(data.positives), len(validation.requests), encoder)


def _made_from(recipe: Recipe, pairs: Pairs, start: AnyModel | None) -> dict[str, str]:
    """Fingerprints of what decides the weights."""
    learned = fingerprint_of([of_examples(pairs.vertical), of_vectors(pairs.vertical)])
    made_from = {"recipe": recipe.fingerprint(), "vertical": learned, "data": pairs.fingerprint}
    return made_from if start is None else made_from | {"start": start.fingerprint}


def _refuse_without_search(recipe: Recipe, search: Search | None) -> None:
    if search is None and any(stage.negatives.mined for stage in recipe.stage_recipes()):
        raise ConfigError(
            "the recipe mines hard negatives, which takes a search: train with `alicorn train`, or give train(..., "
            "search=alicorn.publish.nearest)"
        )


def _refuse_threads_after_fork(recipe: Recipe) -> None:
    if recipe.threads > 1 and is_forked_with("torch"):
        raise ConfigError(
            f"recipe, threads: a forked process has one thread of torch, which cannot use {recipe.threads}: set "
            "threads: 1, or start the process by spawn (multiprocessing.get_context('spawn'))"
        )


def _refuse_unknown_channels(recipe: Recipe, model: Model) -> None:
    named = recipe.blending.channels if recipe.blending else {}
    known = [str(channel) for channel in model.module.channel_names]
    for name in set(named) - set(known):
        raise ConfigError(
            f"recipe, blending.channels: the towers have no channel '{name}'; {did_you_mean(name, known)}channels: "
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


def _featurised(pairs: Pairs, model: Model, recipe: Recipe, checkpoint: Checkpoint, ranks: Ranks) -> TrainingData:
    """The training data; nothing is left on disk where they are refused, or by a run that never got to a checkpoint."""
    folder = checkpoint.folder
    if ranks.is_first and not checkpoint.exists():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        return pairs.training(model, recipe, folder / "features")
    except AlicornError:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.exists() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()
        raise
