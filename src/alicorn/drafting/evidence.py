"""Where the words of queries are found in the documents that were chosen for them, and the language of both.

A stemmer is judged by what it is for: words of a query that the chosen document has only with it, less those that some
other document has only with it. The language whose stemmer finds most is that of the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.analysis.stems import LANGUAGES, Stems
from alicorn.drafting.profiles import WORDED, Profile
from alicorn.text import words

SEARCHED = 0.02
"""Share of the words of queries from which a column is one that people search by."""
_SENTENCE = 5  # words from which a text has endings that a stemmer may take off; names have none
_SEARCHES = 1_000  # that are looked at
_OLDER = ("porter", "lovins")  # stemmers of English
_WORTH = 0.003  # of the words of queries, that a stemmer has to find more


class TextWords(NamedTuple):
    """of: int64, the search that each word belongs to. words: as many."""

    of: np.ndarray
    words: list[str]

    @classmethod
    def read(cls, texts: Sequence[str | list[str | None] | None]) -> TextWords:
        """Of a text for each search, or of several."""
        found = [_words(text) for text in texts]
        of = np.repeat(np.arange(len(found)), [len(some) for some in found])
        return cls(of, [word for some in found for word in some])

    @classmethod
    def together(cls, parts: Sequence[TextWords]) -> TextWords:
        of = np.concatenate([np.zeros(0, dtype=np.int64), *(part.of for part in parts)])
        return cls(of, [word for part in parts for word in part.words])


def _words(value: str | list[str | None] | None) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    return [word for text in texts if text for word in words(text)]


class FoundWords:
    """Which words of queries the text of their search has, as they are or by a stemmer."""

    def __init__(self, queries: TextWords, texts: TextWords) -> None:
        codes: dict[str, int] = {}
        self._query = np.array([codes.setdefault(word, len(codes)) for word in queries.words], dtype=np.int64)
        self._text = np.array([codes.setdefault(word, len(codes)) for word in texts.words], dtype=np.int64)
        self._vocabulary = list(codes)
        once = np.unique(np.stack([texts.of, self._text]), axis=1)
        self._of, self._text = (queries.of, once[0]), once[1]

    def by(self, stemmer: str | None = None) -> np.ndarray:
        """bool, for each word of the queries."""
        of = np.arange(len(self._vocabulary))
        if stemmer is not None:
            codes: dict[str, int] = {}
            of = np.array(
                [codes.setdefault(stem, len(codes)) for stem in Stems(stemmer).of(self._vocabulary)], np.int64
            )
        query, text = (
            of[word] + row * len(self._vocabulary)
            for word, row in zip((self._query, self._text), self._of, strict=True)
        )
        return np.isin(query, text, kind="sort")

    def share(self, stemmer: str | None = None) -> float:
        return _share(self.by(stemmer))


@dataclass(frozen=True)
class Evidence:
    """matched: column with words -> share of the words of queries that it has in chosen documents, by the stemmer.
    searched: columns whose words are searched, with the share that each finds: texts, and values that find more than
    texts do. language: a stemmer, and the shares without it and with it."""

    matched: Mapping[str, float]
    searched: Mapping[str, float]
    language: tuple[str, float, float] | None


def evidence(columns: Sequence[Profile], documents: pa.Table, picked: pa.Table) -> Evidence:
    """columns: profiles of those of `documents`. picked: query and doc_id of what was chosen."""
    rows = pc.index_in(picked["doc_id"], documents["doc_id"])
    known = np.flatnonzero(rows.is_valid().to_numpy())
    known = np.sort(np.random.default_rng(0).choice(known, min(_SEARCHES, len(known)), replace=False))
    chosen = rows.take(pa.array(known)).to_numpy().astype(np.int64)
    queries = TextWords.read(picked["query"].take(pa.array(known)).to_pylist())
    texts = {one.name: _text(documents, one.name, chosen) for one in columns if one.kind in WORDED}
    found = {name: FoundWords(queries, words) for name, words in texts.items()}
    searched = _searched(columns, {name: one.by() for name, one in found.items()})
    together = FoundWords(queries, TextWords.together([texts[name] for name in searched]))
    stemmer = None
    if any(one.words >= _SENTENCE for one in columns if one.name in searched):
        other = np.roll(chosen, len(chosen) // 2)  # what other searches chose
        elsewhere = TextWords.together([_text(documents, name, other) for name in searched])
        stemmer = language(together, FoundWords(queries, elsewhere))
    by = {name: one.by(None if stemmer is None else stemmer[0]) for name, one in found.items()}
    return Evidence({name: _share(words) for name, words in by.items()}, _searched(columns, by), stemmer)


def _searched(columns: Sequence[Profile], found: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Texts; values in which queries have words that no text has; and all that have words where that is nothing."""
    texts = [one.name for one in columns if one.kind in ("text", "long text")]
    by_texts = np.logical_or.reduce([found[name] for name in texts]) if texts else False
    values = {name: _share(by & ~np.asarray(by_texts)) for name, by in found.items() if name not in texts}
    searched = {name: _share(found[name]) for name in texts} | {n: s for n, s in values.items() if s >= SEARCHED}
    return searched or {name: _share(by) for name, by in found.items()}


def _share(found: np.ndarray) -> float:
    return float(found.mean()) if len(found) else 0.0


def _text(documents: pa.Table, name: str, rows: np.ndarray) -> TextWords:
    return TextWords.read(documents[name].take(pa.array(rows)).to_pylist())


def language(found: FoundWords, elsewhere: FoundWords) -> tuple[str, float, float] | None:
    """A Snowball stemmer, and the shares of the words of queries found without it and with it; None: none is worth it.

    found: in chosen documents; elsewhere: in documents that other searches chose.
    """
    before, chance = found.share(), elsewhere.share()
    best, gain, after = "", 0.0, 0.0
    for name in sorted(set(LANGUAGES) - set(_OLDER)):
        share = found.share(name)
        if share - before > gain and (own := share - before - (elsewhere.share(name) - chance)) > gain:
            best, gain, after = name, own, share
    return (best, before, after) if gain >= _WORTH else None
