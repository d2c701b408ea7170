"""docs/query-language.md is true: its expressions are read, its refusals refused, its bounds are those of the code."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from alicorn.errors import QueryError
from alicorn.language import parse
from alicorn.language.syntax import MAX_DEPTH, MAX_NODES, MAX_SEARCHES
from alicorn.language.tokens import MAX_LENGTH
from alicorn.language.tree import (
    DEFAULT_FUZZY_TERMS,
    DEFAULT_LIMIT,
    DEFAULT_PREFIX_TERMS,
    MARKS,
    MAX_EDITS,
    OPERATORS,
)
from alicorn.language.values import MAX_COUNT, MAX_LIMIT, MAX_SLOP, MAX_TERMS, MAX_WORDS
from alicorn.query.explain.step import Step
from alicorn.query.nn.counters import Counters

PAGE = (Path(__file__).parents[2] / "docs" / "query-language.md").read_text(encoding="utf-8")
BEFORE, REFUSED_ON = PAGE.split("### Refused\n")
REFUSED, AFTER = REFUSED_ON.split("\n## ", 1)
EXPRESSIONS = re.findall(r"`(\([^`]*\))`", BEFORE + AFTER)
REFUSALS = re.findall(r"^\| `([^`]*)` \| (.*) \|$", REFUSED, re.MULTILINE)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_of_the_page_is_read(expression: str) -> None:
    assert parse(str(parse(expression))) == parse(expression)


def test_the_page_shows_every_operator() -> None:
    shown = {expression[1:].split()[0].rstrip(")") for expression in EXPRESSIONS}
    inside = set(re.findall(r"\((not) ", " ".join(EXPRESSIONS)))
    assert shown | inside >= set(OPERATORS)


def test_the_page_shows_every_option() -> None:
    for name, syntax in OPERATORS.items():
        for option in syntax.options:
            assert any(f":{option} " in one and f"({name} " in one for one in EXPRESSIONS), (name, option)
    for option, syntax in MARKS.items():
        assert any(f":{option} " in one and f"({syntax.name} " in one for one in EXPRESSIONS), option


@pytest.mark.parametrize(("expression", "message"), REFUSALS)
def test_what_the_page_calls_refused_is_refused_with_that_message(expression: str, message: str) -> None:
    with pytest.raises(QueryError, match=re.escape(message)):
        parse(expression)


def test_there_are_refusals() -> None:
    assert len(REFUSALS) > 8


@pytest.mark.parametrize(
    "row",
    [
        f"| length | {MAX_LENGTH:,} characters |",
        f"| words and lists | {MAX_NODES:,} |",
        f"| open parentheses at one place | {MAX_DEPTH} |",
        "| `nn`, `fuzzy`, `phrase`, `apply`, `extract`, `weak-and` and its marked operands together |"
        f" {MAX_SEARCHES} |",
        f"| `:limit` of apply and extract | {MAX_LIMIT:,} | from 1; {DEFAULT_LIMIT:,} unless said |",
        f"| `:terms` of prefix and fuzzy | {MAX_TERMS:,} |"
        f" from 1; {DEFAULT_PREFIX_TERMS:,} and {DEFAULT_FUZZY_TERMS} unless said |",
        f"| `:edits` of fuzzy | {MAX_EDITS} | from 1; 1 unless said |",
        f"| words of a phrase | {MAX_WORDS:,} | from 1 |",
        f"| `:slop` | {MAX_SLOP} | from 0, which is the default |",
        f"| `:k`, `:nprobe`, `:scan`, `:optional-hits`, `:exact`, `:below` | {MAX_COUNT:,} |",
    ],
)
def test_the_bounds_of_the_page_are_those_of_the_code(row: str) -> None:
    assert row in PAGE


def test_the_page_explains_every_value_of_explain() -> None:
    step = Step("tag:1", narrowed_to=1, positions_read=1, counters=Counters(), terms=pa.array(["tag:1"]))
    section = PAGE.split("## What `explain` shows")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(step.to_dict()) - {"expression"}


def test_the_operators_that_count_towards_the_bound_are_those_named() -> None:
    assert {name for name, operator in OPERATORS.items() if operator.searches} == {
        *("nn", "fuzzy", "phrase", "apply", "extract", "weak-and")
    }
