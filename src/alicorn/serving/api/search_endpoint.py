"""A search request -> hits, and why they matched; logged where a log is kept, with the events that are reported.

Knows no HTTP: app.py hands it messages and encodes its answers.
"""

import dataclasses
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import asdict, replace

from alicorn.distributed.router import reaching
from alicorn.errors import AlicornError, BodyError, CollectionError, ConfigError, DeadlineError, UnreachableError, cause
from alicorn.feedback import ServedEvent, ServedLog, ServedSearch, new_search_id
from alicorn.feedback.exploration import Swapped, swapped
from alicorn.feedback.served import packed
from alicorn.index import Snapshot
from alicorn.iso_times import read_timestamp
from alicorn.language.prepared import prepare
from alicorn.language.tree import Nn, Node, Prefix
from alicorn.query import Facet, Result
from alicorn.query.explain.match import Matcher
from alicorn.query.facets import Counts
from alicorn.query.restrict import document_of, restricted
from alicorn.query.result import checked_columns
from alicorn.query.wanted import check_wanted
from alicorn.reporting.json_text import plain_json, to_json
from alicorn.retrieval.asked import Asked
from alicorn.retrieval.channels import lineage
from alicorn.retrieval.highlighting import Highlighter
from alicorn.retrieval.request import RankingStages, Request
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searcher
from alicorn.serving.api.in_common import in_common
from alicorn.serving.api.messages import (
    MAX_LIMIT,
    AnswerOrProblem,
    BatchAnswer,
    BatchRequest,
    CoverageOf,
    EventBody,
    FacetBucket,
    FacetCounts,
    Highlight,
    Hit,
    PopularQuery,
    SearchAnswer,
    SearchRequest,
    Suggestion,
    Suggestions,
    Understood,
    Why,
    WhyAnswer,
    WhyRequest,
)
from alicorn.serving.api.problems import problem_of
from alicorn.serving.limits.degradation import with_less_work
from alicorn.serving.popular import NO_QUERIES, PopularQueries
from alicorn.serving.stored_json import StoredJson, stored_values
from alicorn.text import normalize

_MAX_SHOWN = 20  # terms of a hit


class AnsweredSearch(NamedTuple):
    """A search with its answer, for those that watch a server. retriever: that answered.

    seconds: to read the request and encode its text, of the engine, and of the answer: columns, reasons, the log.
    """

    asked: SearchRequest
    retriever: Retriever
    request: Request
    result: Result
    seconds: tuple[float, float, float]


class SearchEndpoint:
    """A retriever and the log of what it served.

    retriever: replaced as a whole where another model takes part; a search is answered by the one that it began with.
    watching: called after each search that was answered. is_read_only: whether documents cannot be written.
    """

    def __init__(
        self, retriever: Retriever, served_log: ServedLog | None, popular: PopularQueries = NO_QUERIES
    ) -> None:
        """popular: the queries that are suggested.

        Raises ConfigError where the vertical's selection asks for repeats and nothing is logged.
        """
        vertical = retriever.vertical
        if vertical is not None and (days := vertical.selection.repeat_days):
            if served_log is None:
                raise ConfigError(
                    "the vertical's selection.requests has a rule of kind repeat, which needs the clicks that were"
                    " served: start the server with --served-log FOLDER, or leave the rule out"
                )
            served_log.remember(days)
        self.retriever = retriever
        self.collection = retriever.collection
        self.served_log = served_log
        self._popular = popular
        self.watching: list[Callable[[AnsweredSearch], None]] = []
        self.is_read_only: Callable[[], bool] = lambda: self.collection.read_only
        self._stored = StoredJson()

    def search(
        self,
        asked: SearchRequest,
        only: Node | None = None,
        snapshot: Snapshot | None = None,
        retriever: Retriever | None = None,
        step: int = 0,
    ) -> SearchAnswer:
        """only: the documents that may be seen; None: all. snapshot, retriever: of several searches; None: the newest.

        step: of the ladder of degradation.py.
        Raises AlicornError for a mistake in the request, DeadlineError where no answer is wanted any more.
        """
        with reaching(partial_answer=asked.partial):
            try:
                return self._answer(asked, only, snapshot, retriever, step)
            except UnreachableError:
                if not asked.partial:
                    raise
                return self._answer(asked, only, snapshot, retriever, step)  # a shard went after it gave its hits

    def _answer(
        self,
        asked: SearchRequest,
        only: Node | None,
        snapshot: Snapshot | None,
        retriever: Retriever | None,
        step: int,
    ) -> SearchAnswer:
        started = time.perf_counter()
        retriever = retriever or self.retriever
        highlighter = Highlighter(retriever.vertical) if asked.highlight else None
        columns = None if asked.columns is None else checked_columns(asked.columns, self.collection.snapshot().columns)
        request, degraded = with_less_work(self._request(asked, only, retriever), step)
        check_wanted()
        read = time.perf_counter()
        found = retriever.search(request, asked.explain, snapshot)
        searched = time.perf_counter()
        check_wanted()
        explored = self._explored(asked, found)
        result = found if explored is None else found.taken(explored.places)
        stored: Sequence[Any] = self._stored.of(result) if columns is None else stored_values(result, columns)
        hits = [Hit(*of) for of in zip(result.ids, _scores(result), stored, strict=True)]
        if request.channels:
            hits = [replace(hit, channels=of) for hit, of in zip(hits, lineage(result, request), strict=True)]
        if asked.why or highlighter is not None:
            hits = self._explained(hits, result, request, asked, highlighter)
        notices = [*result.notices, *request.notices]
        expression = str(request.expression)
        search_id = self._log(asked, request, expression, result, notices, degraded, retriever.ranking, explored)
        seconds = (read - started, searched - read, time.perf_counter() - searched)
        for watch in self.watching:
            watch(AnsweredSearch(asked, retriever, request, found, seconds))
        return SearchAnswer(
            hits,
            result.total,
            (time.perf_counter() - started) * 1000.0,
            result.took_ms,
            expression,
            notices,
            CoverageOf(**result.coverage._asdict()),
            search_id,
            None if result.explanation is None else result.explanation.to_dict(),
            request.without_nn,
            _of_model(found.cursor, request),
            {name: _counts(found) for name, found in result.facets.items()},
            dict(request.models),
            [Understood(of.term, of.words, of.probability) for of in request.intents],
            request.candidates(result),
            list(degraded),
        )

    def _explored(self, asked: SearchRequest, found: Result) -> Swapped | None:
        """The hits of a page that is logged, some neighbours swapped; None where the server does not."""
        swap = 0.0 if self.served_log is None else self.served_log.swap
        return swapped(len(found.numbers), swap, random.random) if swap and _is_logged(asked) else None

    def _request(self, asked: SearchRequest, only: Node | None, retriever: Retriever) -> Request:
        def chosen(days: float) -> Sequence[str]:
            if self.served_log is None or not isinstance(asked.searcher, str):
                return ()
            return self.served_log.chosen(asked.searcher, asked.text or "", days)

        after, key = _page(asked, retriever)
        return retriever.request(
            asked.expression,
            vectors=asked.vectors,
            text=asked.text,
            searcher=asked.searcher,
            context=asked.context,
            mode=asked.mode,
            key=key,
            limit=asked.limit,
            order_by=asked.order_by,
            offset=asked.offset,
            after=after,
            facets={name: Facet(**asdict(one)) for name, one in asked.facets.items()},
            chosen=chosen,
            only=only,
        )

    def batch(self, asked: BatchRequest, only: Node | None = None, step: int = 0) -> BatchAnswer:
        """Each search by itself, over one snapshot and by one model: a mistake in one is its answer."""
        started = time.perf_counter()
        snapshot = self.collection.snapshot()
        retriever = self.retriever.pinned()
        answers: list[AnswerOrProblem] = []
        for one in asked.searches:
            try:
                answers.append(AnswerOrProblem(self.search(one, only, snapshot, retriever, step)))
            except (CollectionError, DeadlineError):
                raise  # they are of all
            except AlicornError as error:
                answers.append(AnswerOrProblem(problem=problem_of(error)))
        return BatchAnswer(answers, (time.perf_counter() - started) * 1000.0)

    def why(self, asked: WhyRequest) -> WhyAnswer | None:
        """Why a document is in the result of a search, or is not; None where there is no such document."""
        retriever = self.retriever.pinned()
        request = self._request(replace(asked.search, limit=MAX_LIMIT, offset=0, after=None), None, retriever)
        reason = self.collection.explain(request.expression, asked.doc_id, request.vectors)
        if reason is None:
            return None
        ids = retriever.search(request).ids if reason.matches else []
        position = ids.index(asked.doc_id) + 1 if asked.doc_id in ids else None
        return WhyAnswer(reason.matches, position, str(request.expression), reason.to_dict(), dict(request.models))

    def suggest(self, begins: str, count: int, only: Node | None) -> Suggestions:
        """The terms of most documents that begin so, folded as words are where there is a vertical; and the queries of
        most searchers, which may name documents that a key does not see."""
        beginning = begins if self.retriever.vertical is None else normalize(begins)
        asked = {"terms": Facet(prefix=beginning, top=count)}
        found = self.collection.search(Prefix(beginning), limit=0, facets=asked, only=only)
        buckets = found.facets["terms"].buckets
        terms = [Suggestion(beginning + bucket.value, bucket.count) for bucket in buckets]
        queries = self._popular.beginning(begins, count) if only is None else []
        return Suggestions(terms, [PopularQuery(*one) for one in queries])

    def count(self, only: Node | None) -> int:
        """How many documents may be seen."""
        return len(self.collection) if only is None else self.collection.search(only, limit=0).total

    def columns(self) -> list[dict[str, str]]:
        """The columns of the search page: mode, embedding key, title."""
        vertical, models = self.retriever.vertical, self.retriever.models
        if vertical is None:
            return []
        own = vertical.embedding
        shown = next((key for key in models if key != own), own)  # a second model is the one to compare with
        columns = [{"mode": "boolean", "key": "", "title": "Boolean"}]
        columns.append({"mode": "embedding", "key": shown, "title": f"Embedding: {shown}"})
        if own in models:
            columns.append({"mode": "hybrid", "key": own, "title": f"Hybrid: Boolean or {own}"})
        return columns

    def some_searchers(self, count: int, only: Node | None) -> list[dict[str, str]]:
        """Searchers to choose from: id, and a label of the first texts that are known of each; none that are documents
        which may not be seen."""
        chosen = []
        for profile in self.retriever.searchers.some(count) if self.retriever.searchers else []:
            if self._is_hidden(profile, only):
                continue
            known = {**self._as_document(profile, only), **profile}
            texts = [known.get(name) for name in (*self._label_columns(), *profile) if name != "searcher_id"]
            label = list(dict.fromkeys(text for text in texts if isinstance(text, str) and text))[:2]
            chosen.append({"searcher_id": profile["searcher_id"], "label": ", ".join(label)})
        return chosen

    def _explained(
        self, hits: list[Hit], result: Result, request: Request, asked: SearchRequest, highlighter: Highlighter | None
    ) -> list[Hit]:
        """The hits with what was asked for: why they matched, and where."""
        matcher = Matcher(request.root, result.snapshot, request.vectors)
        profile = self._profile(asked.searcher, request.only) if asked.why else {}
        explained = []
        for at, hit in enumerate(hits):
            document = result.document(at)
            match = matcher.match(*result.address(at), document["terms"])
            why = highlights = None
            if asked.why:
                common = in_common(profile, document)
                why = Why(match.terms[:_MAX_SHOWN], match.cosine, matcher.approximate, common)
            if highlighter is not None:
                places = highlighter.places(document, match.terms)
                highlights = {column: [Highlight(*place) for place in of] for column, of in places.items()}
            explained.append(replace(hit, why=why, highlights=highlights))
        return explained

    def _profile(self, searcher: Searcher, only: Node | None) -> dict[str, Any]:
        """What is known of a searcher."""
        if searcher is None or self.retriever.searchers is None:
            return {}
        profile = self.retriever.searchers.profile(searcher)
        if self._is_hidden(profile, only):
            return {}
        known = {**self._as_document(profile, only), **profile}
        return {name: value for name, value in known.items() if value}

    def _is_hidden(self, profile: Mapping[str, Any], only: Node | None) -> bool:
        """Whether a searcher is a document that may not be seen."""
        doc_id = profile.get("searcher_id")
        if only is None or not isinstance(doc_id, str):
            return False
        snapshot = self.collection.holding([doc_id])
        if snapshot.find(doc_id) is None:
            return False
        return restricted(snapshot, only).find(doc_id) is None

    def _as_document(self, profile: Mapping[str, Any], only: Node | None) -> dict[str, Any]:
        """Where people search for people, a searcher is a document too: one of the same id with something in common."""
        doc_id = profile.get("searcher_id")
        document = document_of(self.collection.holding([doc_id]), doc_id, only) if isinstance(doc_id, str) else None
        return document if document is not None and in_common(profile, document) else {}

    def _label_columns(self) -> Sequence[str]:
        return () if self.retriever.vertical is None else self.retriever.vertical.document.stored

    def log_events(self, events: Sequence[EventBody]) -> None:
        """Raises AlicornError where no log is kept, BodyError for a time that is none."""
        if self.served_log is None:
            raise AlicornError("this server keeps no log of what it serves: start it with --served-log FOLDER")
        now_us = self.served_log.now_us()
        times = [now_us if one.time is None else _microseconds(at, one.time) for at, one in enumerate(events)]
        reported = [asdict(one) | {"time": time} for one, time in zip(events, times, strict=True)]
        self.served_log.events([ServedEvent(**one) for one in reported])

    def _log(
        self,
        asked: SearchRequest,
        request: Request,
        expression: str,
        result: Result,
        notices: list[str],
        degraded: Sequence[str],
        ranking: RankingStages | None,
        explored: Swapped | None,
    ) -> str | None:
        """A search by text is logged, unless it asked for no document. A log that cannot be written is a notice."""
        if self.served_log is None or asked.text is None or not _is_logged(asked):
            return None
        keys = (node.key for node in prepare(request.root).named if isinstance(node, Nn))
        served = ServedSearch(
            search_id=new_search_id(),
            time=self.served_log.now_us(),
            query=asked.text,
            searcher_id=asked.searcher if isinstance(asked.searcher, str) else None,
            session_id=asked.session_id,
            mode=asked.mode or "hybrid",
            expression=expression,
            without_nn=request.without_nn,
            intents=[of.term for of in request.intents],
            candidates=request.candidates(result),
            model=request.models.get(next(keys, "")),
            snapshot=result.snapshot.sequence,
            experiment=asked.experiment,
            arm=asked.arm,
            total=result.total,
            degraded=(*degraded, *result.noticed),
            context=asked.context or {},
            shown=result.ids,
            first_position=asked.offset + 1,
            ranks=None if explored is None else (explored.places + asked.offset + 1).tolist(),
            probabilities=None if explored is None else explored.probabilities.tolist(),
            segments=_segments(result),
            channels=_channels(result, request),
            scores={"order": _scores(result)},
        )
        try:
            if ranking is not None and request.asked is not None and result.features is not None:
                self.served_log.describe_ranker(ranking.fingerprint, lambda: ranking.described)
                served = _with_ranking(served, ranking, request.asked, result, result.features)
            self.served_log.search(served)
            return served.search_id
        except OSError as error:
            notices.append(f"this search is not in the served log: {cause(error)}")
            return None


def _is_logged(asked: SearchRequest) -> bool:
    return asked.text is not None and asked.expression is None and asked.limit > 0


def _with_ranking(
    served: ServedSearch, ranking: RankingStages, asked: Asked, result: Result, features: np.ndarray
) -> ServedSearch:
    """With all that the ranker read and said, so that it can be scored again, and learned from."""
    scores = {name: [None if x != x else x for x in of.tolist()] for name, of in result.stage_scores.items()}
    return dataclasses.replace(
        served,
        time=asked.time_us,
        ranker=ranking.fingerprint,
        known=to_json(asked.known),
        vectors={key: packed(vectors) for key, vectors in asked.vectors.items()},
        scores=scores,
        features=packed(features),
        feature_set=ranking.feature_set,
    )


def _channels(result: Result, request: Request) -> list[list[str]] | None:
    """Of each hit those that found it; None where the expression has none."""
    if not request.channels or result.found_by is None:
        return None
    return [[name for name, has in zip(request.channels, of, strict=True) if has] for of in result.found_by.tolist()]


def _segments(result: Result) -> list[str | None]:
    """The checksum of the segment that holds each hit; None in memory."""
    checksums = [view.segment.checksum for view in result.snapshot.segments]
    return [checksums[at] for at in result.segments.tolist()]


def _microseconds(at: int, time: str) -> int:
    try:
        return read_timestamp(time, "us")
    except ValueError as error:
        problem = f"{time[:60]!r} is no time of ISO 8601 to the microsecond ({error}) - at `$[{at}].time`"
        raise BodyError(f"the body is not what this route takes: {problem}") from error


def _of_model(cursor: str | None, request: Request) -> str | None:
    """The cursor of a text names the embedding, so that the next page is of the same one after a switch of models."""
    if cursor is None or isinstance(request.expression, str):
        return cursor
    named = prepare(request.root).named
    keys = [node.key for node in named if isinstance(node, Nn) and node.key in request.models]
    return f"{cursor}~{keys[0]}" if keys else cursor


def _page(asked: SearchRequest, retriever: Retriever) -> tuple[str | None, str | None]:
    """The cursor of the collection, and the embedding to search."""
    if asked.after is None or asked.expression is not None or "~" not in asked.after:
        return asked.after, asked.key
    after, _, key = asked.after.partition("~")
    if asked.key is None and key not in retriever.models:
        raise BodyError(
            f"the cursor is of embedding {key[:100]!r}, which is not served any more: ask for the first page"
        )
    return after, asked.key or key


def _counts(found: Counts) -> FacetCounts:
    buckets = [FacetBucket(plain_json(bucket.value), bucket.count) for bucket in found.buckets]
    return FacetCounts(buckets, found.num_values, found.missing)


def _scores(result: Result) -> list[float | None]:
    return [score if score > float("-inf") else None for score in result.scores.tolist()]
