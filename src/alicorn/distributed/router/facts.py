"""What follows from a moment alone: counts over all its shards, and the terms to which nodes expand.

The router asks all shards for what it does not know yet, and remembers it: what was at a moment does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.messages import AskFacts, Facts, Moment, OwnFacts, OwnTerms
from alicorn.index.segment.parts.terms import TEXT
from alicorn.index.segment.snapshot import CountOf, Spelled
from alicorn.language import tree
from alicorn.language.order import Order, parts_of
from alicorn.language.prepared import Prepared
from alicorn.query.expansion import expansion
from alicorn.query.order.scores import fuzzy_of, terms_of

_MOST = 200_000  # facts remembered

Ask = Callable[[AskFacts], Sequence[OwnFacts]]
"""Ask all shards."""


class KnownFacts:
    """The facts that were asked for so far, of a moment or of some of its shards. only: of the documents that may be
    seen; None: of all."""

    def __init__(self, moment: Moment, shards: list[int], num_docs: int, only: str | None = None) -> None:
        """num_docs: of these shards."""
        self.only, self.shards, self.num_docs = only, shards, num_docs
        self.moment = moment
        self._none = Facts(shards, num_docs, {}, {})
        self._counts: dict[CountOf, int] = {}
        self._expansions: dict[str, Spelled] = {}

    def known(self, nodes: Iterable[tree.Prefix | tree.Fuzzy], counted: Iterable[CountOf], ask: Ask) -> Facts:
        """The expansions of nodes and what is counted, over all of the shards."""
        expansions = self.expansions(nodes, ask)
        counts = self.counts(counted, ask, expansions)
        return msgspec.structs.replace(self._none, counts=counts, expansions=expansions)

    def counts(
        self, counted: Iterable[CountOf], ask: Ask, expansions: dict[str, Spelled] | None = None
    ) -> dict[CountOf, int]:
        """expansions: of the spellings that are counted."""
        known, wanted = self._counts, list(dict.fromkeys(counted))
        missing = [one for one in wanted if one not in known]
        if missing:
            facts = msgspec.structs.replace(self._none, expansions=expansions or {})
            parts = ask(AskFacts(self.moment, missing, [], facts, self.only))
            sums = {one: sum(part.counts[at] for part in parts) for at, one in enumerate(missing)}
            known = {**known, **sums}
            self._counts = known if len(known) < _MOST else {}
        return {one: known[one] for one in wanted}

    def expansions(self, nodes: Iterable[tree.Prefix | tree.Fuzzy], ask: Ask) -> dict[str, Spelled]:
        known, wanted = self._expansions, {str(node): node for node in nodes}
        missing = [text for text in wanted if text not in known]
        if missing:
            parts = ask(AskFacts(self.moment, [], missing, self._none, self.only))
            chosen = {
                text: _chosen(wanted[text], [part.fitting[at] for part in parts]) for at, text in enumerate(missing)
            }
            known = {**known, **chosen}
            self._expansions = known if len(known) < _MOST else {}
        return {text: known[text] for text in wanted}


def counted_by(prepared: Prepared, order: Order) -> list[CountOf]:
    """The counts that an order by BM25 needs."""
    counted: list[CountOf] = []
    for part in parts_of(order):
        if part.kind != "bm25":
            continue
        fields = [prefix for prefix, _ in part.fields]
        counted.append(("length", "text"))
        for term in terms_of(part, prepared):
            if fields and term.startswith(TEXT):
                counted.append(("having", *(f"{prefix}:{term.removeprefix(TEXT)}" for prefix in fields)))
            else:
                counted.append(("having", term))
        counted += [("length", prefix) for prefix in fields]
        for node in fuzzy_of(part, prepared):
            counted.append(("spelled", str(node), *fields))
            if node.term.startswith(TEXT) and not fields:
                counted.append(("length", node.term.partition(":")[0]))
    return counted


def spelled_nodes(roots: Iterable[tree.Node]) -> list[tree.Prefix | tree.Fuzzy]:
    """The nodes of trees that expand to terms."""
    return [node for root in roots for node in tree.walk(root) if isinstance(node, tree.Prefix | tree.Fuzzy)]


def _chosen(node: tree.Prefix | tree.Fuzzy, parts: Sequence[OwnTerms]) -> Spelled:
    """The terms that one collection of all documents would choose (query/expansion/)."""
    terms = pa.chunked_array([pa.array(part.terms, pa.string()) for part in parts], pa.string()).combine_chunks()
    encoded = terms.dictionary_encode()
    places = encoded.indices.to_numpy(zero_copy_only=False)
    frequencies, edits = (np.zeros(len(encoded.dictionary), dtype=np.int64) for _ in range(2))
    np.add.at(frequencies, places, np.concatenate([part.frequencies for part in parts]))
    edits[places] = np.concatenate([part.edits for part in parts])
    fitting = expansion.Fitting(encoded.dictionary, frequencies, edits)
    left_out = 0
    if isinstance(node, tree.Fuzzy) and node.below is not None and _own(fitting, node.term) >= node.below:
        return Spelled([node.term], [0], 0)
    chosen = np.flatnonzero(fitting.chosen(node.terms))
    left_out = max(0, int(np.count_nonzero(frequencies)) - node.terms)
    return Spelled(fitting.terms.take(pa.array(chosen)).to_pylist(), edits[chosen].tolist(), left_out)


def _own(fitting: expansion.Fitting, term: str) -> int:
    """How many documents have the term itself."""
    place = fitting.terms.index(term).as_py()
    return int(fitting.frequencies[place]) if place >= 0 else 0
