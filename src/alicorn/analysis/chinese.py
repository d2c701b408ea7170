"""The words of Chinese text, by jieba (extra `chinese`), which is imported for the first text."""

import importlib.util
import logging
import re
import warnings
from functools import cache
from typing import Any

from alicorn.analysis.tokens import Token, Word

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def installed() -> bool:
    return importlib.util.find_spec("jieba") is not None


@cache
def jieba() -> Any:
    """The module jieba, quiet."""
    with warnings.catch_warnings():  # it imports pkg_resources, which is deprecated
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return jieba


def cut(word: Word) -> list[Word]:
    """A run with Chinese characters as its words, each also found by the shorter words in it; another word as it is."""
    run = word.found[0]
    if not _HAN.search(run.text):
        return [word]
    words: list[Word] = []
    for text, start, end in jieba().tokenize(run.text):
        token = _token(run, text, start, end)
        inner = jieba().tokenize(text, mode="search")
        shorter = (_token(token, part, at, until) for part, at, until in inner if part != text)
        words.append(Word((token, *shorter), (text,)))
    return words


def _token(run: Token, text: str, start: int, end: int) -> Token:
    """Part of a run; where the run is not as long as its place, all of the place."""
    if len(run.text) != run.end - run.start:
        return run._replace(text=text)
    return Token(text, run.start + start, run.start + end)
