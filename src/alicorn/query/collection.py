"""Collection: a store that can be searched. The engine's front door, exported as alicorn.Collection.

It is in query/ and not in index/, because searching needs the query language and imports point one way
(docs/decisions/001-collection-in-query.md).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from alicorn.index import Snapshot, Store
from alicorn.language.order import OrderBy
from alicorn.language.prepared import prepare
from alicorn.language.tree import Node
from alicorn.query.check import check_expression, check_vectors
from alicorn.query.explain.reason import Reason, reason
from alicorn.query.facets.facet import Facet
from alicorn.query.many import search_many
from alicorn.query.restrict import restricted
from alicorn.query.result import Result
from alicorn.query.run import Execution
from alicorn.query.search import asked_again, search


class Collection(Store):
    """Documents with terms, stored columns and embeddings: durable, live, searched by expressions.

    `create`, `open`, `upsert`, `delete`, `flush`, `merge`, `verify`, `close` and `len` are Store's.
    """

    is_remote = False

    def part(self, only: Node | None) -> Snapshot:
        """The snapshot of the documents of a tree; None: of all. Raises QueryError."""
        return restricted(self.snapshot(), only)

    def holding(self, doc_ids: Sequence[str]) -> Snapshot:
        """A snapshot that has these documents, as far as there are such: all documents."""
        return self.snapshot()

    def search(
        self,
        expression: str | Node,
        vectors: Mapping[str, object] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        explain: bool = False,
        offset: int = 0,
        after: str | None = None,
        facets: Mapping[str, Facet] | None = None,
        only: Node | None = None,
        snapshot: Snapshot | None = None,
        lineage: bool = False,
    ) -> Result:
        """Evaluate one expression, a text or a tree, over the newest snapshot, or a given one.

        vectors: embedding key, or the name given by `:vector`, -> (dim,) numbers; normalised here.
        limit: how many hits to return, from 0.
        order_by: "nn", "static_rank", "bm25", weights of a sum of them, {"rrf": [...]}, a stored column ("price",
        "price desc"), or a list of such keys (language/order.py); without it by nn where the expression has one, else
        by static rank.
        offset: hits to leave out before the first, at most 10,000. after: the `cursor` of a result of the same order,
        for the hits that come after its last one.
        facets: name -> Facet: what to count over all documents that match, whatever the limit (query/facets/).
        only: the answer is as if the collection held no documents but those of this tree (query/restrict.py).
        lineage: say of each hit, in `Result.found_by`, which operands of the expression's `or` have it; and how many
        documents those with an `nn` have together.
        Raises QueryError (with .offset), VectorError, ConfigError.
        """
        started = time.perf_counter()
        given, prepared = check_vectors(vectors), prepare(expression)
        over = self._versions.snapshot if snapshot is None else snapshot
        if after is None and facets is None and only is None and not (explain or offset or lineage):
            found = asked_again(over, prepared, given, limit, order_by, started)
            if found is not None:
                return found
        return search(over, prepared, given, limit, order_by, explain, started, offset, after, facets, only, lineage)

    def explain(
        self, expression: str | Node, doc_id: str, vectors: Mapping[str, object] | None = None
    ) -> Reason | None:
        """Why a document is in the result of an expression, or is not: node by node. None: there is no such document.

        Raises QueryError, VectorError.
        """
        snapshot = self.snapshot()
        prepared = prepare(expression)
        given = check_vectors(vectors)
        check_expression(prepared.named, snapshot, given)
        found = snapshot.find(doc_id)
        if found is None:
            return None
        view, number = found
        at = next(at for at, other in enumerate(snapshot.segments) if other is view)
        return reason(Execution(snapshot, given), prepared.root, at, number)

    def search_many(
        self,
        expressions: Sequence[str | Node],
        vectors: Mapping[str, np.ndarray] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        facets: Mapping[str, Facet] | None = None,
    ) -> list[Result]:
        """Evaluate many expressions over one snapshot, on all cores; one result per expression.

        vectors: name -> (len(expressions), dim); row i belongs to expression i. facets: what to count, for each
        result over all documents that match.
        """
        distinct = {id(one): one for one in expressions}  # one expression for all requests is prepared once
        prepared = {identity: prepare(one) for identity, one in distinct.items()}
        each = [prepared[id(one)] for one in expressions]
        return search_many(self.snapshot(), each, vectors or {}, limit, order_by, facets)
