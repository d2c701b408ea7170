"""Why is nothing found? The terms of an expression that no document has, and what to write instead."""

from __future__ import annotations

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.other_syntax import written_here
from alicorn.text import words

_MOST = 3  # notices of one answer


def missing_terms(snapshot: Snapshot, root: tree.Node) -> tuple[str, ...]:
    """A notice for each of the first terms that are in no segment."""
    terms = dict.fromkeys(node.term for node in tree.walk(root) if isinstance(node, tree.Term))
    missing = [term for term in terms if not _is_known(snapshot, term)]
    return tuple(f"no document has {term!r}{_instead(snapshot, term)}" for term in missing[:_MOST])


def _instead(snapshot: Snapshot, term: str) -> str:
    hint = written_here(term)
    if hint is not None:
        return f": {hint}"
    prefix, colon, value = term.partition(":")
    folded = [f"{prefix}:{word}" for word in words(value)] if colon else words(term)
    known = [other for other in folded if other != term and _is_known(snapshot, other)]
    if known:
        return f", but some have {' and '.join(map(repr, known))}: terms of words are folded and cut (docs/text.md)"
    if not colon and _is_known(snapshot, f"text:{term}"):
        return f", but some have 'text:{term}': a term is written with its prefix"
    return ""


def _is_known(snapshot: Snapshot, term: str) -> bool:
    return any(view.segment.terms.find(term) >= 0 for view in snapshot.segments)
