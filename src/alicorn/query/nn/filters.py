"""The documents of a filter that is asked again and again, such as `(and in_stock (not blocked))` of a template.

They are kept as long as the snapshot, from the second time on. A filter is known again by its node, which a text that
is remembered has kept, and which trees of one template share where it has no hole. Lucene keeps filters likewise.
"""

from __future__ import annotations

from dataclasses import dataclass

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.query.sets.per_segment import Sets

OF_EACH_DOCUMENT = (tree.Term, tree.Phrase, tree.Range, tree.And, tree.Or, tree.Difference, tree.Not)
"""Operators that look at each document alone, and give no notice."""
_MOST_BYTES = 64 << 20  # of the filters of a snapshot
_MOST = 256  # filters


@dataclass(slots=True)
class KeptFilter:
    """node: kept, so that no other has its id. times: how often it was asked. documents: the live ones, where kept."""

    node: tree.Node
    times: int = 0
    documents: Sets | None = None

    def is_to_be_kept(self) -> bool:
        return self.times == 2 and all(isinstance(node, OF_EACH_DOCUMENT) for node in tree.walk(self.node))


def kept_filter(snapshot: Snapshot, node: tree.Node) -> KeptFilter:
    """What is known of a filter, which is asked now."""
    filters = snapshot.kept.get("filters")
    if not isinstance(filters, dict):
        filters = snapshot.kept["filters"] = {}
    known = filters.get(id(node))
    if not isinstance(known, KeptFilter):
        if len(filters) >= min(_MOST, 8 * _MOST_BYTES // max(snapshot.num_docs, 1)):  # a set takes a bit a document
            filters.clear()
        known = filters[id(node)] = KeptFilter(node)
    known.times += 1
    return known


def documents_of(snapshot: Snapshot, node: tree.Node) -> Sets | None:
    """The documents that are kept of a filter; None where they are not."""
    filters = snapshot.kept.get("filters")
    known = filters.get(id(node)) if isinstance(filters, dict) else None
    return known.documents if isinstance(known, KeptFilter) else None
