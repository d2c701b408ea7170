"""What is counted over the whole collection inside a tree, agreed on by all shards, before the tree is evaluated.

An `nn` with k has the k nearest of all shards; `:scan` and `:recall` count allowed documents of all; a `weak-and`
spends its optional hits over all; `apply` and `extract` go on from the first documents of all. Everything else looks
at one document at a time. Nodes that do not depend on each other agree in the same rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.exchanges import (
    ClustersPart,
    ClustersReply,
    CutPart,
    CutReply,
    ExchangePart,
    Lacking,
    ListedPart,
    ListedReply,
    OptionalPart,
    OptionalReply,
    Reply,
)
from alicorn.distributed.shard.execution import ShardExecution
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.quantization import first_scan
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.few import FEW
from alicorn.query.nn.nearest import k_nearest
from alicorn.query.nn.probe import Probe
from alicorn.query.nn.recall import reaching
from alicorn.query.nn.scan import counts_in, members_of, nearest_holding, total_of
from alicorn.query.operators import apply, extract, nn, weak_and
from alicorn.query.operators.inner import note_cut
from alicorn.query.sets import docset
from alicorn.query.sets.per_segment import Sets, ids_of, live, size, unite
from alicorn.query.sets.ranked import Ranked
from alicorn.query.sets.static_order import first_documents

Exchanging = Generator[ExchangePart, Reply, None]
InRounds = Generator[list[ExchangePart], list[Reply], None]
R = TypeVar("R")


def agree(evaluation: ShardExecution, root: tree.Node, but_last_cut: bool = False) -> InRounds:
    """Agree on every node of a tree that counts over the whole collection, those inside others first.

    but_last_cut: where the tree is an `nn` with k, leave the k nearest of the shard: the router keeps those of all.
    """
    evaluation.uncut = root if but_last_cut and isinstance(root, tree.Nn) else None
    for level in _levels(root):
        yield from together([_agreeing(evaluation, equal) for equal in level])


def together(exchanges: Sequence[Exchanging]) -> InRounds:
    """Several exchanges at once: a round has a part of each that is not at its end."""
    running = [(one, part) for one in exchanges if (part := next(one, None)) is not None]
    while running:
        replies = yield [part for _, part in running]
        pending = []
        for (one, _), reply in zip(running, replies, strict=True):
            try:
                pending.append((one, one.send(reply)))
            except StopIteration:
                continue
        running = pending


def _levels(root: tree.Node) -> list[list[list[tree.Node]]]:
    """The nodes to agree on, by how many such nodes are one inside the other below them; equal nodes are one group."""
    levels: list[dict[tree.Node, list[tree.Node]]] = []

    def depth_of(node: tree.Node) -> int:
        depth = max(map(depth_of, tree.children(node)), default=0)
        if not _counts(node):
            return depth
        if depth == len(levels):
            levels.append({})
        levels[depth].setdefault(node, []).append(node)
        return depth + 1

    depth_of(root)
    return [list(level.values()) for level in levels]


def _counts(node: tree.Node) -> bool:
    if isinstance(node, tree.Nn):
        return node.k is not None or node.scan is not None
    return isinstance(node, tree.WeakAnd | tree.Apply | tree.Extract)


def _agreeing(evaluation: ShardExecution, equal: list[tree.Node]) -> Exchanging:
    node = equal[0]
    found = yield from _EXCHANGES[type(node)](evaluation, node)
    if found is not None:
        evaluation.agreed |= dict.fromkeys(map(id, equal), found)


def _near(evaluation: ShardExecution, node: tree.Nn) -> Generator[ExchangePart, Reply, Sets | None]:
    """The k nearest of all shards; of an `nn` with radius, in how many clusters its `:scan` looks."""
    if node.k is None:
        assert node.scan is not None
        evaluation.scanned[node] = (yield from _clusters(evaluation, node, node.scan, None)).clusters
        return None
    allowed = nn.allowed_by(evaluation, node)
    if node.recall is not None:
        found = yield from _by_recall(evaluation, node, node.recall, allowed)
    else:
        if node.scan is not None:
            evaluation.scanned[node] = (yield from _clusters(evaluation, node, node.scan, allowed)).clusters
        found = nn.nearest_of(evaluation, node, allowed)
    if node is evaluation.uncut:
        evaluation.nearest[node] = found
        return None
    reply = yield from _cut(evaluation.snapshot, found, node.k, len(found.numbers))
    first = evaluation.nearest[node] = found.first(reply.count)
    evaluation.reached[node] = reply.size, reply.last
    return nn.sets_of(first, len(evaluation.snapshot.segments))


def _by_recall(
    evaluation: ShardExecution, node: tree.Nn, recall: float, allowed: Sets | None
) -> Generator[ExchangePart, Reply, Ranked]:
    """As query/nn/recall.py does it, with the allowed documents and the k-th nearest of all shards."""
    assert node.k is not None
    snapshot, query = evaluation.snapshot, evaluation.vectors[node.vector or node.key]
    quantizer = snapshot.quantizers[node.key]
    evaluation.scanned[node] = None

    def nearest(probe: Probe) -> Ranked:
        assert node.k is not None
        return k_nearest(snapshot, node.key, probe, node.k, allowed, Counters())

    first = yield from _clusters(evaluation, node, first_scan(node.k), allowed)
    calibration = quantizer.calibration
    if calibration is None or first.allowed <= FEW:
        return nearest(evaluation.probe(node))
    slack = calibration.slack(node.k, recall, first.vectors)
    if np.isinf(slack.base) or first.clusters is None or first.clusters >= quantizer.num_clusters:
        return nearest(evaluation.probe(node))
    known = nearest(Probe(quantizer, query, first.clusters))
    bound = (yield from _cut(snapshot, known, node.k, len(known.numbers))).last
    reached = reaching(quantizer, calibration.spread, slack, query, first.clusters, bound)
    evaluation.scanned[node] = None if reached is None else len(reached.clusters)
    return nearest(evaluation.probe(node))


def _clusters(
    evaluation: ShardExecution, node: tree.Nn, scan: int, allowed: Sets | None
) -> Generator[ExchangePart, Reply, ClustersReply]:
    snapshot, query = evaluation.snapshot, evaluation.vectors[node.vector or node.key]
    quantizer = snapshot.quantizers[node.key]
    members = members_of(snapshot, node.key, allowed)
    own = total_of(members)
    vectors = own if allowed is None else total_of(members_of(snapshot, node.key, None))
    ranking = nearest_holding(quantizer, query, scan, members, own)
    nearest = quantizer.coarse.nearest(query, quantizer.num_clusters)[0] if ranking is None else ranking.clusters
    held = np.zeros(len(nearest), dtype=np.int64)
    for block, rows in members:
        held += counts_in(block, rows, nearest)
    places = np.flatnonzero(held)
    return _expected(ClustersReply, (yield ClustersPart(scan, own, vectors, places, held[places])))


def _cut(
    snapshot: Snapshot, found: Ranked, k: int, total: int, tells: bool = False
) -> Generator[ExchangePart, Reply, CutReply]:
    ids = ids_of(snapshot, found.segments, found.numbers).to_pylist()
    return _expected(CutReply, (yield CutPart(k, found.scores, ids, total, tells)))


def _weak_and(evaluation: ShardExecution, node: tree.WeakAnd) -> Generator[ExchangePart, Reply, Sets | None]:
    snapshot = evaluation.snapshot
    hits = [hits for hits in node.optional_hits if hits is not None]
    complete, lacking, marked = weak_and.split(evaluation, node)
    kinds, firsts = [], []
    for operands, sets in _by_lack(lacking, marked).items():
        first = first_documents(snapshot, sets, min(hits[operand] for operand in operands))
        ids = ids_of(snapshot, *first).to_pylist()
        kinds.append(Lacking(list(operands), _static_ranks(snapshot, *first), ids))
        firsts.append(first)
    reply = _expected(OptionalReply, (yield OptionalPart(hits, kinds)))
    taken = [
        _sets(snapshot, segments[:count], numbers[:count])
        for count, (segments, numbers) in zip(reply.counts, firsts, strict=True)
    ]
    return unite(snapshot, [complete, *taken])


def _by_lack(lacking: Sets, marked: Sequence[Sets]) -> dict[tuple[int, ...], Sets]:
    """The documents by the marked operands that they lack."""
    kinds: dict[tuple[int, ...], Sets] = {}
    for at, documents in enumerate(lacking):
        numbers = docset.as_array(documents)
        lacks = np.stack([~np.isin(numbers, docset.as_array(has[at])) for has in marked], axis=1) if marked else None
        if lacks is None or not len(numbers):
            continue
        rows, kind_of = np.unique(lacks, axis=0, return_inverse=True)
        for kind, row in enumerate(rows):
            sets = kinds.setdefault(tuple(np.flatnonzero(row).tolist()), [docset.EMPTY] * len(lacking))
            sets[at] = numbers[kind_of.reshape(-1) == kind]
    return kinds


def _first_of_inner(
    evaluation: ShardExecution, node: tree.Apply | tree.Extract, tells: bool
) -> Generator[ExchangePart, Reply, tuple[CutReply, Ranked]]:
    """The shard's documents among the first of the inner expression over all shards."""
    snapshot = evaluation.snapshot
    found = live(snapshot, evaluation.evaluate(node.inner, None))
    segments, numbers = first_documents(snapshot, found, node.limit)
    first = Ranked(segments, numbers, _static_ranks(snapshot, segments, numbers))
    reply = yield from _cut(snapshot, first, node.limit, size(found), tells)
    note_cut(evaluation, node, reply.total)
    return reply, first.first(reply.count)


def _apply(evaluation: ShardExecution, node: tree.Apply) -> Generator[ExchangePart, Reply, Sets | None]:
    reply, _ = yield from _first_of_inner(evaluation, node, tells=True)
    return apply.pointing_to(evaluation.snapshot, node.prefix, _strings(reply.ids))


def _extract(evaluation: ShardExecution, node: tree.Extract) -> Generator[ExchangePart, Reply, Sets | None]:
    _, first = yield from _first_of_inner(evaluation, node, tells=False)
    own = extract.ids_listed(evaluation.snapshot, node.column, first.segments, first.numbers)
    reply = _expected(ListedReply, (yield ListedPart(own.to_pylist())))
    return extract.documents_of(evaluation.snapshot, _strings(reply.ids))


_EXCHANGES: dict[type[tree.Node], Callable[..., Generator[ExchangePart, Reply, Sets | None]]] = {
    tree.Nn: _near,
    tree.WeakAnd: _weak_and,
    tree.Apply: _apply,
    tree.Extract: _extract,
}


def _static_ranks(snapshot: Snapshot, segments: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(numbers))
    for at, view in enumerate(snapshot.segments):
        here = segments == at
        ranks[here] = view.segment.static_rank[numbers[here]]
    return ranks


def _sets(snapshot: Snapshot, segments: np.ndarray, numbers: np.ndarray) -> Sets:
    return [np.sort(numbers[segments == at]).astype(np.uint32) for at in range(len(snapshot.segments))]


def _strings(ids: list[str]) -> pa.StringArray:
    return pa.array(ids, pa.string())


def _expected(kind: type[R], reply: Reply) -> R:
    assert isinstance(reply, kind), "a reply is of the kind of its part"
    return reply
