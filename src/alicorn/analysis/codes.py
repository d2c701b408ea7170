"""Numbers and codes that stay whole: `DCB107-2`, `3/4`, `1.25`, `2024-05-01`; and measures, a number with its unit.

A code is words, one of them with a digit, joined by one of - / . , : + each. A document is found by the whole and by
its words; a query asks for the whole. A measure has no blank: `3/4 in` and `3/4in` are one term.
"""

import re
from collections.abc import Iterable

from alicorn.analysis.tokens import NormalizedString, Token, Word, plain_word, word_spans

_CODE = re.compile(r"\w+(?:[-/.,:+\u2044]\w+)+")  # U+2044 is the line of the fraction in what NFKC makes of ¾
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\d+(?:[./,]\d+)*")


def with_codes(string: NormalizedString) -> list[Word]:
    """The words of a string, those of a code as one."""
    result: list[Word] = []
    spans = word_spans(string.normal)
    for start, end in _code_spans(string.normal):
        result += [plain_word(string.token(*span)) for span in spans if span[1] <= start]
        parts = [string.token(*span) for span in spans if start <= span[0] < end]
        spans = [span for span in spans if span[0] >= end]
        whole = string.token(start, end)
        whole = whole._replace(text=whole.text.replace("\u2044", "/"))
        result.append(Word((whole, *parts), (whole.text,)))
    return [*result, *(plain_word(string.token(*span)) for span in spans)]


def with_measures(words: Iterable[Word], units: frozenset[str]) -> list[Word]:
    """The words of a text, a number and the unit in the same word or after it as one."""
    result: list[Word] = []
    for word in words:
        token = word.found[0]
        before = result[-1] if result else None
        if before is not None and token.text in units and _NUMBER.fullmatch(before.found[0].text):
            number = before.found[0]
            whole = Token(number.text + token.text, number.start, token.end)
            result[-1] = Word((whole, *before.found, *word.found), (whole.text,))
        else:
            result.append(_divided(word, units))
    return result


def _divided(word: Word, units: frozenset[str]) -> Word:
    """A word such as `10mm` is found by its number and its unit too."""
    whole = word.found[0]
    number = _NUMBER.match(whole.text)
    if number is None or whole.text[number.end() :] not in units:
        return word
    parts = (whole._replace(text=number.group()), whole._replace(text=whole.text[number.end() :]))
    return Word((*word.found, *parts), word.asked)


def _code_spans(normal: str) -> list[tuple[int, int]]:
    return [match.span() for match in _CODE.finditer(normal) if _DIGIT.search(match.group())]
