"""The answer of one shard to a search: what the shards must agree on, round by round, then its first hits.

It is a generator of rounds: it yields the parts of a round, is sent the replies, and returns the answer. All shards
take the same steps, since every step follows from the request and the replies.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.exchanges import EndsPart, EndsReply, ExchangePart, Reply, RisingPart, RisingReply
from alicorn.distributed.protocol.messages import AskReason, AskSearch, Explained, FacetPart, Hits, ShardHits
from alicorn.distributed.shard.agreeing import agree
from alicorn.distributed.shard.execution import ShardExecution
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.order import ByColumn, RankFusion
from alicorn.language.prepared import Prepared, prepare
from alicorn.query.check import UnitVectors
from alicorn.query.explain.reason import reason
from alicorn.query.facets import Facet
from alicorn.query.facets.count import ranges_of, together, values_of
from alicorn.query.facets.histogram import Edge
from alicorn.query.facets.ranges import Counted, between, edges_of, ends_of
from alicorn.query.order.cursor import Ordering
from alicorn.query.order.keys import BY_NN, check_order
from alicorn.query.order.order_by import ranked
from alicorn.query.order.scores import rising_of
from alicorn.query.result import rows_of
from alicorn.query.search import first_hits, operands_kept
from alicorn.query.sets import docset
from alicorn.query.sets.per_segment import Sets, ids_of, live
from alicorn.query.sets.ranked import Ranked

Answering = Generator[list[ExchangePart], list[Reply], ShardHits | Explained]


def searching(snapshot: Snapshot, asked: AskSearch) -> Answering:
    """The answer to a search. snapshot: of the shard, with the counts of the whole version."""
    prepared = prepare(asked.expression)
    order = check_order(asked.order_by, prepared, snapshot.columns, snapshot.positions)
    ordering = Ordering(order, prepared, asked.vectors, snapshot.columns)
    cursor = None if asked.after is None else ordering.read(asked.after)
    top = operands_kept(prepared, asked.lineage)
    whole = bool(asked.facets) or asked.explain or top is not None
    evaluation = ShardExecution(snapshot, UnitVectors(asked.vectors), asked.explain, top)
    _note_expansions(evaluation, prepared.root)
    yield from agree(evaluation, prepared.root, order == BY_NN and cursor is None and not whole)
    fusions = [key for key in order if isinstance(key, RankFusion)]
    if fusions:
        found = evaluation.run(prepared.root)
        evaluation.agreed[id(prepared.root)] = found
        yield from _ranked_among_all(evaluation, prepared, fusions, found)
    shared = _shared(prepared.root)
    best, total, listed = first_hits(evaluation, ordering, asked.limit, cursor, whole=whole or bool(shared or fusions))
    shares, facets = [], {}
    if listed is not None:
        for operand, weight in shared:
            of_operand = live(snapshot, evaluation.evaluate(operand, listed))
            share = min(math.ceil(weight * asked.shared - 1e-9), asked.shared)
            shares.append(_hits(ordering, evaluation, ranked(evaluation, prepared, of_operand, ordering, share)))
        facets = yield from _counted(snapshot, asked.facets, listed)
    step = None if evaluation.step is None else replace(evaluation.step, actual=total)
    num_by_nn = evaluation.num_by_nn() if asked.lineage else 0
    return ShardHits(total, _hits(ordering, evaluation, best), shares, facets, evaluation.notices, num_by_nn, step)


def explaining(snapshot: Snapshot, asked: AskReason) -> Answering:
    """Why the expression holds a document of this shard, or does not."""
    root = prepare(asked.expression).root
    evaluation = ShardExecution(snapshot, UnitVectors(asked.vectors))
    _note_expansions(evaluation, root)
    yield from agree(evaluation, root)
    found = snapshot.find(asked.doc_id)
    if found is None:
        return Explained(None)
    at = next(at for at, view in enumerate(snapshot.segments) if view is found[0])
    return Explained(reason(evaluation, root, at, found[1]).to_dict())


def _note_expansions(evaluation: ShardExecution, root: tree.Node) -> None:
    """Note which expansions left terms out: every shard notes the same."""
    for node in tree.walk(root):
        if isinstance(node, tree.Prefix | tree.Fuzzy):
            evaluation.expansion(node)


def _ranked_among_all(
    evaluation: ShardExecution, prepared: Prepared, fusions: Sequence[RankFusion], found: Sets
) -> Generator[list[ExchangePart], list[Reply], None]:
    numbers = [docset.as_array(documents) for documents in found]
    parts = list(dict.fromkeys(part for fusion in fusions for part in fusion.parts))
    replies = yield [RisingPart(rising_of(evaluation, prepared, part, numbers)) for part in parts]
    for part, reply in zip(parts, replies, strict=True):
        assert isinstance(reply, RisingReply)
        evaluation.rising[part] = reply.values


def _shared(root: tree.Node) -> list[tuple[tree.Node, float]]:
    """The marked operands of a strong-or, with their shares."""
    if not isinstance(root, tree.StrongOr):
        return []
    return [
        (operand, weight)
        for operand, weight in zip(root.operands, root.optional_weight, strict=True)
        if weight is not None
    ]


def _counted(
    snapshot: Snapshot, facets: Mapping[str, Facet], found: Sets
) -> Generator[list[ExchangePart], list[Reply], dict[str, FacetPart]]:
    """What a router adds up. The buckets of a histogram are between the ends that all shards have together."""
    counted = {}
    ranges = {
        name: ranges_of(snapshot, found, facet) for name, facet in facets.items() if facet.edges or facet.interval
    }
    ends: dict[str, pa.Array] = {}
    histograms = [name for name in ranges if facets[name].interval is not None]
    if histograms:
        replies = yield [EndsPart(_ends(ranges[name])) for name in histograms]
        for name, reply in zip(histograms, replies, strict=True):
            assert isinstance(reply, EndsReply)
            ends[name] = reply.values
    for name, facet in facets.items():
        if name not in ranges:
            whole = together(values_of(snapshot, found, facet))
            counted[name] = FacetPart(whole.values, whole.counts, whole.missing, None)
            continue
        edges: Sequence[Edge] = facet.edges
        if facet.interval is not None:
            edges = edges_of(f"facet {name!r}", facet.interval, list(ends[name]))
        counts = between(ranges[name], edges)
        numbers = np.array([bucket.count for bucket in counts.buckets], dtype=np.int64)
        counted[name] = FacetPart(None, numbers, counts.missing, ends.get(name))
    return counted


def _ends(ranges: Sequence[Counted]) -> pa.Array:
    """The least and the greatest finite value of each segment."""
    return pa.concat_arrays([pa.array(ends_of(of), of.ordinals.values.type) for of in ranges] or [pa.nulls(0)])


def _hits(ordering: Ordering, evaluation: ShardExecution, best: Ranked) -> Hits:
    snapshot = evaluation.snapshot
    names = [key.name for key in ordering.order if isinstance(key, ByColumn)]
    columns = rows_of(snapshot, best.segments, best.numbers, list(dict.fromkeys(names))) if names else None
    scores = (
        list(best.of_keys or (best.scores,))
        if len(best.numbers)
        else [np.empty(0)] * (len(ordering.order) - len(names))
    )
    return Hits(
        ids_of(snapshot, best.segments, best.numbers).to_pylist(),
        scores,
        [] if columns is None else [columns.column(name).combine_chunks() for name in names],
        None if evaluation.top is None else evaluation.found_by(best.segments, best.numbers),
    )
