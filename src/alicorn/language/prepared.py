"""An expression with what can be known of it before it meets a collection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

from alicorn.errors import QueryError
from alicorn.language import tree
from alicorn.language.parse import LIST_OF_WORDS, WORD, parse
from alicorn.language.scored import scored_fuzzy, scored_terms
from alicorn.language.syntax import NameSlot
from alicorn.language.well_formed import check_tree

_CACHED = 1024  # texts, and trees: of at most 500 nodes they are under 100 MB, about 2 MB for usual queries
_CACHED_LENGTH = 1000  # characters
_CACHED_NODES = 500
_WORDS = re.compile(rf"{LIST_OF_WORDS}|(?<=:filter )({WORD})(?=[\s)])")
_PHRASE = re.compile(rf"\(phrase\s++({WORD})((?:\s++{WORD})++)(?:\s++:slop\s++([0-9]{{1,2}}))?+\s*+\)")
_TOP_K_NOTICE = (
    "(and ... (nn {key} :k {k})) keeps those of the {k} nearest documents that satisfy the rest; for the {k} nearest"
    " among the documents that satisfy it, write (nn {key} :k {k} :filter ...)"
)


class Words(NamedTuple):
    """A term, or an `and` or `or` of terms, each once, sorted. all: whether all are needed; true of a single term."""

    all: bool
    terms: tuple[str, ...]

    @classmethod
    def of(cls, all: bool, terms: Iterable[str]) -> Words:
        each = tuple(sorted(set(terms)))
        return cls(all or len(each) == 1, each)


class Nearest(NamedTuple):
    """An `nn` with k and no filter but words, or an `and` of words and an `nn` with radius.

    nn: this `nn`, with other words in its filter. words: of the filter; none without one.
    """

    nn: tree.Nn
    words: Words


class BesideNn(NamedTuple):
    """An `or` of words and an `nn` without a filter. nn: this `nn`, at whatever place of a text. words: the others."""

    nn: tree.Nn
    words: Words


_NO_WORDS = Words(True, ())


class Prepared:
    """An expression, and what follows from it alone, found when it is first asked for, the tree too.

    words: the same, where it is nothing but a term, or an `and` or `or` of terms. nearest, beside: the same, where it
    is of that form.
    """

    def __init__(
        self,
        expression: str | tree.Node | Callable[[], tree.Or],
        words: Words | None = None,
        nearest: Nearest | None = None,
        beside: BesideNn | None = None,
    ) -> None:
        """expression: well-formed, or what makes its tree."""
        self._expression = expression
        if isinstance(expression, tree.Node):
            self.root = expression
        self.words, self.nearest, self.beside = words, nearest, beside
        if words is not None or nearest is not None or beside is not None:
            self.narrowed = None
        if words is not None:
            self._know(())
        elif nearest is not None:
            self._know((nearest.nn,))
        elif beside is not None:
            self.has_nn, self.notices, self.doubted = True, (), ()
        elif isinstance(expression, tree.Phrase):
            self._know((expression,))

    def _know(self, named: tuple[tree.Node, ...]) -> None:
        """What follows from a tree that has nothing but terms beside at most one node that names something."""
        self.named, self.has_nn = named, self.nearest is not None
        self.notices, self.doubted = (), ()

    @cached_property
    def root(self) -> tree.Node:
        if isinstance(self._expression, str):
            return parse(self._expression)
        return self._expression if isinstance(self._expression, tree.Node) else self._expression()

    @cached_property
    def scored_terms(self) -> list[str]:
        """Those that BM25 sums over, sorted."""
        return scored_terms(self.root)

    @cached_property
    def scored_fuzzy(self) -> list[tree.Fuzzy]:
        """The fuzzy terms that BM25 sums over."""
        return scored_fuzzy(self.root)

    @cached_property
    def narrowed(self) -> tuple[tree.Nn, tree.Node] | None:
        """Of an `and` of one complete `nn` with radius and operands without any `nn`: that one, and those. None for
        words beside an `nn`, which are `nearest`."""
        root = self.root
        if not isinstance(root, tree.And):
            return None
        nns = [node for node in root.operands if isinstance(node, tree.Nn)]
        others = tuple(node for node in root.operands if not isinstance(node, tree.Nn))
        if len(nns) != 1 or nns[0].radius is None or not nns[0].in_all_clusters:
            return None
        if sum(isinstance(node, tree.Nn) for node in self.named) > 1:
            return None
        if all(isinstance(node, tree.Not) for node in others):
            return None
        return nns[0], others[0] if len(others) == 1 else tree.And(others, root.offset)

    @cached_property
    def _nodes(self) -> tuple[tree.Node, ...]:
        return tuple(tree.walk(self.root))

    @cached_property
    def has_nn(self) -> bool:
        return any(isinstance(node, tree.Nn) for node in self._nodes)

    @cached_property
    def nearest_to(self) -> tuple[tree.Nn, ...]:
        """Whose vectors order the hits by nn: the first of the tree, and others that it offers beside it."""
        first = next((node for node in self._nodes if isinstance(node, tree.Nn)), None)
        return () if first is None else _nearest_to(self.root, first)

    @cached_property
    def named(self) -> tuple[tree.Node, ...]:
        """The nodes that name a column or an embedding, to be checked against the collection."""
        if self.beside is not None:
            assert isinstance(self.root, tree.Or)
            return tuple(node for node in self.root.operands if isinstance(node, tree.Nn))
        return tuple(node for node in self._nodes if type(node) in _NAMING)

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """What the expression alone gives reason to say."""
        return tuple(_top_k_notices(self._nodes))

    @cached_property
    def doubted(self) -> tuple[tree.Fuzzy, ...]:
        """The fuzzy terms that expand only below a frequency."""
        return tuple(node for node in self._nodes if isinstance(node, tree.Fuzzy) and node.below is not None)


_NAMING = frozenset(syntax.node for syntax in tree.OPERATORS.values() if isinstance(syntax.word, NameSlot))
_texts: dict[str, Prepared] = {}
_trees: dict[int, Prepared] = {}  # by the id of a tree, which they keep


def prepare(expression: str | tree.Node) -> Prepared:
    """What is known of an expression, parsed where it is a text. Short texts and small trees, which cannot change, are
    remembered, a tree by its identity. Raises QueryError."""
    if type(expression) is not str:
        return _of_unchecked_tree(expression) if isinstance(expression, tree.Node) else _of_tree(parse(expression))
    known = _texts.get(expression)
    if known is None:
        if len(expression) >= _CACHED_LENGTH:
            return _of_tree(parse(expression))
        known = _of_short_text(expression)
        if len(_texts) >= _CACHED:
            _texts.clear()
        _texts[expression] = known
    return known


def nearest_to(prepared: Prepared, key: str) -> tuple[tree.Nn, ...]:
    """Like `Prepared.nearest_to`, of the first nn of a key, which the tree has."""
    first = next(node for node in prepared.named if isinstance(node, tree.Nn) and node.key == key)
    return _nearest_to(prepared.root, first)


def _of_short_text(text: str) -> Prepared:
    """A text of words, of a phrase, or of an `nn` of words is read by a pattern; the rest is parsed."""
    phrase = _PHRASE.fullmatch(text) if text.startswith("(phrase") else None
    if phrase is not None:
        prefix, following, slop = phrase.groups(default="0")
        return Prepared(tree.Phrase(prefix, tuple(following.split()), int(slop)))
    filter_at = text.find(":filter ")
    found = _WORDS.search(text) if filter_at < 0 else _WORDS.match(text, filter_at + len(":filter "))
    if found is not None:
        operator, operands, word = found.groups()
        terms = [word] if operator is None else operands.split()
        words = Words.of(operator != "or", terms)
        before, after = text[: found.start()], text[found.end() :]
        if not before and not after:
            return Prepared(text, words)
        root = _around(before, operator, after)
        if isinstance(root, tree.Nn):
            return Prepared(text, nearest=Nearest(root, words))
        if isinstance(root, tree.Or):
            nn = root.operands[1]
            assert isinstance(nn, tree.Nn)
            return Prepared(partial(_beside_nn, root, terms, text, found), beside=BesideNn(nn, words))
    return _of_tree(parse(text))


@lru_cache(maxsize=_CACHED)
def _around(before: str, operator: str | None, after: str) -> tree.Nn | tree.Or | None:
    """With other words between two texts: an `nn` with k whose filter they are, or an `or` of them and an `nn` that has
    no filter; None where the texts write something else.

    No word has a quote, a parenthesis or a colon in front, so whatever the words are, the rest is read the same.
    """
    words = "a" if operator is None else f"({operator} a)"
    try:
        root = parse(before + words + after)
    except QueryError:
        return None
    if isinstance(root, tree.Nn) and root.filter is not None and root.filter.offset == len(before):
        return root  # only an nn with k has a filter
    if isinstance(root, tree.Or) and operator is not None and len(root.operands) == 2:
        first, nn = root.operands
        if first.offset == len(before) and isinstance(nn, tree.Nn) and nn.filter is None:
            return root
    return None


def _beside_nn(root: tree.Or, terms: list[str], text: str, found: re.Match[str]) -> tree.Or:
    """An `or` of words and an `nn`. root: with other words; found: where those of the text are."""
    first, nn = root.operands
    assert isinstance(first, tree.And | tree.Or)
    assert isinstance(nn, tree.Nn)
    placed, at = [], found.start(2)
    for term in terms:
        at = text.index(term, at)
        placed.append(tree.Term(term, at))
        at += len(term)
    moved = nn.offset + len(found[0]) - len(f"({found[1]} a)")
    nn = tree.Nn(nn.key, nn.radius, nn.k, nn.nprobe, nn.scan, nn.recall, None, nn.vector, moved)
    return tree.Or((type(first)(tuple(placed), first.offset), nn), root.offset)


def _of_unchecked_tree(root: tree.Node) -> Prepared:
    known = _trees.get(id(root))
    if known is None:
        num_nodes = check_tree(root)
        known = _of_tree(root)
        if num_nodes <= _CACHED_NODES:
            if len(_trees) >= _CACHED:
                _trees.clear()
            _trees[id(root)] = known
    return known


def _of_tree(root: tree.Node) -> Prepared:
    words = _words(root)
    return Prepared(root, words, None if words is not None else _nearest(root), _beside(root))


def _nearest(root: tree.Node) -> Nearest | None:
    if isinstance(root, tree.Nn) and root.k is not None:
        words = _NO_WORDS if root.filter is None else _words(root.filter)
        return None if words is None else Nearest(root, words)
    if not isinstance(root, tree.And):
        return None
    terms = [node.term for node in root.operands if isinstance(node, tree.Term)]
    others = [node for node in root.operands if not isinstance(node, tree.Term)]
    if terms and len(others) == 1 and isinstance(others[0], tree.Nn) and others[0].radius is not None:
        return Nearest(others[0], Words.of(True, terms))
    return None


def _beside(root: tree.Node) -> BesideNn | None:
    if type(root) is not tree.Or or len(root.operands) != 2:
        return None
    first, second = root.operands
    nn, other = (first, second) if isinstance(first, tree.Nn) else (second, first)
    words = _words(other)
    if words is None or not isinstance(nn, tree.Nn) or nn.filter is not None:
        return None
    return BesideNn(nn, words)


def _words(root: tree.Node) -> Words | None:
    operands = root.operands if type(root) is tree.And or type(root) is tree.Or else (root,)
    terms = [node.term for node in operands if type(node) is tree.Term]
    if not terms or len(terms) < len(operands):
        return None
    return Words.of(type(root) is not tree.Or, terms)


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
