"""An expression in which fuzzy terms that are no misspellings are terms, which are found and scored faster."""

from __future__ import annotations

from alicorn.index import Snapshot
from alicorn.language.prepared import Prepared, prepare
from alicorn.language.tree import Term, with_fuzzy_replaced
from alicorn.query.expansion.expansion import stands_for_itself


def settled(snapshot: Snapshot, prepared: Prepared) -> Prepared:
    """It has the same answer; a fuzzy term beside the same term is then scored once, as any term."""
    right = {node: Term(node.term, node.offset) for node in prepared.doubted if stands_for_itself(snapshot, node)}
    return prepare(with_fuzzy_replaced(prepared.root, right)) if right else prepared
