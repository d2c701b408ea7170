"""What is a query sure to ask for? Its intents, and the control that they put around each `nn`.

A query names a value where some of its words, one after the other, are a term of the collection: `red nike shoes`
names `colour:red` and `brand:nike`, where documents have them. The longest names are found first, and no word is in two
names of one prefix. So the dictionaries are the documents themselves. Where a query names no value of a prefix, those
of which a classifier is confident are understood. Source of the control: MGDSPR, section 3.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from alicorn.index import Snapshot
from alicorn.intents import IntentClassifier
from alicorn.intents.classifier import prefix_of
from alicorn.language.tree import And, Difference, Nn, Node, Or, StrongOr, Term, WeakAnd
from alicorn.query.explain.missing import has_term
from alicorn.text import words
from alicorn.vertical import Vertical
from alicorn.vertical.expressions import RelevanceControl

_LONGEST = 6
"""Words of a name."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A term that documents of the query have. words: of the query, by which it is named; "" where it is learned.

    probability: 1 of what is named.
    """

    prefix: str
    term: str
    words: str = ""
    probability: float = 1.0


def understood(
    vertical: Vertical, snapshot: Snapshot, text: str, classifier: IntentClassifier | None = None
) -> tuple[Intent, ...]:
    """The values of the control's prefixes that a query asks for, named before learned ones; none without a control."""
    if vertical.control is None:
        return ()
    asked = words(text)
    found = [intent for prefix in vertical.control.intents for intent in _named(vertical, snapshot, prefix, asked)]
    unnamed = set(vertical.control.intents) - {intent.prefix for intent in found}
    if classifier is not None and unnamed:
        confident = classifier.confident(text, unnamed)
        known = [(term, chance) for term, chance in confident if has_term(snapshot, term)]
        found += [Intent(prefix_of(term), term, "", chance) for term, chance in known]
    return tuple(found)


def _named(vertical: Vertical, snapshot: Snapshot, prefix: str, asked: Sequence[str]) -> Iterator[Intent]:
    taken = [False] * len(asked)
    for length in range(min(_LONGEST, len(asked)), 0, -1):
        for start in range(len(asked) - length + 1):
            if any(taken[start : start + length]):
                continue
            name = " ".join(asked[start : start + length])
            for term in vertical.value_terms(prefix, name):
                if has_term(snapshot, term):
                    taken[start : start + length] = [True] * length
                    yield Intent(prefix, term, name)


def allows(intents: Sequence[Intent], terms: Collection[str]) -> bool:
    """Whether a document of these terms passes the control: of every prefix that is understood it has a term."""
    prefixes = {intent.prefix for intent in intents}
    return prefixes == {intent.prefix for intent in intents if intent.term in terms}


def controlled(root: Node, intents: Sequence[Intent], control: RelevanceControl) -> Node:
    """The tree with the control around each `nn`: of every prefix that is understood, a document has one of its terms.

    An `nn` within a radius is complete, so that there is no difference between while searching and afterwards.
    """
    by_prefix: dict[str, list[Node]] = {}
    for intent in intents:
        by_prefix.setdefault(intent.prefix, []).append(Term(intent.term))
    wanted = [terms[0] if len(terms) == 1 else Or(tuple(terms)) for terms in by_prefix.values()]
    return _around_nn(root, tuple(wanted), control) if wanted else root


def _around_nn(node: Node, wanted: tuple[Node, ...], control: RelevanceControl) -> Node:
    """Of the operands whose documents are in the answer; an `nn` under `not`, or of other documents, stays as it is."""
    match node:
        case Nn() if node.k is None or control.filter == "afterwards":
            return And((node, *wanted))
        case Nn():
            conditions = wanted if node.filter is None else (node.filter, *wanted)
            return replace(node, filter=conditions[0] if len(conditions) == 1 else And(conditions))
        case And() | Or() | StrongOr() | WeakAnd():
            return replace(node, operands=tuple(_around_nn(operand, wanted, control) for operand in node.operands))
        case Difference(operands=(first, *others)):
            return replace(node, operands=(_around_nn(first, wanted, control), *others))
    return node
