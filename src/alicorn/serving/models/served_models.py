"""The models of a server: loaded beside the one that answers, checked, shadowed, switched to, and back.

Two names of embedding keys in the collection say which model answers: `current`, and `previous`, to which a rollback
returns (publishing/aliases.py). Both move in one durable step, so that a server that is started again goes on with the
model that answered last, and a search looks at them once: no answer is of two models.
"""

import asyncio
import logging
import re
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from starlette.exceptions import HTTPException

from alicorn.errors import AlicornError, ConfigError, ModelError
from alicorn.feedback.recent import LoggedSearch, recent_searches
from alicorn.publishing.aliases import CURRENT, aliases_of, give_names
from alicorn.publishing.provenance import as_published
from alicorn.serving.api.search_endpoint import AnsweredSearch, SearchEndpoint
from alicorn.serving.background import Background
from alicorn.serving.models.model_check import CheckLimits, ModelCheck, check_model
from alicorn.serving.models.shadow import Shadow, ShadowReport
from alicorn.serving.models.told_models import ModelNews, ToldModels
from alicorn.serving.processes.part import ServerPart
from alicorn.serving.processes.shared import MOST_SHADOWS, SharedNumbers
from alicorn.serving.ready import search_by

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

PREVIOUS = "previous"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
_CHECK_S = 3600.0
"""Seconds that a check counts for a switch."""
_NEWS_S = 0.05
_log = logging.getLogger(__name__)


class ServedModel(Struct, frozen=True):
    """names: of the key in the collection, such as current. shadow: null where it answers no shadow searches."""

    key: str
    fingerprint: str
    dim: int
    names: list[str]
    is_current: bool
    shadow: ShadowReport | None


class _Passed(NamedTuple):
    """A check without a refusal: of which model, against which, and when."""

    fingerprint: str
    current: str
    at_s: float


class ServedModels:
    """The models of one server. Every method may be called from any thread."""

    def __init__(
        self, endpoint: SearchEndpoint, background: Background, folder: Path | None, part: ServerPart | None = None
    ) -> None:
        """folder: of the folders of models that may be loaded; None: none may. part: of a server of several processes,
        whose owner is asked for all but `take`."""
        self._endpoint = endpoint
        self._background = background
        self._folder = folder
        self._lock = threading.Lock()
        self._passed: dict[str, _Passed] = {}
        self._shadows: dict[str, Shadow] = {}
        self._loaded: dict[str, str] = {}  # key -> name of its folder
        self._news = ModelNews(part)
        self._numbers = SharedNumbers() if part is None else part.shared
        endpoint.watching.append(self._see)

    def all(self) -> list[ServedModel]:
        """In the order in which they were loaded."""
        retriever = self._endpoint.retriever
        if not retriever.models:
            return []
        current, names = retriever.default_key, aliases_of(self._endpoint.collection)
        shadows = dict(self._shadows)
        return [
            ServedModel(
                key,
                model.fingerprint,
                model.dim,
                sorted(name for name, named in names.items() if named == key),
                key == current,
                shadows[key].report if key in shadows else None,
            )
            for key, model in retriever.models.items()
        ]

    def load(self, name: str, key: str | None, add: bool) -> list[ServedModel]:
        """Load a model beside the others, and let it search once.

        name: of its folder in the folder of models. key: instead of its own. add: where the collection has no such
        embedding, add it: documents get their vectors as they are sent. Raises AlicornError where it does not fit.
        """
        with self._lock:
            key = self._load(name, key, add)
            try:
                self._tell()
            except ModelError:
                self._unload(key)
                self._tell()
                raise
        return self.all()

    def take(self) -> None:
        """Load and let go of what the owner did, and begin and end its shadows. Raises AlicornError."""
        self._news.begin()
        while self._news.is_new:
            number, told = self._news.read()
            try:
                with self._lock:
                    self._take(told)
            except AlicornError:
                self._news.took(number, is_whole=False)
                raise
            self._news.took(number, is_whole=True)

    async def take_all(self) -> None:
        """Whatever the owner does from now on, until it is cancelled."""
        while True:
            await asyncio.sleep(_NEWS_S)
            if self._news.is_new:
                try:
                    await asyncio.to_thread(self.take)
                except AlicornError as error:
                    _log.error("the models of the server are not taken over: %s", error)

    def unload(self, key: str) -> None:
        """Let go of a model that is not searched; its vectors stay. Raises HTTPException, 404 and 409."""
        with self._lock:
            self._known(key)
            if key in (self._endpoint.retriever.default_key, next(iter(self._endpoint.retriever.models))):
                raise _conflict(f"model {key!r} is the current one, or the one that the server was started with")
            self._unload(key)
            self._tell()

    def check(self, key: str, limits: CheckLimits, texts: Sequence[str] = ()) -> ModelCheck:
        """Compare a model with the current one on the newest searches of the log, and on texts of nobody."""
        self._known(key)
        retriever = self._endpoint.retriever.pinned()
        searches = [LoggedSearch("", text, None, {}, frozenset()) for text in texts]
        if (log := self._endpoint.served_log) is not None and len(searches) < limits.searches:
            searches += recent_searches(log.folder, limits.searches - len(searches))
        found = check_model(retriever, key, searches[: limits.searches], limits)
        if found.refused:
            self._passed.pop(key, None)
        else:
            self._passed[key] = _Passed(found.fingerprint, found.current, time.monotonic())
        return found

    def shadow(self, key: str, share: float) -> list[ServedModel]:
        """Let it answer a share of the searches, which nobody sees; 0 ends it."""
        with self._lock:
            self._known(key)
            self._shadows.pop(key, None)
            if share:
                self._begin_shadow(key, share, self._free_place()).begin()
            self._tell()
        return self.all()

    def switch(self, key: str) -> list[ServedModel]:
        """From now on searches are answered by this model. Raises HTTPException, 409, where it does not pass a check;
        one that it passed in the last hour, against the same model, counts."""
        self._known(key)
        current = self._endpoint.retriever.default_key
        expected = (self._endpoint.retriever.models[key].fingerprint, current)
        passed = self._passed.get(key)
        is_known = passed is not None and passed[:2] == expected and time.monotonic() - passed.at_s < _CHECK_S
        if key != current and not is_known:
            check = self.check(key, CheckLimits())
            if check.refused:
                raise _conflict(f"model {key!r} is not switched to: {'; '.join(check.refused)}")
        return self._name_current(key)

    def roll_back(self) -> list[ServedModel]:
        """Back to the model before the last switch. Raises HTTPException, 409, where there is none."""
        previous = aliases_of(self._endpoint.collection).get(PREVIOUS)
        if previous is None or previous not in self._endpoint.retriever.models:
            raise _conflict("there is no model to go back to: none was switched from, or it was unloaded")
        return self._name_current(previous)

    def _name_current(self, key: str) -> list[ServedModel]:
        with self._lock:
            self._known(key)
            current = self._endpoint.retriever.default_key
            if key != current:
                give_names(self._endpoint.collection, {CURRENT: key, PREVIOUS: current})
        return self.all()

    def _load(self, name: str, key: str | None, add: bool) -> str:
        model = self._opened(name)
        model = model if key is None else model.with_key(key)
        endpoint = self._endpoint
        (model,) = as_published([model], endpoint.collection)
        if add and model.key not in endpoint.collection.embeddings:
            endpoint.collection.add_key(model.key, {"dim": model.dim})
            metadata = endpoint.collection.metadata
            made = {**metadata.get("models", {}), model.key: model.fingerprint}
            endpoint.collection.set_metadata({**metadata, "models": made})
        grown = endpoint.retriever.beside(model)
        if (dim := endpoint.collection.embeddings[model.key]) != model.dim:
            raise ConfigError(f"the model has {model.dim} dimensions, and embedding {model.key!r} has {dim}")
        search_by(endpoint.collection, model.key, model.dim)
        try:
            grown.search(grown.request(text="a", mode="embedding", key=model.key))
        except Exception as error:  # whatever a broken model raises
            raise ModelError(f"model {name!r} is broken, its first search fails: {error}") from error
        endpoint.retriever = grown
        self._loaded[model.key] = name
        return model.key

    def _unload(self, key: str) -> None:
        self._shadows.pop(key, None)
        self._loaded.pop(key, None)
        self._endpoint.retriever = self._endpoint.retriever.without(key)

    def _begin_shadow(self, key: str, share: float, place: int) -> Shadow:
        shadow = self._shadows[key] = Shadow(key, share, self._background, self._numbers, place)
        return shadow

    def _free_place(self) -> int:
        """For the figures of a further shadow."""
        free = set(range(MOST_SHADOWS)).difference(shadow.place for shadow in self._shadows.values())
        if not free:
            raise _conflict(f"{MOST_SHADOWS} models answer unseen already: end one of them by a share of 0")
        return min(free)

    def _tell(self) -> None:
        shadows = {key: (shadow.share, shadow.place) for key, shadow in self._shadows.items()}
        self._news.tell(ToldModels(self._loaded, shadows))

    def _take(self, told: ToldModels) -> None:
        self._endpoint.collection.refresh()  # a model may be of a new embedding
        for key in [key for key in self._loaded if key not in told.loaded]:
            self._unload(key)
        for key, name in told.loaded.items():
            if key not in self._loaded:
                self._load(name, key, add=False)
        for key in [key for key in self._shadows if key not in told.shadows]:
            del self._shadows[key]
        for key, (share, place) in told.shadows.items():
            if key not in self._shadows or (self._shadows[key].share, self._shadows[key].place) != (share, place):
                self._begin_shadow(key, share, place)

    def _see(self, answered: AnsweredSearch) -> None:
        for shadow in list(self._shadows.values()):
            shadow.see(answered)

    def _known(self, key: str) -> None:
        models = self._endpoint.retriever.models
        if key not in models:
            message = f"no model of embedding {key[:100]!r} is loaded; loaded: {', '.join(models) or 'none'}"
            raise HTTPException(HTTPStatus.NOT_FOUND, message)

    def _opened(self, name: str) -> "AnyModel":
        if self._folder is None:
            raise AlicornError("this server loads no models: start it with --model-folder FOLDER")
        if not self._endpoint.retriever.models:
            raise AlicornError("this server has no vertical: start it with a model, beside which others are loaded")
        if not _NAME.fullmatch(name):
            raise AlicornError(f"name is that of a folder in the folder of models, got {name[:100]!r}")
        return open_model(self._folder / name)


def open_model(folder: Path) -> "AnyModel":
    """Raises ModelError."""
    from alicorn.towers import load_served

    return load_served(folder)


def _conflict(message: str) -> HTTPException:
    return HTTPException(HTTPStatus.CONFLICT, message)
