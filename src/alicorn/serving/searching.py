"""A search request -> an expression, vectors, hits. The server's one way into the engine and the models.

Knows no HTTP: app.py hands it messages and encodes its answers.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from alicorn.errors import AlicornError, ConfigError
from alicorn.feedback import ServedLog
from alicorn.language import parse, tree
from alicorn.publish import check_models, default_nprobe, interests_of
from alicorn.query import Collection, Result
from alicorn.query.check import check_vectors
from alicorn.retrieval.encoder import named_vectors, search_vectors
from alicorn.retrieval.nearest import nearest
from alicorn.serving.messages import Hit, Mode, SearchAnswer, SearchRequest
from alicorn.serving.why import Explainer, in_common
from alicorn.vertical.searchers import Searchers
from alicorn.vertical.selection import order_without_nn

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

_REFRESH_S = 1.0
_NEAREST = 100  # documents of mode embedding
_NO_MODEL = "a text is encoded by a model, and this server has none: send an expression, or start it with --model"


class Searching:
    """A collection, the models of its embedding keys, its searchers and the log of what it served.

    models: the first one's vertical names the terms, the expressions and the searchers' columns.
    """

    def __init__(
        self,
        collection: Collection,
        models: "Sequence[AnyModel]",
        searchers: Searchers | None,
        served_log: ServedLog | None,
    ) -> None:
        """Raises CollectionError where a model is not the one that the collection was published with, ConfigError
        where two models are of several interests, and where the vertical's selection asks for repeats and nothing is
        logged."""
        check_models(collection, models)
        self._interests = interests_of(models)
        if models and (days := models[0].vertical.selection.repeat_days):
            if served_log is None:
                raise ConfigError(
                    "the vertical's selection.requests has a rule of kind repeat, which needs the clicks that were"
                    " served: start the server with --served-log FOLDER, or leave the rule out"
                )
            served_log.remember(days)
        self.collection = collection
        self.models = {model.key: model for model in models}
        self.vertical = models[0].vertical if models else None
        self.searchers = searchers
        self.served_log = served_log
        self._refreshed = time.monotonic()

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises AlicornError for whatever the request has wrong."""
        started = time.perf_counter()
        self._refresh()
        root, rule = self._expression(request)
        order_by = request.order_by if rule is None else order_without_nn(request.order_by)
        vectors = check_vectors({**self._encoded(request, root), **(request.vectors or {})})
        result = self.collection.search(root, vectors, request.limit, order_by, request.explain)
        explainer = Explainer(root, result.snapshot, vectors, self._profile(request.searcher))
        hits = [_hit(result, at, explainer) for at in range(len(result.ids))]
        notices = list(result.notices) + ([] if rule is None else [f"answered without nn: the search is {rule}"])
        session_id = self._log(request, result.ids, notices)
        explanation = None if result.explanation is None else result.explanation.to_dict()
        took_ms = (time.perf_counter() - started) * 1000.0
        search_ms = result.took_ms
        expression = request.expression or str(root)
        return SearchAnswer(
            hits, result.total, took_ms, search_ms, expression, notices, session_id, explanation, without_nn=rule
        )

    def columns(self) -> list[dict[str, str]]:
        """What the search page puts side by side: mode, embedding key, title."""
        if self.vertical is None:
            return []
        own = self.vertical.embedding
        shown = next((key for key in self.models if key != own), own)  # a second model is the one to compare with
        columns = [{"mode": "boolean", "key": "", "title": "Boolean"}]
        columns.append({"mode": "embedding", "key": shown, "title": f"Embedding: {shown}"})
        if own in self.models:
            columns.append({"mode": "hybrid", "key": own, "title": f"Hybrid: Boolean or {own}"})
        return columns

    def some_searchers(self, count: int) -> list[dict[str, str]]:
        """Searchers to choose from: id, and a label of the first texts that are known of each."""
        chosen = []
        for profile in self.searchers.some(count) if self.searchers else []:
            known = {**self._as_document(profile), **profile}
            texts = [known.get(name) for name in (*self._label_columns(), *profile) if name != "searcher_id"]
            label = list(dict.fromkeys(text for text in texts if isinstance(text, str) and text))[:2]
            chosen.append({"searcher_id": profile["searcher_id"], "label": ", ".join(label)})
        return chosen

    def _refresh(self) -> None:
        """A collection that another process writes is looked at again once a second."""
        if self.collection.read_only and time.monotonic() - self._refreshed > _REFRESH_S:
            self._refreshed = time.monotonic()
            self.collection.refresh()

    def _expression(self, request: SearchRequest) -> tuple[tree.Node, str | None]:
        """The expression, and the rule of the vertical's selection by which it has no `nn`."""
        if request.expression is not None:
            if request.mode is not None or request.key is not None:
                raise AlicornError("mode and key say what a text becomes: leave them out beside an expression")
            return parse(request.expression), None
        if request.text is None:
            raise AlicornError("send an expression, or a text (and a searcher)")
        if self.vertical is None:
            raise AlicornError(_NO_MODEL)
        mode: Mode = request.mode or "hybrid"
        if mode != "embedding":
            if request.key is not None:
                raise AlicornError("key names the embedding of mode embedding: leave it out")
            if mode == "hybrid":
                vectors = self._interests.get(self.vertical.embedding, ())
                is_repeat = partial(self._is_repeat, request)
                return self.vertical.request_expression(request.text, is_repeat=is_repeat, vectors=vectors)
            return self.vertical.expression(mode, request.text), None
        key = request.key or self.vertical.embedding
        if key not in self.models:
            raise AlicornError(f"no model encodes {key!r}; this server has models for: {', '.join(self.models)}")
        # As many clusters as the vertical's hybrid expression, so that the columns of the page can be compared.
        nprobe = default_nprobe(self.vertical)
        return nearest(key, _NEAREST, nprobe, self._interests.get(key, ())), None

    def _is_repeat(self, request: SearchRequest, days: float) -> bool:
        """Whether the searcher chose a document for these words before, and the Boolean expression shows it still."""
        if self.served_log is None or self.vertical is None or not isinstance(request.searcher, str):
            return False
        text = request.text or ""
        chosen = self.served_log.chosen(request.searcher, text, days)
        if not chosen:
            return False
        shown = self.collection.search(self.vertical.expression("boolean", text), limit=request.limit)
        return not set(shown.ids).isdisjoint(chosen)

    def _encoded(self, request: SearchRequest, root: tree.Node) -> dict[str, np.ndarray]:
        """The request's vectors that the expression looks for and a model encodes, by their names."""
        if request.text is None:
            if request.searcher is not None:
                raise AlicornError("a searcher belongs to a text, which is encoded with it: send the text too")
            return {}
        if not self.models or self.searchers is None:
            raise AlicornError(_NO_MODEL)
        row = self.searchers.request(request.text, request.searcher)
        asked = {node.vector or node.key for node in tree.walk(root) if isinstance(node, tree.Nn)}
        vectors = {}
        for key, model in self.models.items():
            if not asked.isdisjoint(self._interests.get(key, (key,))):
                encoded = named_vectors(key, search_vectors(model, row))
                vectors.update({name: rows[0] for name, rows in encoded.items()})
        return vectors

    def _profile(self, searcher: str | Mapping[str, Any] | None) -> dict[str, Any]:
        if searcher is None or self.searchers is None:
            return {}
        profile = self.searchers.profile(searcher)
        return {**self._as_document(profile), **profile}

    def _as_document(self, profile: Mapping[str, Any]) -> dict[str, Any]:
        """Where people search for people, a searcher is a document too: one of the same id with something in common."""
        doc_id = profile.get("searcher_id")
        document = self.collection.get(doc_id) if isinstance(doc_id, str) else None
        return document if document is not None and in_common(profile, document) else {}

    def _label_columns(self) -> Sequence[str]:
        return () if self.vertical is None else self.vertical.document.stored

    def _log(self, request: SearchRequest, doc_ids: list[str], notices: list[str]) -> str | None:
        """A search by text is logged, unless it asked for no document. A log that cannot be written is a notice."""
        if self.served_log is None or request.text is None or request.expression is not None or request.limit == 0:
            return None
        searcher_id = request.searcher if isinstance(request.searcher, str) else None
        try:
            return self.served_log.search(searcher_id, request.text, doc_ids, request.mode or "hybrid")
        except OSError as error:
            notices.append(f"this search is not in the served log: {error.strerror or error}")
            return None


def _hit(result: Result, at: int, explainer: Explainer) -> Hit:
    document, score = result.document(at), float(result.scores[at])
    stored = {name: value for name, value in document.items() if name not in ("doc_id", "terms")}
    why = explainer.why(*result.address(at), document)
    return Hit(result.ids[at], score if score > float("-inf") else None, stored, why)
