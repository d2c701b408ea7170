"""Why is nothing found? The terms of an expression that no document has, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.other_syntax import written_here
from alicorn.text import words

_MOST = 3  # notices of one answer


IsKnown = Callable[[str], bool]
"""Whether a segment of the collection has a term."""


def missing_terms(is_known: IsKnown, root: tree.Node) -> tuple[str, ...]:
    """A notice for each of the first terms that are in no segment."""
    terms = dict.fromkeys(node.term for node in tree.walk(root) if isinstance(node, tree.Term))
    missing = [term for term in terms if not is_known(term)]
    return tuple(f"no document has {term!r}{_instead(is_known, term)}" for term in missing[:_MOST])


def has_term(snapshot: Snapshot, term: str) -> bool:
    """Whether a segment has a term."""
    return any(view.segment.terms.find(term) >= 0 for view in snapshot.segments)


def _instead(is_known: IsKnown, term: str) -> str:
    hint = written_here(term)
    if hint is not None:
        return f": {hint}"
    prefix, colon, value = term.partition(":")
    folded = [f"{prefix}:{word}" for word in words(value)] if colon else words(term)
    known = [other for other in folded if other != term and is_known(other)]
    if known:
        return f", but some have {' and '.join(map(repr, known))}: terms of words are folded and cut (docs/text.md)"
    if not colon and is_known(f"text:{term}"):
        return f", but some have 'text:{term}': a term is written with its prefix"
    return ""
