"""Is a tree one that an expression spells? A tree made in Python is held to the rules of a text, by the same syntax."""

from __future__ import annotations

from typing import NoReturn

from alicorn.errors import QueryError
from alicorn.language.syntax import MAX_DEPTH, MAX_NODES, MAX_SEARCHES, Argument, Syntax
from alicorn.language.tree import OPERATORS, SEARCHES, And, Node, Not, Term, children
from alicorn.language.values import EXPRESSION, NAME


def check_tree(root: Node) -> int:
    """Raise QueryError unless `parse(str(root)) == root`. Bounded in time and memory; does not recurse.

    Returns the number of words and lists.
    """
    pending: list[tuple[Node, Node | None, int]] = [(root, None, 0)]  # node, the node it is an operand of, parentheses
    num_nodes = num_searches = 0
    while pending:
        node, parent, depth = pending.pop()
        is_within = num_nodes < MAX_NODES and num_searches <= MAX_SEARCHES and depth <= MAX_DEPTH
        if is_within and type(node) is Term and _is_plain(node.term):
            num_nodes += 1  # most nodes are such terms: this is what the rest comes to
            continue
        if not isinstance(node, Node) or node.operator not in OPERATORS:
            _refuse(root, f"a tree is of nodes of alicorn.language.tree, got {type(node).__name__}")
        syntax = OPERATORS[node.operator]
        _check_node(node, syntax)
        num_nodes += 1 + len(syntax.words_of(node))
        num_searches += syntax.searches
        depth += not isinstance(node, Term)
        if num_nodes > MAX_NODES or num_searches > MAX_SEARCHES or depth > MAX_DEPTH:
            _refuse(
                node,
                f"an expression has at most {MAX_NODES} words and lists, {MAX_SEARCHES} of {SEARCHES},"
                f" and {MAX_DEPTH} parentheses open at one place",
            )
        if isinstance(node, Not) and not isinstance(parent, And):
            _refuse(node, "(not ...) is allowed only inside (and ...); (difference a b) is a without b")
        marks = syntax.marks_of(node)
        if syntax.searches:
            num_searches += sum(mark is not None for mark in marks)
        for at, operand in enumerate(children(node)):
            pending.append((operand, node, depth + (bool(marks) and marks[at] is not None)))
    return num_nodes


def _check_node(node: Node, syntax: Syntax) -> None:
    """What the parser asks of one list: its word, its operands, its options, and all of them together."""
    if syntax.word is not None:
        word = getattr(node, syntax.word_field)
        if not _is_text(word) or not (word or syntax.word.may_be_empty):
            _refuse(node, f"({syntax.name} ...) needs {syntax.word.what}, got {word!r:.60}")
    if syntax.words is not None:
        words = syntax.words_of(node)
        if not isinstance(words, tuple) or not all(_is_text(word) and word for word in words):
            _refuse(node, f"({syntax.name} ...) has its words as a tuple of texts, none empty, got {words!r:.60}")
        if not 1 <= len(words) <= syntax.words.most:
            _refuse(node, f"({syntax.name} ...) takes {syntax.counted()}, got {len(words)}")
    if syntax.operands_field:
        _check_operands(node, syntax)
    for option in syntax.options.values():
        value = getattr(node, option.field)
        if value is not None or option.default is not None:
            _check_value(node, option, value)
    mistake = node.mistake()
    if mistake is not None:
        _refuse(node, mistake.message)


def _check_operands(node: Node, syntax: Syntax) -> None:
    operands, marks = syntax.operands_of(node), syntax.marks_of(node)
    if not isinstance(operands, tuple):
        _refuse(node, f"({syntax.name} ...) has its operands as a tuple, got {operands!r:.60}")
    if not syntax.operands.least <= len(operands) <= syntax.operands.most:
        _refuse(node, f"({syntax.name} ...) takes {syntax.counted()}, got {len(operands)}")
    if syntax.mark is not None:
        if len(marks) != len(operands):
            _refuse(node, f"({syntax.name} ...) has a mark, or None, for each operand, got {len(marks)}")
        for mark in marks:
            if mark is not None:
                _check_value(node, syntax.mark, mark)


def _check_value(node: Node, argument: Argument, value: object) -> None:
    if argument.value is EXPRESSION:
        allowed = isinstance(value, Node)
    elif argument.value is NAME:
        allowed = _is_text(value) and bool(value)
    else:
        allowed = argument.value.allows(value)
    if not allowed:
        _refuse(node, f"({node.operator} ...) needs {argument.name} {argument.value.allowed}, got {value!r:.60}")


def _is_plain(value: object) -> bool:
    return type(value) is str and value.isascii() and bool(value)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _refuse(node: Node, problem: str) -> NoReturn:
    raise QueryError(problem, getattr(node, "offset", 0))
