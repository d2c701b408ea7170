"""A tree made in Python is accepted exactly where the parser accepts what it prints."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree, vocabulary

from alicorn.errors import QueryError
from alicorn.language.parse import parse
from alicorn.language.prepared import prepare
from alicorn.language.syntax import MAX_DEPTH, MAX_SEARCHES
from alicorn.language.templates import Template
from alicorn.language.tree import (
    And,
    Apply,
    Difference,
    Extract,
    Fuzzy,
    Nn,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Range,
    StrongOr,
    Term,
    WeakAnd,
)
from alicorn.language.well_formed import check_tree

names = st.sampled_from(["", "a", "and", "new york", ":x", '"', "\\", "\ud800", "{key}"])
numbers = st.sampled_from([None, 0, 1, 3, 2, -1, 0.5, 2.5, 1e9, 10**10, 2**63, float("nan"), float("inf"), True])
some_number = numbers.filter(lambda number: number is not None)
leaves = (
    st.builds(Term, names)
    | st.builds(Prefix, names, some_number)
    | st.builds(Fuzzy, names, some_number, numbers, some_number, numbers)
    | st.builds(Range, names, numbers, numbers)
    | st.builds(Phrase, names, st.lists(names, max_size=3).map(tuple) | names, numbers)
)


def inner(operands: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    lists = st.lists(operands, max_size=3).map(tuple)
    marked = st.lists(st.tuples(operands, numbers), max_size=3)
    return (
        st.builds(And, lists)
        | st.builds(Or, lists)
        | st.builds(Difference, lists)
        | st.builds(Not, operands)
        | st.builds(Nn, names, numbers, numbers, numbers, numbers, numbers, operands | st.none(), names | st.none())
        | marked.map(lambda pairs: WeakAnd(tuple(o for o, _ in pairs), tuple(m for _, m in pairs)))
        | marked.map(lambda pairs: StrongOr(tuple(o for o, _ in pairs), tuple(m for _, m in pairs)))
        | st.builds(Apply, names, operands, some_number)
        | st.builds(Extract, names, operands, some_number)
    )


def is_spelled(tree: Node) -> bool:
    """The oracle: some expression is read as this tree."""
    try:
        return parse(str(tree)) == tree
    except QueryError:
        return False
    except (OverflowError, ValueError):  # a number that has no spelling
        return False


@settings(max_examples=1500, deadline=None)
@given(st.recursive(leaves, inner, max_leaves=6))
def test_a_tree_is_accepted_where_an_expression_spells_it(tree):
    try:
        check_tree(tree)
    except QueryError:
        assert not is_spelled(tree), tree
    else:
        assert is_spelled(tree), tree


def test_random_valid_trees_are_accepted():
    rng = random.Random(0)
    for _ in range(500):
        check_tree(random_tree(rng, vocabulary({"u": 2, "v": 2}), depth=5))


def nested(depth: int) -> Node:
    tree: Node = Term("a")
    for _ in range(depth):
        tree = Or((tree,))
    return tree


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (nested(100_000), "64 parentheses"),
        (nested(MAX_DEPTH + 1), "64 parentheses"),
        (
            Or(tuple(Nn("m", k=1) for _ in range(MAX_SEARCHES + 1))),
            "256 of fuzzy, phrase, nn, weak-and, apply, extract and",
        ),
        (
            WeakAnd((Term("a"),) * MAX_SEARCHES, (1,) * MAX_SEARCHES),
            "256 of fuzzy, phrase, nn, weak-and, apply, extract and",
        ),
        (Or([Term("a")]), "has its operands as a tuple"),
        (Or(("a",)), "nodes of alicorn.language.tree, got str"),
        (Term(3), "needs a term"),
        (Nn("m", k="3"), "needs k as an integer"),
        (Nn("m", k=3, filter="a"), "needs filter as an expression"),
        (Phrase("text", ()), "from 1 to 1000 words, got 0"),
        (Phrase("text", ("a",) * 1001), "from 1 to 1000 words, got 1001"),
        (Phrase("text", ("a", "")), "has its words as a tuple of texts, none empty"),
        (Phrase("text", ["a"]), "has its words as a tuple of texts"),
        (Phrase("text", ("a",), 1.0), "needs slop as an integer from 0 to 100"),
        (Or((Phrase("text", ("a",) * 1000),) * 101), "at most 100000 words and lists"),
        (Nn("m"), "needs :radius"),
        (WeakAnd((Term("a"),), (1, 2)), "a mark, or None, for each operand"),
        (Template.parse("(or {terms})").root, "nodes of alicorn.language.tree, got TermsHole"),
    ],
)
def test_a_refusal_says_what_is_wrong(tree, message):
    with pytest.raises(QueryError, match=message.replace("(", r"\(")):
        prepare(tree)


def test_the_bound_itself_is_accepted():
    check_tree(nested(MAX_DEPTH))
