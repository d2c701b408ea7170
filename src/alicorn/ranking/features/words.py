"""Features of words: how well do those of the text match the document?"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.feature import KnownNames, RankFeature, check_name, missing
from alicorn.text import normalize, phrase


class _OfPrefix(RankFeature):
    prefix: str

    def check(self, known: KnownNames) -> None:
        check_name(self.prefix, known.prefixes, "prefix of terms")


class Bm25Score(_OfPrefix):
    """BM25 of the words of the text in the terms of a prefix; missing for a text without words."""

    kind: Literal["bm25"]
    of_collection: ClassVar[bool] = True

    def values(self, candidates: Candidates) -> np.ndarray:
        scores = candidates.word_scores(self.prefix)
        # Term by term, whatever the number of candidates: the order of a sum decides its last bits.
        return np.asarray(np.cumsum(scores, axis=0)[-1]) if len(scores) else missing(candidates)


class MatchedTerms(_OfPrefix):
    """The share of the text's terms that the document has; missing for a text without words."""

    kind: Literal["matched"]

    def values(self, candidates: Candidates) -> np.ndarray:
        scores = candidates.word_scores(self.prefix)
        return np.asarray((scores > 0).mean(axis=0)) if len(scores) else missing(candidates)


class WholeQuery(_OfPrefix):
    """1 where the whole text is one of the document's terms of a prefix, of kind phrase or value; else 0: a name."""

    kind: Literal["exact"]

    def check(self, known: KnownNames) -> None:
        super().check(known)
        if not known.prefixes[self.prefix] & {"phrase", "value"}:
            raise ValueError(
                f"prefix '{self.prefix}' is of {', '.join(sorted(known.prefixes[self.prefix]))}: the whole text is"
                " compared with terms of kind phrase or value"
            )

    def values(self, candidates: Candidates) -> np.ndarray:
        text, rules = candidates.asked.text, candidates.vertical.document.terms
        kinds = {rule.kind for rule in rules if rule.prefix == self.prefix}
        words = phrase(text) if "phrase" in kinds else normalize(text)
        return candidates.having(f"{self.prefix}:{words}") if words else missing(candidates)


class QueryWords(_OfPrefix):
    """How many terms the text has: the same for all candidates, so that other features can mean something else."""

    kind: Literal["query_words"]

    def values(self, candidates: Candidates) -> np.ndarray:
        return np.full(len(candidates), float(len(candidates.word_scores(self.prefix))))
