"""Is a tree one that an expression spells? A tree made in Python is held to the rules of a text, by the same table."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NoReturn

from alicorn.errors import QueryError
from alicorn.language.operators import MAX_DEPTH, MAX_NODES, MAX_SEARCHES, NAME, OPERATORS, VALUES, Parts
from alicorn.language.tree import (
    And,
    Apply,
    Extract,
    Nn,
    Node,
    Not,
    Prefix,
    Range,
    StrongOr,
    Term,
    WeakAnd,
    children,
    spelled_number,
)


def check_tree(root: Node) -> None:
    """Raise QueryError unless `parse(str(root)) == root`. Bounded in time and memory; does not recurse."""
    pending: list[tuple[Node, Node | None, int]] = [(root, None, 0)]  # node, the node it is an operand of, parentheses
    num_nodes = num_searches = 0
    while pending:
        node, parent, depth = pending.pop()
        if not isinstance(node, Node) or node.operator not in OPERATORS:
            _refuse(root, f"a tree is of nodes of alicorn.language.tree, got {type(node).__name__}")
        num_nodes += 1
        num_searches += OPERATORS[node.operator].searches
        depth += not isinstance(node, Term)
        if num_nodes > MAX_NODES or num_searches > MAX_SEARCHES or depth > MAX_DEPTH:
            _refuse(
                node,
                f"an expression has at most {MAX_NODES} words and lists, {MAX_SEARCHES} of nn, apply, extract and"
                f" weak-and, and {MAX_DEPTH} parentheses open at one place",
            )
        if isinstance(node, Not) and not isinstance(parent, And):
            _refuse(node, "(not ...) is allowed only inside (and ...); (difference a b) is a without b")
        _check_node(node)
        marks = _marks(node)
        for at, operand in enumerate(children(node)):
            pending.append((operand, node, depth + (bool(marks) and marks[at] is not None)))


def _check_node(node: Node) -> None:
    """What the parser asks of one list: its name, its operands, its options, and all of them together."""
    operator, parts = OPERATORS[node.operator], _parts(node)
    if not _is_name(parts.name) or not (parts.name or operator.name_of is None or operator.name == "apply"):
        _refuse(node, f"({operator.name} ...) needs {operator.name_of}, got {parts.name!r:.60}")
    if not operator.least <= len(parts.operands) <= operator.most:
        _refuse(node, f"({operator.name} ...) takes {operator.counted()}, got {len(parts.operands)}")
    if parts.marks and len(parts.marks) != len(parts.operands):
        _refuse(node, f"({operator.name} ...) has a mark, or None, for each operand, got {len(parts.marks)}")
    marks = [(str(operator.takes_mark), mark) for mark in parts.marks if mark is not None]
    for name, value in (*parts.options.items(), *marks):
        if not _is_allowed(name, value):
            allowed = "as an expression" if name == "filter" else VALUES[name].allowed
            _refuse(node, f"({operator.name} ...) needs {name} {allowed}, got {value!r:.60}")
    operator.build(parts)


def _is_allowed(name: str, value: object) -> bool:
    if name == "filter":
        return isinstance(value, Node)
    if VALUES[name] is NAME:
        return _is_name(value) and bool(value)
    return isinstance(value, int | float | Decimal) and VALUES[name].read(spelled_number(value)) == value


def _is_name(value: object) -> bool:
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _marks(node: Node) -> tuple[Any, ...]:
    match node:
        case WeakAnd(_, marks) | StrongOr(_, marks):
            return marks
    return ()


def _parts(node: Node) -> Parts:
    """The node as the parser has read it when it comes to the closing parenthesis."""
    parts = Parts(node.offset, marks=list(_marks(node)))
    match node:
        case Term(name) | Prefix(name):
            parts.name = name
        case Range(name, minimum, maximum):
            parts.name, parts.options = name, {"min": minimum, "max": maximum}
        case Nn(name):
            parts.name = name
            options = ("radius", "k", "nprobe", "scan", "filter", "vector")
            parts.options = {option: getattr(node, option) for option in options}
        case Apply(name, inner, limit) | Extract(name, inner, limit):
            parts.name, parts.operands, parts.options = name, [inner], {"limit": limit}
        case _:
            operands: object = children(node)
            if not isinstance(operands, tuple):
                _refuse(node, f"({node.operator} ...) has its operands as a tuple, got {operands!r:.60}")
            parts.operands = list(operands)
    parts.options = {option: value for option, value in parts.options.items() if value is not None}
    parts.places = dict.fromkeys(parts.options, node.offset)
    return parts


def _refuse(node: Node, problem: str) -> NoReturn:
    raise QueryError(problem, getattr(node, "offset", 0))
