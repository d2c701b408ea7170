"""An expression with what can be known of it before it meets a collection."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from alicorn.language import tree
from alicorn.language.parse import parse
from alicorn.language.syntax import NameSlot
from alicorn.language.well_formed import check_tree

_CACHED_LENGTH = 1000  # characters: 1,024 trees of at most 500 nodes are under 100 MB, about 2 MB for usual queries
_TOP_K_NOTICE = (
    "(and ... (nn {key} :k {k})) keeps those of the {k} nearest documents that satisfy the rest; for the {k} nearest"
    " among the documents that satisfy it, write (nn {key} :k {k} :filter ...)"
)


class Prepared(NamedTuple):
    """first_nn: the tree's first. nearest_to: whose vectors order the hits by nn, the first among them. named: nodes
    that name a column or an embedding, to be checked against the collection. notices: what the expression alone gives
    reason to say. words: the same, where it is nothing but a term, or an `and` or `or` of terms. doubted: fuzzy terms
    that expand only below a frequency."""

    root: tree.Node
    first_nn: tree.Nn | None
    nearest_to: tuple[tree.Nn, ...]
    named: tuple[tree.Node, ...]
    notices: tuple[str, ...]
    words: Words | None
    doubted: tuple[tree.Fuzzy, ...] = ()


class Words(NamedTuple):
    """A term, or an `and` (all) or `or` of terms, each once, sorted."""

    all: bool
    terms: tuple[str, ...]


def prepare(expression: str | tree.Node) -> Prepared:
    """What is known of an expression, parsed where it is a text; short texts are cached. Raises QueryError."""
    if isinstance(expression, tree.Node):
        check_tree(expression)
        return _of_tree(expression)
    if isinstance(expression, str) and len(expression) < _CACHED_LENGTH:
        return _of_short_text(expression)
    return _of_tree(parse(expression))


def nearest_to(prepared: Prepared, key: str) -> tuple[tree.Nn, ...]:
    """Like `Prepared.nearest_to`, of the first nn of a key, which the tree has."""
    first = next(node for node in prepared.named if isinstance(node, tree.Nn) and node.key == key)
    return _nearest_to(prepared.root, first)


@lru_cache(maxsize=1024)
def _of_short_text(expression: str) -> Prepared:
    return _of_tree(parse(expression))


def _of_tree(root: tree.Node) -> Prepared:
    words = _words(root)
    if words is not None:
        return Prepared(root, None, (), (), (), words)
    nodes = tuple(tree.walk(root))
    first = next((node for node in nodes if isinstance(node, tree.Nn)), None)
    return Prepared(
        root,
        first,
        () if first is None else _nearest_to(root, first),
        tuple(node for node in nodes if isinstance(tree.OPERATORS[node.operator].word, NameSlot)),
        tuple(_top_k_notices(nodes)),
        None,
        tuple(node for node in nodes if isinstance(node, tree.Fuzzy) and node.below is not None),
    )


def _words(root: tree.Node) -> Words | None:
    operands = root.operands if type(root) is tree.And or type(root) is tree.Or else (root,)
    terms = [node.term for node in operands if type(node) is tree.Term]
    if not terms or len(terms) < len(operands):
        return None
    return Words(type(root) is tree.And, tuple(sorted(set(terms))))


def _nearest_to(root: tree.Node, first: tree.Nn) -> tuple[tree.Nn, ...]:
    """The first nn, and of the others of its key those that an `or` offers beside it, one for each vector."""
    beside = [nn for nn in _alternatives(root) if nn.key == first.key]
    if first not in beside:
        return (first,)
    by_vector: dict[str | None, tree.Nn] = {first.vector: first}
    for nn in beside:
        by_vector.setdefault(nn.vector, nn)
    return tuple(by_vector.values())


def _alternatives(node: tree.Node) -> list[tree.Nn]:
    """Every nn of an `or`; elsewhere those of the first operand that has one."""
    match node:
        case tree.Nn():
            return [node]
        case tree.Or(operands=operands) | tree.StrongOr(operands=operands):
            return [nn for operand in operands for nn in _alternatives(operand)]
        case tree.And(operands=operands) | tree.WeakAnd(operands=operands) | tree.Difference(operands=operands):
            return next((found for operand in operands if (found := _alternatives(operand))), [])
    return []


def _top_k_notices(nodes: tuple[tree.Node, ...]) -> list[str]:
    """Notices about the top-K mode of EBR 4.2, which people often mistake for a filtered search."""
    return [
        _TOP_K_NOTICE.format(key=child.key, k=child.k)
        for node in nodes
        if isinstance(node, tree.And)
        for child in node.operands
        if isinstance(child, tree.Nn) and child.k is not None
    ]
