"""`search_recipe`: which recipe suits these pairs? Successive halving on the valid split, within a budget of time.

Every recipe of the list (search_space.py) learns for 2 epochs. The best third and the recipe given go on to 5. The best
one learns to its end, and is the model. What choosing is worth is told on searches that did not choose.

    out/search/NN/         a recipe in training: a folder of train(), with its checkpoint; gone when it is out
    out/search/state.json  what was tried so far: a search that was killed goes on from it
    out/search.md, .json   the table of what was tried, beside the model and its recipe.yaml

Source: Jamieson and Talwalkar, AISTATS 2016 (successive halving).
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alicorn.errors import ConfigError, TrainingError
from alicorn.negatives import Search
from alicorn.reporting.json_text import to_json
from alicorn.reporting.markdown import table
from alicorn.training.recipe.recipe import Recipe
from alicorn.training.run.checkpoint import Checkpoint
from alicorn.training.run.history import Epoch, Trained
from alicorn.training.run.train import train
from alicorn.training.run.validation import PairedDifference, paired_difference
from alicorn.training.search_space import changes, described
from alicorn.vertical import Vertical

GIVEN = "as given"
_RUNGS = ((2, 0.5), (5, 0.75))  # epochs of each rung, and the share of the budget that is spent after it
_KEPT = 3  # one of so many goes on to the next rung
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class RecipeTrial:
    """One recipe after so many epochs. recall: of each validation search after the best epoch; empty if it diverged."""

    rung: int
    name: str
    epochs: int
    best_epoch: int
    recall: list[float]
    seconds: float

    @property
    def mean(self) -> float:
        """Recall, by which recipes are chosen; less than any where training diverged."""
        return float(np.mean(self.recall)) if self.recall else -1.0


def seconds_of(budget: str) -> int:
    """Of `90s`, `20m` or `2h`. Raises ConfigError."""
    found = re.fullmatch(r"([1-9]\d*)([smh])", budget.strip())
    if found is None:
        raise ConfigError(f"budget: a whole number and a unit, such as 90s, 20m or 2h; got '{budget}'")
    return int(found[1]) * _UNITS[found[2]]


def search_recipe(
    pairs: str | Path,
    vertical: Vertical,
    recipe: Recipe,
    out: str | Path,
    budget_s: int,
    tell: Callable[[str], None] = lambda line: None,
    resume: bool = False,
    hard: Search | None = None,
) -> Trained:
    """Try recipes near `recipe` for three quarters of the budget, then write the model of the best one to `out`.

    tell: is given a line of progress after every trial. hard: `search` of train(). The best recipe learns to its end,
    whatever the budget says. Raises as train(), and ConfigError where the valid split has no search to choose by.
    """
    out = Path(out).absolute()
    folder = out / "search"
    if not resume and (folder.exists() or (out / "model.json").exists()):
        raise ConfigError(f"{out} already holds a model or a search: give --resume, --overwrite or another folder")
    plans = {GIVEN: recipe} | changes(recipe)
    if (out / "search.json").exists():
        found = json.loads((out / "search.json").read_text(encoding="utf-8"))
        _refuse_another(out, found["made_from"], recipe, budget_s)
        return train(pairs, vertical, plans[found["chosen"]], out, progress=False, resume=True)
    tried = _Tried(folder, recipe, budget_s)
    trials = _Trials(pairs, vertical, plans, hard, tried, tell)
    names = list(plans)
    for rung in range(len(_RUNGS)):
        names = trials.rung(rung, names)
    chosen = names[0]
    tell(f"the best recipe, {chosen}, learns to its end")
    trained = train(pairs, vertical, plans[chosen], folder / trials.folder(chosen), resume=True, search=hard)
    (out / "search.md").write_text(markdown(tried.trials, chosen, recipe.validation.k), encoding="utf-8")
    rows = [{name: value for name, value in asdict(one).items() if name != "recall"} for one in tried.trials]
    record = {"made_from": tried.made_from, "chosen": chosen, "verdict": verdict(tried.trials, chosen), "trials": rows}
    (out / "search.json").write_text(to_json(record, indent=1) + "\n", encoding="utf-8")
    for path in sorted((folder / trials.folder(chosen)).iterdir(), key=lambda path: path.name == "model.json"):
        shutil.copy2(path, out / path.name)  # a search that is killed here goes on from the folder that it has
    shutil.rmtree(folder)
    return trained


def verdict(trials: Sequence[RecipeTrial], chosen: str) -> str:
    """What choosing is worth, in a sentence."""
    of_rung = {one.name: one for one in trials if one.rung == len(_RUNGS) - 1}
    if chosen == GIVEN:
        return "No other recipe of those that were tried is better on the valid split: the recipe is as given."
    if not of_rung[GIVEN].recall:
        return f"{chosen}: training with the recipe given diverged."
    gain = gain_of_choosing(of_rung)
    certain = "" if gain.low > 0 else ", which may be chance"
    return (
        f"{chosen}. What is chosen on one half of the searches has {gain} recall on the other half beside the recipe "
        f"given{certain}."
    )


def gain_of_choosing(of_rung: Mapping[str, RecipeTrial]) -> PairedDifference:
    """Of the trials of a rung by name, all at least those of GIVEN: the best of them on the even searches against GIVEN
    on the odd ones, and the other way round.

    No search is compared by what it chose, so that this is not too high by chance. Source: two-fold cross-fitting.
    """
    recalls = {name: np.asarray(one.recall) for name, one in of_rung.items() if one.recall}
    differences = np.empty(len(recalls[GIVEN]))
    for half in (0, 1):
        best = max(recalls, key=lambda name: float(recalls[name][half::2].mean()))
        differences[1 - half :: 2] = (recalls[best] - recalls[GIVEN])[1 - half :: 2]
    return paired_difference(differences, np.zeros(len(differences)))


def markdown(trials: Sequence[RecipeTrial], chosen: str, k: int) -> str:
    """The table of what was tried."""
    given = {one.rung: one for one in trials if one.name == GIVEN}
    rows = []
    for one in sorted(trials, key=lambda one: (-one.rung, -one.mean)):
        both = one.recall and given[one.rung].recall and one.name != GIVEN
        gain = str(paired_difference(np.asarray(one.recall), np.asarray(given[one.rung].recall))) if both else ""
        recall = f"{one.mean:.3f}" if one.recall else "diverged"
        rows.append(
            [one.name, str(one.epochs), str(one.best_epoch), recall, gain, f"{one.seconds:.1f}", described(one.name)]
        )
    num_searches = max(len(one.recall) for one in trials)
    header = ["recipe", "epochs", "best", f"recall@{k}", "difference, 95 %", "s", "change of the recipe given"]
    notes = (
        f"On {num_searches:,} searches of the valid split after the best of so many epochs. Differences are paired, "
        "from the recipe given after as many epochs. The best of many is best by chance too: its difference here is "
        "too high, and the sentence above says what choosing is worth. `alicorn evaluate --split test` measures it "
        "on searches that chose nothing."
    )
    return "\n\n".join(["# Recipes tried", verdict(trials, chosen), notes, table(header, rows)]) + "\n"


def _progress(tried: "_Tried", rung: int, count: int, budget_s: int, k: int) -> str:
    done = tried.of(rung)
    best = max(done.values(), key=lambda one: one.mean)
    return (
        f"{tried.seconds:.0f} s of {budget_s}: {len(done)} of {count} recipes learned for {_RUNGS[rung][0]} epochs; "
        f"the best is {best.name}, recall@{k} {max(best.mean, 0):.3f}"
    )


def _refuse_another(where: Path, made_from: dict[str, Any], recipe: Recipe, budget_s: int) -> None:
    own = {"recipe": recipe.fingerprint(), "budget_s": budget_s}
    if different := [name.removesuffix("_s") for name, value in own.items() if made_from[name] != value]:
        raise ConfigError(
            f"{where} holds a search with another {' and '.join(different)}: resume with the same, or choose another "
            "folder"
        )


class _Tried:
    """What was tried so far, on disk after every trial."""

    def __init__(self, folder: Path, recipe: Recipe, budget_s: int) -> None:
        self.path = folder / "state.json"
        self.made_from: dict[str, Any] = {"recipe": recipe.fingerprint(), "budget_s": budget_s}
        self.trials: list[RecipeTrial] = []
        if self.path.exists():
            state = json.loads(self.path.read_text(encoding="utf-8"))
            _refuse_another(folder, state["made_from"], recipe, budget_s)
            self.trials = [RecipeTrial(**one) for one in state["trials"]]

    def add(self, trial: RecipeTrial) -> None:
        self.trials.append(trial)
        state = {"made_from": self.made_from, "trials": [asdict(one) for one in self.trials]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(to_json(state), encoding="utf-8")
        os.replace(partial, self.path)

    def of(self, rung: int) -> dict[str, RecipeTrial]:
        return {one.name: one for one in self.trials if one.rung == rung}

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.trials)


class _Trials:
    """Recipes in training, each in a folder of its own."""

    def __init__(
        self,
        pairs: str | Path,
        vertical: Vertical,
        plans: dict[str, Recipe],
        hard: Search | None,
        tried: _Tried,
        tell: Callable[[str], None],
    ) -> None:
        self._pairs, self._vertical, self._plans, self._hard = pairs, vertical, plans, hard
        self._tried, self._tell = tried, tell
        self._budget_s = tried.made_from["budget_s"]

    def folder(self, name: str) -> str:
        return f"{list(self._plans).index(name):02d}"

    def rung(self, rung: int, names: Sequence[str]) -> list[str]:
        """Those that go on, the best first; the recipe given is always tried, and goes on to all rungs but the last."""
        epochs, share = _RUNGS[rung]
        names = sorted(names, key=lambda name: name != GIVEN)
        for name in names:
            done = self._tried.of(rung)
            if name in done:
                continue
            # The first trial may have waited for kernels to be compiled: it does not tell how long the next one takes.
            expected = min((one.seconds for one in list(done.values())[1:]), default=0.0)
            if done and self._tried.seconds + expected > share * self._budget_s:
                break
            self._tried.add(self._trial(rung, name, epochs))
            self._drop_all_but(names, rung)
            self._tell(_progress(self._tried, rung, len(names), self._budget_s, self._plans[GIVEN].validation.k))
        return self._best(names, rung)

    def _best(self, names: Sequence[str], rung: int) -> list[str]:
        done = self._tried.of(rung)
        order = sorted(done, key=lambda name: -done[name].mean)
        if rung == len(_RUNGS) - 1:
            return order[:1]
        kept = order[: -(-len(names) // _KEPT)]
        return kept if GIVEN in kept else [*kept, GIVEN]

    def _drop_all_but(self, names: Sequence[str], rung: int) -> None:
        """Remove the folders of those that cannot go on, so that few are on disk at a time."""
        for name in set(self._tried.of(rung)) - set(self._best(names, rung)):
            shutil.rmtree(self._tried.path.parent / self.folder(name), ignore_errors=True)

    def _trial(self, rung: int, name: str, epochs: int) -> RecipeTrial:
        started = time.perf_counter()
        folder = self._tried.path.parent / self.folder(name)
        try:
            learned = [one for one in self._learn(name, folder, epochs) if one.number <= epochs]
        except TrainingError:
            return RecipeTrial(rung, name, epochs, 0, [], time.perf_counter() - started)
        if not learned[0].by_search:
            raise ConfigError(
                "a budget is for recipes that the valid split chooses from, and it has no search with a target: widen "
                "the vertical's split and mine again, or train without a budget"
            )
        best = max(learned, key=lambda one: np.mean(one.by_search))
        return RecipeTrial(rung, name, epochs, best.number, best.by_search, time.perf_counter() - started)

    def _learn(self, name: str, folder: Path, epochs: int) -> list[Epoch]:
        """The epochs up to `epochs` and perhaps more, by train(), which is stopped after them and can go on."""

        def pause(epoch: Epoch) -> None:
            if epoch.number >= epochs:
                raise _PausedError

        recipe = self._plans[name]
        if (folder / "model.json").exists():  # the search was killed before it noted what this trial had learned
            shutil.rmtree(folder)
        try:
            return train(self._pairs, self._vertical, recipe, folder, False, True, pause, search=self._hard).epochs
        except _PausedError:
            return [Epoch(**one) for one in Checkpoint(folder / "checkpoint", {}).load()["epochs"]]


class _PausedError(Exception):
    """Raised by a trial after its last epoch; the checkpoint of that epoch is on disk."""
