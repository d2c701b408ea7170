"""The words of a text, with their places in it: characters of the text as it was given, before normalising.

Normalising may change the number of characters (ﬁ is fi, a soft hyphen vanishes). It never reaches over a blank, so
that a text is normalised from blank to blank; and rarely over a letter with its marks, so that each of these keeps its
place. Where it does (Hangul written in single letters), all words between two blanks have the place of the whole.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from alicorn.text import letters, normalize, without_points, words

_BETWEEN_BLANKS = re.compile(r"\S+")


class Token(NamedTuple):
    """A term of a text at the characters [start, end) of the text. position: which of the positions of its word."""

    text: str
    start: int
    end: int
    position: int = 0


class Word(NamedTuple):
    """found: what a document with the word is found by, the word itself first. asked: what a query with it asks for.

    A word has as many positions as it has asked terms; asked[i] is at the i-th. So the terms that a query asks for are
    one after the other in every document with its words.
    """

    found: tuple[Token, ...]
    asked: tuple[str, ...]


class NormalizedString(NamedTuple):
    """What is written between two blanks, normalised. Character i of it was made of the characters
    [starts[i], ends[i]) of the text."""

    normal: str
    starts: Sequence[int]
    ends: Sequence[int]

    def token(self, start: int, end: int) -> Token:
        """The token of the characters [start, end) of the string."""
        return Token(self.normal[start:end], self.starts[start], self.ends[end - 1])


def normalized_strings(text: str) -> Iterator[NormalizedString]:
    """What a text has between blanks, normalised, in order, without those that normalising leaves empty."""
    for match in _BETWEEN_BLANKS.finditer(text):
        raw, start = match.group(), match.start()
        if raw.isascii():
            yield NormalizedString(raw.lower(), range(start, match.end()), range(start + 1, match.end() + 1))
        elif normal := normalize(raw):
            yield _located(raw, start, normal)


def word_spans(normal: str) -> list[tuple[int, int]]:
    """(start, end) of the words of alicorn.text.words of a normalised text."""
    spans, at = [], 0
    for word in words(normal):
        start = normal.index(word, at)  # between two words there is no letter
        at = start + len(word)
        spans.append((start, at))
    return spans


def plain_word(token: Token) -> Word:
    """A word as alicorn.text.document_terms and query_terms read it: a run of a script without blanks is found by its
    letters and its bigrams too, and asked for by its bigrams; a word with vowel points is found without them too."""
    bare = token._replace(text=without_points(token.text))
    parts = letters(token.text)
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))
    last = max(len(parts) - 2, 0)  # position of the word
    singles = [_part(token, start, end, min(at, last)) for at, (start, end) in enumerate(pairwise(starts))]
    pairs = [_part(token, *span, at) for at, span in enumerate(zip(starts, starts[2:], strict=False))]
    found = dict.fromkeys((token, *singles, *pairs, bare))
    return Word(tuple(found), tuple(pair.text for pair in pairs) or (token.text,))


def _part(token: Token, start: int, end: int, position: int) -> Token:
    """Part of a word; where the word is not as long as its place, all of the place."""
    if len(token.text) != token.end - token.start:
        return token._replace(text=token.text[start:end], position=position)
    return Token(token.text[start:end], token.start + start, token.start + end, position)


def _located(raw: str, start: int, normal: str) -> NormalizedString:
    starts: list[int] = []
    ends: list[int] = []
    made = ""
    for at, end in pairwise((*_letter_starts(raw), len(raw))):
        part = normalize(raw[at:end])
        made += part
        starts += [start + at] * len(part)
        ends += [start + end] * len(part)
    if made != normal:
        return NormalizedString(normal, [start] * len(normal), [start + len(raw)] * len(normal))
    return NormalizedString(normal, starts, ends)


def _letter_starts(raw: str) -> list[int]:
    """Where a letter with its marks begins."""
    return [at for at, letter in enumerate(raw) if at == 0 or not unicodedata.category(letter).startswith("M")]
