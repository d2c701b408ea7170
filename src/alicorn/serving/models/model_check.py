"""Two models beside each other: the one that is searched now and a candidate, on searches of the log.

Both answer each search one after the other on one thread, in turns which is first, so that what slows the machine
slows both. Clicks were given to what the present model showed, and so are for it: a difference is compared with what
may be lost (`clicks_lost`), and by its interval.
"""

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from alicorn.errors import AlicornError
from alicorn.feedback.recent import LoggedSearch
from alicorn.language.tree import Nn, exactly
from alicorn.query import Result
from alicorn.retrieval.reading.reader import Mode
from alicorn.retrieval.request import Request
from alicorn.retrieval.retriever import Retriever

_SHOWN = 10  # hits whose agreement is measured
_NEAREST = 100
_FEWEST = 10  # searches
_SLACK_MS = 0.5  # a difference that nobody waits for
_Z = 1.96  # of an interval that holds the mean in 95 of 100


class CheckLimits(Struct, forbid_unknown_fields=True, frozen=True):
    """What a candidate may cost. searches: of the log, the newest. recall: least share of the exact nearest that it
    finds. slower: times the present model's median latency. agreement: least share of the present model's first ten
    nearest. clicks_lost: share of clicked documents that it may no longer find among its 100 nearest.
    """

    searches: Annotated[int, Meta(ge=10, le=2000)] = 200
    recall: Annotated[float, Meta(ge=0, le=1)] = 0.9
    slower: Annotated[float, Meta(ge=1)] = 2.0
    agreement: Annotated[float, Meta(ge=0, le=1)] = 0.1
    clicks_lost: Annotated[float, Meta(ge=0, le=1)] = 0.05


class Both(Struct, frozen=True):
    """A figure of the present model and of the candidate; null where nothing was measured."""

    current: float | None
    candidate: float | None


class ModelCheck(Struct, frozen=True):
    """searches: that both answered. documents: with a vector. recall: of the nearest 100 as they are searched, against
    all. latency_ms: median of a search as it is served. agreement: mean share of the first ten nearest that both have.
    clicks: clicked documents of these searches; found: the share of them among the nearest 100; found_change: 95 %
    interval of the candidate's less the present one's. refused: why the candidate may not take over; empty if it may.
    """

    key: str
    fingerprint: str
    current: str
    searches: int
    documents: Both
    recall: Both
    latency_ms: Both
    agreement: float | None
    clicks: int
    found: Both
    found_change: tuple[float, float] | None
    refused: list[str]


@dataclass
class _Figures:
    """Of one model, over all searches."""

    ms: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)


def check_model(retriever: Retriever, key: str, searches: Sequence[LoggedSearch], limits: CheckLimits) -> ModelCheck:
    """Compare the model of a key with the one that is searched where none is given.

    A logged search that the present model cannot answer any more is left out.
    """
    current = retriever.default_key
    of = {current: _Figures(), key: _Figures()}
    agreement: list[float] = []
    broken: list[str] = []
    for number, logged in enumerate(searches):
        order = (current, key) if number % 2 else (key, current)
        first: dict[str, list[str]] = {}
        try:
            _served(retriever, current, logged)
        except AlicornError:
            continue
        try:
            for one in order:
                first[one] = _measure(retriever, one, logged, of[one])
        except Exception as error:  # whatever a broken model raises
            broken.append(f"it is broken: search {logged.query[:60]!r} fails: {error}")
            break
        shown = first[current][:_SHOWN]
        agreement.append(len(set(shown) & set(first[key][:_SHOWN])) / max(1, len(shown)))
    documents = Both(*(_num_documents(retriever, one) for one in (current, key)))
    mean = None if not agreement else float(np.mean(agreement))
    change = _change(of[current].found, of[key].found)
    check = ModelCheck(
        key,
        retriever.models[key].fingerprint,
        current,
        len(agreement),
        documents,
        _both(of, current, key, "recall"),
        Both(*(statistics.median(of[one].ms) if of[one].ms else None for one in (current, key))),
        mean,
        len(of[key].found),
        _both(of, current, key, "found"),
        change,
        broken,
    )
    return msgspec.structs.replace(check, refused=[*broken, *_refusals(check, limits)])


def _measure(retriever: Retriever, key: str, logged: LoggedSearch, figures: _Figures) -> list[str]:
    """Answer one search by one model -> its nearest documents."""
    started = time.perf_counter()
    _served(retriever, key, logged)
    figures.ms.append((time.perf_counter() - started) * 1000.0)
    request = _request(retriever, key, logged, "embedding", _NEAREST)
    nearest = retriever.search(request).ids
    exact = retriever.search(replace(request, expression=(root := exactly(request.root)), root=root)).ids
    figures.recall.append(len(set(nearest) & set(exact)) / len(exact) if exact else 1.0)
    figures.found += [doc_id in nearest for doc_id in sorted(logged.clicked)]
    return nearest


def _served(retriever: Retriever, key: str, logged: LoggedSearch) -> Result:
    return retriever.search(_request(retriever, key, logged, "hybrid", _SHOWN))


def _request(retriever: Retriever, key: str, logged: LoggedSearch, mode: Mode, limit: int) -> Request:
    return retriever.request(
        text=logged.query, searcher=logged.searcher_id, context=logged.context, mode=mode, key=key, limit=limit
    )


def _num_documents(retriever: Retriever, key: str) -> int:
    """Documents that have a vector of the key: all of them are within a cosine distance of 2."""
    collection = retriever.collection
    vector = np.eye(1, collection.embeddings[key], dtype=np.float32)[0]
    return collection.search(Nn(key, radius=2.0), {key: vector}, limit=0).total


def _both(of: Mapping[str, _Figures], current: str, key: str, name: str) -> Both:
    values = [getattr(of[one], name) for one in (current, key)]
    return Both(*(float(np.mean(known)) if known else None for known in values))


def _change(current: Sequence[bool], candidate: Sequence[bool]) -> tuple[float, float] | None:
    """95 % interval of the mean difference, of pairs."""
    if len(current) != len(candidate) or len(current) < 2:
        return None
    difference = np.array(candidate, dtype=float) - np.array(current, dtype=float)
    half = _Z * float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return float(difference.mean()) - half, float(difference.mean()) + half


def _refusals(check: ModelCheck, limits: CheckLimits) -> Iterator[str]:
    now, then = check.documents.current or 0, check.documents.candidate or 0
    if then < now:
        yield f"{int(now - then)} of {int(now)} documents have no vector of it: send them again (alicorn feed)"
    if check.searches < _FEWEST and not check.refused:
        yield f"it answered {check.searches} logged searches, and {_FEWEST} are the fewest to judge it by"
    if check.recall.candidate is not None and check.recall.candidate < limits.recall:
        yield f"it finds {check.recall.candidate:.3f} of the nearest documents, and recall asks for {limits.recall:g}"
    slow, fast = check.latency_ms.candidate, check.latency_ms.current
    if slow is not None and fast is not None and slow > limits.slower * fast + _SLACK_MS:
        yield f"it is slower: {slow:.2f} ms a search, now {fast:.2f}, and slower allows {limits.slower:g} times that"
    if check.agreement is not None and check.agreement < limits.agreement:
        yield (
            f"it is another thing: {check.agreement:.3f} of the first ten nearest are the same, and agreement asks for"
            f" {limits.agreement:g}"
        )
    if check.found_change is not None and check.found_change[1] < -limits.clicks_lost:
        low, high = check.found_change
        yield (
            f"it loses clicked documents: the share found changes by {low:.3f} to {high:.3f} ({check.clicks} clicks),"
            f" and clicks_lost allows {limits.clicks_lost:g}"
        )
