"""Characters -> tokens of an expression, each with its offset.

One regular expression, without backtracking, reads the text once; what it cannot read is refused with its reason.
"""

import re
from collections.abc import Iterator
from typing import NoReturn

from alicorn.errors import QueryError
from alicorn.language.other_syntax import written_here

MAX_LENGTH = 1_000_000
"""Characters of an expression."""

OPEN, CLOSE, QUOTED, OPTION, WORD = 1, 2, 3, 4, 5
"""Kinds of tokens: the groups of the pattern."""

_TOKEN = re.compile(
    r"""\s*+(?:
        (\()                                              # 1 open
      | (\))                                              # 2 close
      | "([^"\\]*+(?:\\["\\][^"\\]*+)*+)"(?=[\s()]|\Z)    # 3 quoted
      | :\s*+([^\s()"\\:]++)(?!["\\:])                    # 4 option
      | ([^\s()"\\:][^\s()"\\]*+)(?!["\\])                # 5 word
      | (\S)                                              # 6 anything else
      | \Z                       # without it, a search would begin again at each of many trailing blanks
    )""",
    re.VERBOSE,
)
_QUOTE_INSIDE = (
    'a word has no quote or backslash inside: quote the whole, "tag:new york"; words in their order are'
    " (phrase text new york)"
)
_ESCAPE = re.compile(r"\\(.)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_QUOTED_PART = re.compile(r'[^"\\]*+(?:\\["\\][^"\\]*+)*+')


def tokens(text: str) -> Iterator[tuple[int, str, int]]:
    """(kind, word, offset) of each token: word without quotes and escapes, or the name of an option."""
    if len(text) > MAX_LENGTH:
        raise QueryError(f"an expression has at most {MAX_LENGTH} characters, got {len(text)}", MAX_LENGTH)
    if not text.isascii() and (surrogate := _SURROGATE.search(text)):
        code = ord(surrogate.group())
        raise QueryError(f"U+{code:04X} is half of a surrogate pair, no character", surrogate.start())
    for match in _TOKEN.finditer(text):
        kind = match.lastindex
        if kind is None:
            return
        word, offset = match[kind], match.start(kind)
        if kind == QUOTED:
            offset -= 1
            if "\\" in word:
                word = _ESCAPE.sub(r"\1", word)
        elif kind == OPTION:
            offset = text.rindex(":", 0, offset)
        elif kind > WORD:
            _refuse_character(text, offset)
        yield kind, word, offset


def _refuse_character(text: str, offset: int) -> NoReturn:
    """No token begins at `offset`, or one begins there and is broken."""
    character = text[offset]
    if character == ":":
        raise QueryError("a colon here begins an option, :name value; a term that begins with one is quoted", offset)
    if character == "\\":
        raise QueryError('a backslash is allowed only inside quotes: "tag:new york"', offset)
    if character != '"':
        raise QueryError(written_here(text[offset : offset + 100]) or _QUOTE_INSIDE, offset)
    end = _QUOTED_PART.match(text, offset + 1).end()  # type: ignore[union-attr]
    if end == len(text):
        raise QueryError("this quote is never closed", offset)
    if text[end] == "\\":
        raise QueryError('inside quotes a backslash is allowed before " or another backslash only: write \\\\', end)
    raise QueryError("after a closing quote comes a blank or a parenthesis", end + 1)
