"""Checkpoints: the whole state after an epoch, so that a resumed run ends in the same bits.

    checkpoint/state.pt     weights and optimizer state after the last finished epoch, and the history
    checkpoint/best.pt      weights of the epoch with the best validation recall
    checkpoint/start.pt     weights before training; learned.pt: the best ones of the last stage, which are mixed
    checkpoint/features/    the featurised training data

Random numbers need no place here: batches.py draws them from (seed, epoch).
"""

import os
from pathlib import Path
from typing import Any

import torch

from alicorn.errors import ConfigError, ModelError


class Checkpoint:
    """made_from: fingerprints of recipe, vertical and data; a checkpoint of others is refused."""

    def __init__(self, folder: Path, made_from: dict[str, str]) -> None:
        self.folder = folder
        self.made_from = made_from

    def exists(self) -> bool:
        return (self.folder / "state.pt").exists()

    def save(self, state: dict[str, Any], is_best: bool) -> None:
        """state: plain data and tensors, with the weights under `module`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_best:
            _write(state["module"], self.folder / "best.pt")
        _write({**state, "made_from": self.made_from}, self.folder / "state.pt")

    def keep(self, name: str, weights: dict[str, Any]) -> None:
        """Beside the state, under a name of the list above."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(weights, self.folder / f"{name}.pt")

    def load(self) -> dict[str, Any]:
        """Raises ConfigError where it was made from something else, ModelError where it cannot be read."""
        state = _read(self.folder / "state.pt")
        different = [name for name, value in self.made_from.items() if state["made_from"].get(name) != value]
        if different:
            raise ConfigError(
                f"{self.folder} is the checkpoint of a run with another {' and '.join(different)}: "
                "resume with the same files, or train into a new folder"
            )
        return state

    def best_weights(self) -> dict[str, Any]:
        return self.kept("best")

    def kept(self, name: str) -> dict[str, Any]:
        return _read(self.folder / f"{name}.pt")


def _write(state: dict[str, Any], path: Path) -> None:
    """Beside the place, then renamed: an interrupted write leaves the earlier file."""
    partial = path.with_suffix(".partial")
    write_tensors(state, partial)
    os.replace(partial, path)


def write_tensors(state: dict[str, Any], path: Path) -> None:
    """Raises OSError where the system cannot write the file, for which torch has a RuntimeError of its own."""
    try:
        with path.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _read(path: Path) -> dict[str, Any]:
    try:
        result: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        return result
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ModelError(f"{path} cannot be read ({error}): train again without resuming") from error
