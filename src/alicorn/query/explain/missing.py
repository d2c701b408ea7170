"""Why is nothing found? The terms of an expression that no document has, and what to write instead.

A term is looked for as it is written. Where no document has it, its other spellings are asked for, in this order: what
the analysis of its prefix makes of it, its words folded and cut, folded without accents, in other cases of letters,
as a word of `text`; then the terms that are nearest to it by edits. Each is a look-up but the last, which reads the
terms of its prefix. A term that some document has costs one look-up.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice

from alicorn.index import SegmentView, Snapshot
from alicorn.index.segment.parts.terms import TEXT
from alicorn.index.segment.snapshot import over_all
from alicorn.language import tree
from alicorn.language.other_syntax import written_here
from alicorn.query.expansion.expansion import nearest_spellings
from alicorn.text import phrase, words

ANALYSIS = "analysis"
"""Key of a collection's metadata: prefix of terms -> the settings of its Analyzer that decide terms. `publish` writes
it."""
_MOST = 3  # notices of one answer
_FIRST = 64
_NAMED = 2  # near terms of one notice
_EDITS = ((6, 2), (3, 1))  # characters of a value, from which so many edits are tried


def missing_terms(snapshot: Snapshot, root: tree.Node) -> tuple[str, ...]:
    """A notice for each of the first terms that no document has."""
    terms = dict.fromkeys(term for node in tree.walk(root) for term in _terms(node))
    missing = (term for term in terms if not has_term(snapshot, term))
    return tuple(f"no document has {term!r}{_instead(snapshot, term)}" for term in islice(missing, _MOST))


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


def _terms(node: tree.Node) -> Iterator[str]:
    if isinstance(node, tree.Term):
        yield node.term
    elif isinstance(node, tree.Phrase):
        yield from (f"{node.prefix}:{word}" for word in node.words)


def _instead(snapshot: Snapshot, term: str) -> str:
    hint = written_here(term)
    if hint is not None:
        return f": {hint}"
    prefix, colon, value = term.partition(":")
    if not colon:
        prefix, value = "", term
    for why, others in _other_spellings(snapshot, prefix, value):
        known = [other for other in dict.fromkeys(others) if other != term and has_term(snapshot, other)]
        if known:
            return f", but some have {' and '.join(map(_written, known))}: {why}"
    return _near(snapshot, prefix, value)


def _other_spellings(snapshot: Snapshot, prefix: str, value: str) -> Iterator[tuple[str, list[str]]]:
    """Why a term may be written otherwise, and how: each of its words."""
    start = f"{prefix}:" if prefix else ""
    folded = words(value)
    yield f"the analysis of {prefix!r} makes that of it", [start + word for word in _analyzed(snapshot, prefix, value)]
    yield "terms of words are folded and cut (docs/text.md)", [start + word for word in folded]
    yield "folded, and without accents", [f"{start}{phrase(value)}"]
    cases = (value.lower(), value.capitalize(), value.title(), value.upper())
    yield "upper and lower case differ", [start + one for one in cases]
    plain = [_without_accents(word) for word in folded]
    yield "without accents", [start + word for word in plain]
    if prefix != TEXT.removesuffix(":"):
        why = "a term is written with its prefix" if not prefix else f"it is no term of {prefix!r}"
        of_text = [*folded, *_analyzed(snapshot, TEXT.removesuffix(":"), value)]
        yield why, [TEXT + word for word in of_text]


def _analyzed(snapshot: Snapshot, prefix: str, value: str) -> list[str]:
    """What the analysis of a prefix makes of a text; nothing where the collection does not say that there is one."""
    analyses = snapshot.metadata.get(ANALYSIS)
    settings = analyses.get(prefix) if isinstance(analyses, Mapping) else None
    if not isinstance(settings, Mapping):
        return []
    from alicorn.analysis import Analyzer

    try:
        return Analyzer(**settings).phrase_terms(value)
    except (ImportError, KeyError, TypeError):  # of another version of alicorn, or a package that is not here
        return []


def _near(snapshot: Snapshot, prefix: str, value: str) -> str:
    """The terms a few edits from a word of letters, as its prefix has words; the longer it is, the more edits."""
    analyzed = _analyzed(snapshot, prefix, value)
    word = analyzed[0] if len(analyzed) == 1 else phrase(value)
    most = next((edits for length, edits in _EDITS if len(word) >= length), 0)
    if not word.replace(" ", "").isalpha():  # a number or an id is near to many that mean something else
        return ""
    term = f"{prefix}:{word}" if prefix else word
    for edits in range(1, most + 1):
        exact = None if edits == 1 else 1
        found = nearest_spellings(snapshot, tree.Fuzzy(term, edits, exact, _NAMED))
        if found:
            return f"; near to it: {', '.join(map(_written, found))}, as {tree.Fuzzy(term, edits)} finds"
    return ""


def _written(term: str) -> str:
    """As it is written in an expression, where it needs quotes there; else in quotes of a text."""
    written = str(tree.Term(term))
    return repr(term) if written == term else written


def _without_accents(word: str) -> str:
    bare = "".join(one for one in unicodedata.normalize("NFD", word) if not unicodedata.combining(one))
    return unicodedata.normalize("NFC", bare)
