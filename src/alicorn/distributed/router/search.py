"""One search over some shards of a version: checked, asked in rounds, and merged to a Result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from alicorn.distributed.protocol.exchanges import Reply
from alicorn.distributed.protocol.messages import AskSearch, Message, ShardHits
from alicorn.distributed.router.facts import Ask, KnownFacts, counted_by, spelled_nodes
from alicorn.distributed.router.merging import Gathered, facets_of, with_shares
from alicorn.distributed.router.version import ServedVersion
from alicorn.language import tree
from alicorn.language.order import OrderBy
from alicorn.language.prepared import Prepared, prepare
from alicorn.query.check import UnitVectors, check_expression
from alicorn.query.explain.step import Step
from alicorn.query.facets import Facet
from alicorn.query.facets.checking import check_facets
from alicorn.query.order.cursor import Ordering
from alicorn.query.order.keys import check_order
from alicorn.query.result import Coverage, Result
from alicorn.query.search import check_explained, check_page, operands_kept


class SearchArguments(NamedTuple):
    """Those of Collection.search. vectors: of unit length."""

    expression: str | tree.Node
    vectors: UnitVectors
    limit: int
    order_by: OrderBy | None = None
    explain: bool = False
    offset: int = 0
    after: str | None = None
    facets: Mapping[str, Facet] | None = None
    only: tree.Node | None = None
    lineage: bool = False


class ShardedSearch:
    """A search on its way to some shards."""

    def __init__(self, version: ServedVersion, alive: list[int], asked: SearchArguments) -> None:
        """Raises what Collection.search raises of its arguments, and UnreachableError: it asks for facts."""
        self._version, self._alive, self._asked = version, alive, asked
        check_explained(asked.explain, asked.only)
        schema, ask = version.snapshot, version.ask_facts(alive)
        facts = self._facts = version.facts(alive, asked.only, partial(count, version, alive))
        prepared = prepare(asked.expression)
        if prepared.doubted:
            prepared = _settled(prepared, facts, ask)
        operands_kept(prepared, asked.lineage)  # raises where there are none
        order = check_order(asked.order_by, prepared, schema.columns, schema.positions)
        check_expression(prepared.named, schema, asked.vectors)
        self._ordering = Ordering(order, prepared, asked.vectors, schema.columns)
        check_page(prepared, self._ordering, asked.offset, asked.after)
        self._first = AskSearch(
            version.moment,
            version.new_request(),
            str(prepared.root),
            facts.only,
            asked.vectors,
            int(asked.offset + asked.limit),
            int(asked.limit),
            asked.order_by,
            asked.after,
            check_facets(asked.facets, schema.columns),
            asked.lineage,
            asked.explain,
            facts.known(spelled_nodes([prepared.root]), counted_by(prepared, order), ask),
            [],
        )

    def found(self) -> dict[int, ShardHits]:
        """What each shard found."""

        def message(replies: list[list[Reply]]) -> Message:
            return msgspec.structs.replace(self._first, replies=replies) if replies else self._first

        answers = self._version.ask(self._alive, message)
        return {shard: answer for shard, answer in answers.items() if isinstance(answer, ShardHits)}

    def total(self, found: Mapping[int, ShardHits]) -> int:
        root, total = self._ordering.prepared.root, sum(part.total for part in found.values())
        if isinstance(root, tree.Nn) and root.k is not None:
            return min(total, root.k)  # a shard may have counted its own k nearest
        return total

    def result(self, started: float) -> Result:
        """started: when the request came, by time.perf_counter."""
        found = self.found()
        parts, total, prepared = list(found.values()), self.total(found), self._ordering.prepared
        hits, places = self._merged(found, total)
        notices = (*prepared.notices, *(parts[0].notices if self._asked.only is None else ()))
        coverage = self._coverage()
        if not coverage.is_whole:
            notices += (f"answered by {coverage.answered} of {coverage.shards} shards",)
        facets = facets_of(self._first.facets, [part.facets for part in parts])
        explanation = _explanation(found, total) if self._asked.explain else None
        ids = [hits.ids[place] for place in places.tolist()]
        snapshot = self._version.hits(self._facts, hits.shards[places], ids)
        return Result(
            hits.scores[0][places],
            total,
            (time.perf_counter() - started) * 1000.0,
            snapshot,
            np.zeros(len(places), dtype=np.int64),
            np.argsort(np.argsort(hits.keys[-1][places])).astype(np.int64),  # by doc_id
            notices,
            explanation,
            self._ordering,
            tuple(scores[places] for scores in hits.scores),
            facets,
            prepared,
            found_by=hits.found_by[places] if self._asked.lineage and hits.found_by is not None else None,
            num_by_nn=sum(part.num_by_nn for part in parts) if self._asked.lineage else None,
            covered=coverage,
            _ids=ids,
        )

    def _merged(self, found: Mapping[int, ShardHits], total: int) -> tuple[Gathered, np.ndarray]:
        """The hits that the shards gave, and the places of those of the page."""
        limit, offset, order = self._asked.limit, self._asked.offset, self._ordering.order
        lists = [(shard, part.hits) for shard, part in found.items()]
        num_best = sum(len(part.hits.ids) for part in found.values())
        shares = []
        for of_operand in zip(*([(shard, one) for one in part.shares] for shard, part in found.items()), strict=True):
            lists += of_operand
            shares.append(sum(len(one.ids) for _, one in of_operand))
        hits = Gathered.of(order, lists)
        root = self._ordering.prepared.root
        if shares and isinstance(root, tree.StrongOr) and limit < total:
            return hits, with_shares(hits, root, num_best, shares, limit)
        return hits, hits.first(np.arange(num_best), min(offset + limit, total))[offset:]

    def _coverage(self) -> Coverage:
        """Of a part of the documents, those of the shards that answered: how many others there are is not known."""
        answered = self._facts.num_docs
        documents = sum(self._version.num_docs) if self._asked.only is None else answered
        return Coverage(len(self._version.shards), len(self._alive), documents, answered)


def count(version: ServedVersion, alive: list[int], node: tree.Node) -> int:
    """How many documents of some shards a tree denotes."""
    asked = ShardedSearch(version, alive, SearchArguments(node, UnitVectors(), 0))
    return asked.total(asked.found())


def _explanation(found: Mapping[int, ShardHits], total: int) -> Step:
    """What each shard did; where all agree in rounds, the nodes that they agreed on come before the expression."""
    own = [(shard, part.explanation) for shard, part in found.items() if part.explanation is not None]
    steps = [replace(step, expression=f"shard {shard}", estimated=step.actual) for shard, step in own]
    return Step("shards", sum(step.estimated for step in steps), total, children=steps)


def _settled(prepared: Prepared, facts: KnownFacts, ask: Ask) -> Prepared:
    """With terms in the places of fuzzy terms that are no misspellings."""
    counts = facts.counts([("having", node.term) for node in prepared.doubted], ask)
    right: dict[tree.Fuzzy, tree.Node] = {
        node: tree.Term(node.term, node.offset)
        for node in prepared.doubted
        if counts["having", node.term] >= (node.below or 0)
    }
    return prepare(tree.with_fuzzy_replaced(prepared.root, right)) if right else prepared
