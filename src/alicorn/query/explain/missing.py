"""Why is nothing found? The terms of an expression that no document has, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable

from alicorn.index import SegmentView, Snapshot
from alicorn.index.segment.snapshot import over_all
from alicorn.language import tree
from alicorn.language.other_syntax import written_here
from alicorn.text import words

_MOST = 3  # notices of one answer
_FIRST = 64


IsKnown = Callable[[str], bool]
"""Whether a document has a term."""


def missing_terms(is_known: IsKnown, root: tree.Node) -> tuple[str, ...]:
    """A notice for each of the first terms that no document has."""
    terms = dict.fromkeys(node.term for node in tree.walk(root) if isinstance(node, tree.Term))
    missing = [term for term in terms if not is_known(term)]
    return tuple(f"no document has {term!r}{_instead(is_known, term)}" for term in missing[:_MOST])


def has_term(snapshot: Snapshot, term: str) -> bool:
    """Whether a live document has a term."""
    own = any(_has_live(view, term) for view in snapshot.segments)
    return over_all(snapshot.whole, ("known", term), own) > 0


def _has_live(view: SegmentView, term: str) -> bool:
    """The first documents are looked at before the rest."""
    if view.deleted is None or view.segment.terms.find(term) < 0:
        return view.segment.terms.find(term) >= 0
    documents = view.segment.postings[view.segment.span_of(term)]
    return not view.deleted[documents[:_FIRST]].all() or not view.deleted[documents[_FIRST:]].all()


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
