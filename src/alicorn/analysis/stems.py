"""Snowball stems (by PyStemmer): `running shoes` is `run shoe`. A word with a digit is its own stem."""

import re
from threading import local

import Stemmer

LANGUAGES: tuple[str, ...] = tuple(Stemmer.algorithms())
RULES = ".".join(Stemmer.version().split(".")[:2])
"""The version of the rules: another one may give other stems."""

_DIGIT = re.compile(r"\d")


class Stems:
    """The stems of one language. May be used by several threads."""

    def __init__(self, language: str) -> None:
        """language: one of LANGUAGES."""
        self.language = language
        self._of_thread = local()

    def of(self, words: list[str]) -> list[str]:
        """The stem of each normalised word."""
        if not hasattr(self._of_thread, "stemmer"):
            self._of_thread.stemmer = Stemmer.Stemmer(self.language)  # a stemmer is for one thread
        stems: list[str] = self._of_thread.stemmer.stemWords(words)
        return [word if _DIGIT.search(word) else stem for word, stem in zip(words, stems, strict=True)]
