"""Runs of what is served: each text is read by a Retriever, as the server, the shell and the demo read it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alicorn.evaluation.searches import Searches
from alicorn.language.order import OrderBy
from alicorn.language.templates import Template, TermsHole
from alicorn.language.tree import walk
from alicorn.query import Result
from alicorn.query.any_collection import AnyCollection
from alicorn.query.check import check_vectors
from alicorn.retrieval.asked import asked_rows
from alicorn.retrieval.encoder import named_vectors, search_vectors
from alicorn.retrieval.reading.reader import Mode
from alicorn.retrieval.request import RankingStages, Request
from alicorn.retrieval.retriever import Retriever
from alicorn.tables import python_values
from alicorn.vertical import Vertical
from alicorn.vertical.expressions import BY_WORDS
from alicorn.vertical.schema import NOTHING, KnownColumns

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

BOOLEAN, BM25, NN, HYBRID = "Boolean", "BM25, any word", "nn", "hybrid"

RRF: OrderBy = {"rrf": ["nn", "bm25"]}
_ENCODED = 200  # requests that are encoded one at a time
_ORDERS: Mapping[str, OrderBy] = {"hybrid, by nn": "nn", "hybrid, by rrf": RRF}


class Answered(NamedTuple):
    """run: int32 (searches, depth). took_ms: (searches,), the engine's time of each request, asked one at a time."""

    run: np.ndarray
    took_ms: np.ndarray


def served_systems(retriever: Retriever, searches: Searches, key: str, depth: int) -> dict[str, Answered]:
    """What can be served of a model and its collection: Boolean, BM25, nn, and hybrid in its order and in others.

    key: of the embedding. Raises AlicornError.
    """
    assert retriever.vertical is not None, "a text is read by a vertical"
    vectors = request_vectors(retriever, searches, key)
    found = {
        BOOLEAN: served(retriever, searches, depth, "boolean"),
        BM25: any_word(retriever.collection, retriever.vertical, searches, depth),
        NN: served(retriever, searches, depth, "embedding", key, vectors),
        HYBRID: served(retriever, searches, depth, "hybrid", key, vectors),
    }
    own = retriever.vertical.order_of("hybrid") or "nn"
    if retriever.vertical.expressions.hybrid.keys:
        for name, order in _ORDERS.items():
            if order != own:
                found[name] = served(retriever, searches, depth, "hybrid", key, vectors, order)
    return found


def request_vectors(retriever: Retriever, searches: Searches, key: str) -> dict[str, np.ndarray]:
    """The vectors of all searches by their names, each (searches, dim)."""
    return named_vectors(key, search_vectors(retriever.models[key], searches.requests))


def served(
    retriever: Retriever,
    searches: Searches,
    depth: int,
    mode: Mode,
    key: str | None = None,
    vectors: Mapping[str, np.ndarray] | None = None,
    order_by: OrderBy | None = None,
) -> Answered:
    """The first `depth` hits of every search. vectors: by name, (searches, dim) each. order_by: the served one unless
    given. The selection's rule about repeats looks at the first page, as the server does."""

    def ask(row: int) -> Result:
        chosen = searches.chosen(row)
        read = retriever.read(queries[row], mode, key, order_by=order_by, chosen=chosen, known=known[row])
        given = {**read.vectors, **{name: each[row] for name, each in (vectors or {}).items()}}
        return retriever.collection.search(read.expression, given, depth, read.order_by)

    queries, known = searches.queries, known_columns(searches, retriever.columns)
    return _answered(searches, ask, depth)


def other_controls(retriever: Retriever, model: AnyModel, searches: Searches, depth: int) -> dict[str, Answered]:
    """Hybrid without the vertical's relevance control, and with it in the other place."""
    control = model.vertical.control
    assert control is not None
    place = "afterwards" if control.filter == "while_searching" else "while_searching"
    moved = control.model_copy(update={"filter": place})
    found = {}
    for name, instead in (("no control", None), (f"control {place.replace('_', ' ')}", moved)):
        changed = model.with_vertical(model.vertical.model_copy(update={"control": instead}))
        classifier = None if instead is None else retriever.classifier
        other = Retriever(retriever.collection, [changed], classifier=classifier)
        vectors = request_vectors(other, searches, model.key)
        order = model.vertical.order_of("hybrid")
        found[f"hybrid, {name}"] = served(other, searches, depth, "hybrid", model.key, vectors, order)
    return found


def encoding_times(retriever: Retriever, searches: Searches, key: str) -> np.ndarray:
    """(at most 200,) ms that it takes to encode a request by itself, as an outside request with its columns is.

    Behaviour that the log has and no feature reads is left out.
    """
    context = retriever.vertical.request.context if retriever.vertical else ()
    read = [column.name for column in retriever.vertical.searcher_columns()] if retriever.vertical else []
    asked = searches.requests.slice(0, _ENCODED).to_pylist()
    times = []
    for row in [asked[0], *asked]:  # the first one compiles what is compiled when first needed
        text = row.get("query") or ""
        here = {name: row[name] for name in context if name in row}
        columns = {name: row[name] for name in read if name in row}
        started = time.perf_counter()
        retriever.request(text=text, searcher=columns, context=here, mode="embedding", key=key)
        times.append((time.perf_counter() - started) * 1e3)
    return np.array(times[1:])


def known_columns(searches: Searches, columns: Sequence[str]) -> list[KnownColumns]:
    """Of every search, some columns of its searcher and context."""
    if not columns:
        return [NOTHING] * len(searches)
    here = [name for name in columns if name in searches.requests.column_names]
    values = [python_values(searches.requests[name]) for name in here]
    return [dict(zip(here, row, strict=True)) for row in zip(*values, strict=True)]


def with_ranking(retriever: Retriever, searches: Searches, depth: int, key: str, ranking: RankingStages) -> Answered:
    """The first `depth` hits of every search by the hybrid expression, after the stages of a ranking."""
    every = {one: search_vectors(retriever.models[one], searches.requests) for one in {key, *ranking.keys}}
    columns = tuple(dict.fromkeys([*ranking.columns, *retriever.columns]))
    asked = asked_rows(searches.requests, searches.times_us.tolist(), every, columns)

    def ask(row: int) -> Result:
        chosen = searches.chosen(row)
        read = retriever.read(asked[row].text, "hybrid", key, chosen=chosen, known=asked[row].known)
        vectors = check_vectors({**read.vectors, **retriever.by_name(asked[row].vectors)})
        root = read.expression
        request = Request(root, root, vectors, depth, read.order_by, asked=asked[row], channels=read.channels)
        return ranking.search(retriever.collection, request, explain=False)

    return _answered(searches, ask, depth)


def any_word(
    collection: AnyCollection, vertical: Vertical, searches: Searches, depth: int, order_by: OrderBy = BY_WORDS
) -> Answered:
    """Documents with any word of the query, by BM25 and then static rank unless told otherwise: the usual baseline."""
    holes = " ".join(f"{{terms:{prefix}}}" for prefix in word_prefixes(vertical))
    template = Template.parse(f"(or {holes})")
    expressions = [vertical.fill(template, query, vertical.embedding) for query in searches.queries]
    return _answered(searches, lambda row: collection.search(expressions[row], limit=depth, order_by=order_by), depth)


def word_prefixes(vertical: Vertical) -> tuple[str, ...]:
    """Of the terms that a text becomes in the vertical's expressions; of all words where it becomes none."""
    expressions = (vertical.expressions.boolean, vertical.expressions.hybrid)
    asked = [node.prefix for one in expressions for node in walk(one.root) if isinstance(node, TermsHole)]
    words = [rule.prefix for rule in vertical.document.terms if rule.kind == "words"]
    return tuple(dict.fromkeys(asked or words))


def _answered(searches: Searches, ask: Callable[[int], Result], depth: int) -> Answered:
    ask(0)  # compiles what is compiled when first needed
    results = [ask(row) for row in range(len(searches))]
    took_ms = np.array([result.took_ms for result in results])
    return Answered(searches.run([result.ids for result in results], depth), took_ms)
