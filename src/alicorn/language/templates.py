"""Expression templates of a vertical: `(and {terms})` with the query "john smith" is `(and text:john text:smith)`.

A template is a query expression (DESIGN 2.3) with placeholders: {terms}, the words of the query as `text:` terms;
{key}, the vertical's embedding key; and, within a quoted string, {query}, the query as alicorn.text.phrase
writes it, as in `"name:{query}"`, which is the term that a rule of kind phrase makes. {terms} stands directly in and,
or, weak-and or strong-or, so that a query without any word has a meaning: an `and` of it matches nothing and becomes
`(or)`; from an `or` it just disappears.

A request with several vectors (of several interests) looks for each: an `(nn {key} ...)` without `:vector` stands for
`(or (nn {key} ... :vector interest-1) (nn {key} ... :vector interest-2) ...)`.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from alicorn.text import phrase, words

# A parenthesis, a quoted string with backslash escapes, or anything up to a blank or parenthesis.
_TOKEN = re.compile(r'[()]|"(?:\\.|[^"\\])*"|[^\s()"]+|"')

_QUERY = "{query}"

Form: TypeAlias = list["str | Form"]


def read_template(text: str) -> Form:
    """The template as nested lists of tokens. Raises ValueError that says what is wrong with it."""
    stack: list[Form] = [[]]
    for token in _TOKEN.findall(text):
        if token == "(":
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise ValueError(f"a parenthesis is closed that was never opened in {text!r}")
            form = stack.pop()
            stack[-1].append(form)
        else:
            _check_placeholders(token, stack[-1], text)
            stack[-1].append(token)
    if len(stack) > 1:
        raise ValueError(f"{len(stack) - 1} parentheses are not closed in {text!r}")
    if len(stack[0]) != 1:
        raise ValueError(f"a template is one expression, got {len(stack[0])} in {text!r}")
    return stack[0]


def fill_template(text: str, query: str, key: str, vectors: Sequence[str] = ()) -> str:
    """The expression for a query. Words hold letters, digits and underscores only, so that they need no quotes.

    vectors: names of the request's vectors, where it has several; empty: the one of the key.
    """
    terms = [f"text:{word}" for word in words(query)]
    return _fill(_for_each(read_template(text)[0], vectors), terms, phrase(query), key)


def interest_names(count: int) -> tuple[str, ...]:
    """What the vectors of a request with several interests are called."""
    return tuple(f"interest-{number}" for number in range(1, count + 1))


def named_vectors(key: str, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Vectors of requests as a collection takes them: under the key, or under the names of their interests.

    vectors: float32 (rows, dim), or (rows, interests, dim). Each of the values is (rows, dim).
    """
    if vectors.ndim == 2:
        return {key: vectors}
    return {name: vectors[:, number] for number, name in enumerate(interest_names(vectors.shape[1]))}


def _for_each(form: "str | Form", vectors: Sequence[str]) -> "str | Form":
    """The form with every nn of the key once for each vector."""
    if isinstance(form, str) or not vectors:
        return form
    parts = [_for_each(part, vectors) for part in form]
    if parts[:2] == ["nn", "{key}"] and ":vector" not in parts:
        return ["or", *([*parts, ":vector", name] for name in vectors)]
    return parts


def _fill(form: "str | Form", terms: list[str], whole: str, key: str) -> str:
    if isinstance(form, str):
        return key if form == "{key}" else form.replace(_QUERY, whole)
    if "{terms}" in form and not terms and (form[0] in ("and", "weak-and") or len(form) == 2):
        return "(or)"
    parts = []
    for part in form:
        parts += terms if part == "{terms}" else [_fill(part, terms, whole, key)]
    return f"({' '.join(parts)})"


def _check_placeholders(token: str, form: Form, text: str) -> None:
    if token == '"':
        raise ValueError(f"a quoted string is not closed in {text!r}")
    if token.startswith('"'):
        token = token.replace(_QUERY, "")
    if "{" not in token and "}" not in token:
        return
    if token not in ("{terms}", "{key}"):
        raise ValueError(
            f"unknown placeholder {token!r} in {text!r}; allowed: {{terms}}, {{key}}, each a word of its own, and "
            "{query} within a quoted string"
        )
    if token == "{terms}" and (not form or form[0] not in ("and", "or", "weak-and", "strong-or")):
        raise ValueError(f"{{terms}} must stand directly inside and, or, weak-and or strong-or in {text!r}")
