"""Which models a server's processes have: told by the owner, taken by each of them.

The owner loads a model, writes the list anew, and waits until every process that lives has taken it. So a model that
is switched to is loaded everywhere, and a process that is started again begins with all of them.
"""

import time

import msgspec
from msgspec import Struct

from alicorn.errors import ModelError
from alicorn.serving.processes.part import ServerPart
from alicorn.serving.processes.shared import SharedNumbers

MOST_WAIT_S = 120.0
_POLL_S = 0.01
_FILE = "models.json"


class ToldModels(Struct, frozen=True):
    """loaded: embedding key -> name of a folder, in the order of loading. shadows: key -> share, place."""

    loaded: dict[str, str] = {}
    shadows: dict[str, tuple[float, int]] = {}


class ModelNews:
    """Of one process; where it is alone, nothing is told and nothing comes."""

    def __init__(self, part: ServerPart | None) -> None:
        self._part = part

    @property
    def is_new(self) -> bool:
        """Whether there is a list that this process has not taken."""
        part = self._part
        return part is not None and part.shared.models != abs(part.shared.models_taken[part.slot])

    def tell(self, models: ToldModels) -> None:
        """Wait until all processes have taken them. Raises ModelError where one could not."""
        if self._part is None:
            return
        shared = self._part.shared
        path = self._part.folder / _FILE
        scratch = path.with_suffix(".new")
        scratch.write_bytes(msgspec.json.encode(models))
        scratch.replace(path)
        shared.models += 1
        shared.models_taken[self._part.slot] = shared.models
        until_s = time.monotonic() + MOST_WAIT_S
        while lacking := [taken for taken in _of_living(shared) if taken != shared.models]:
            if -shared.models in lacking:
                raise ModelError("a process of the server could not load it; its log says why")
            if time.monotonic() > until_s:
                raise ModelError(f"a process of the server did not load it in {MOST_WAIT_S:g} s")
            time.sleep(_POLL_S)

    def read(self) -> tuple[int, ToldModels]:
        """The list, and its number for `took`."""
        assert self._part is not None
        number = self._part.shared.models
        try:
            return number, msgspec.json.decode((self._part.folder / _FILE).read_bytes(), type=ToldModels)
        except FileNotFoundError:
            return number, ToldModels()

    def took(self, number: int, is_whole: bool) -> None:
        """This process has the list, or could not load one of its models."""
        assert self._part is not None
        self._part.shared.models_taken[self._part.slot] = number if is_whole else -number

    def begin(self) -> None:
        """From now on the owner waits for this process."""
        if self._part is not None:
            self._part.shared.lives[self._part.slot] = 1


def _of_living(shared: SharedNumbers) -> list[int]:
    return [taken for taken, lives in zip(shared.models_taken, shared.lives, strict=True) if lives]
