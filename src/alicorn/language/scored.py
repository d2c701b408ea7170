"""The words of an expression that BM25 sums over."""

from collections.abc import Iterator

from alicorn.language.tree import Difference, Fuzzy, Node, Not, Phrase, Term, children


def scored_terms(root: Node) -> list[str]:
    """The terms that BM25 sums over, those of phrases among them: sorted, each once."""
    terms: set[str] = set()
    for node in _scored(root):
        if isinstance(node, Term):
            terms.add(node.term)
        elif isinstance(node, Phrase):
            terms.update(node.terms)
    return sorted(terms)


def scored_fuzzy(root: Node) -> list[Fuzzy]:
    """The fuzzy terms that BM25 sums over, each once."""
    return sorted({node for node in _scored(root) if isinstance(node, Fuzzy)}, key=str)


def _scored(root: Node) -> Iterator[Node]:
    """All nodes of a tree but those under `not` or taken away by `difference`."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Difference):
            pending.append(node.operands[0])
        elif type(node) is not Term and not isinstance(node, Not):
            pending.extend(children(node))
