"""Which of the words that are neighbours in an expression are neighbours in a document, too?

Each two words of a prefix that follow one another in the expression are a phrase of two, in their order and within some
slop; a document has a share of these phrases. Words that an `or` within another operator lists are one word with
synonyms, as the analysis of a text writes them. Source: the ordered windows of Metzler and Croft, "A Markov Random
Field Model for Term Dependencies", SIGIR 2005, where a document has a window or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np

from alicorn.index import Segment, Snapshot
from alicorn.language import tree
from alicorn.language.order import Part
from alicorn.query.sets import docset
from alicorn.query.text.in_order import in_order

OneWord = tuple[str, ...]
"""The terms of one word: it, and its synonyms."""


def neighbours_of(root: tree.Node, prefix: str) -> list[tuple[OneWord, OneWord]]:
    """Each two words of a prefix that follow one another, once."""
    return list(dict.fromkeys(pairwise(_words(root, f"{prefix}:", within=False))))


def shares(snapshot: Snapshot, root: tree.Node, part: Part, numbers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """float64 (n,) of each segment, from 0 to 1; 0 where the expression has less than two words.

    numbers: ascending, of each segment.
    """
    pairs = neighbours_of(root, part.of)
    found = [np.zeros(len(own)) for own in numbers]
    for view, own, values in zip(snapshot.segments, numbers, found, strict=True):
        for first, second in pairs:
            values += _has(view.segment, part, product(first, second), own) / len(pairs)
    return found


def _has(segment: Segment, part: Part, phrases: Iterator[tuple[str, str]], numbers: np.ndarray) -> np.ndarray:
    """bool: which of the documents have any of the phrases."""
    has = np.zeros(len(numbers), dtype=bool)
    for phrase in phrases:
        documents, _ = in_order(segment, part.of, phrase, part.slop, numbers)
        has[np.searchsorted(numbers, docset.as_array(documents))] = True
    return has


def _words(node: tree.Node, prefix: str, within: bool) -> Iterator[OneWord]:
    """The words in their order, but those under `not` or taken away by `difference`."""
    if isinstance(node, tree.Term):
        if node.term.startswith(prefix):
            yield (node.term,)
    elif isinstance(node, tree.Phrase):
        yield from ((term,) for term in node.terms if term.startswith(prefix))
    elif within and isinstance(node, tree.Or) and all(_is_term(one, prefix) for one in node.operands):
        yield tuple(one.term for one in node.operands if isinstance(one, tree.Term))
    elif isinstance(node, tree.Difference):
        yield from _words(node.operands[0], prefix, within=True)
    elif not isinstance(node, tree.Not):
        for child in tree.children(node):
            yield from _words(child, prefix, within=True)


def _is_term(node: tree.Node, prefix: str) -> bool:
    return isinstance(node, tree.Term) and node.term.startswith(prefix)
