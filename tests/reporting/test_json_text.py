"""What is written as JSON is JSON: no NaN, no infinity, for any value and in every place of the source that writes."""

import ast
import json
import math
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alicorn
from alicorn.reporting.json_text import to_json

SOURCE = Path(alicorn.__file__).parent
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


def refused(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def with_null(value):
    """The slow obvious oracle: the same value, null for what is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [with_null(one) for one in value]
    if isinstance(value, dict):
        return {key: with_null(one) for key, one in value.items()}
    return value


@given(VALUES)
def test_any_value_comes_back_with_null_for_what_is_not_finite(value):
    text = to_json(value)
    assert text.isascii()
    assert json.loads(text, parse_constant=refused) == with_null(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32("nan"), "null"),
        (np.float64(-np.inf), "null"),
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (b"\x00\xff", '"AP8="'),
        (datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), '"2020-01-02T03:04:05Z"'),
        (date(2020, 1, 2), '"2020-01-02"'),
        (Path("a/b"), '"a/b"'),
        ({1: [float("inf")]}, '{"1": [null]}'),
    ],
)
def test_values_of_columns(value, text):
    assert to_json(value) == text


def calls_of_json(path: Path) -> list[ast.Call]:
    """Calls of json.dump and json.dumps in a file."""
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return [call for call in calls if ast.unparse(call.func) in ("json.dumps", "json.dump")]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_file_of_the_source_can_write_nan(path):
    """Either by to_json, or by json.dumps that refuses: for fingerprints and files whose numbers are checked before."""
    for call in calls_of_json(path):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get("allow_nan") == "False", f"line {call.lineno}: use to_json, or allow_nan=False"
