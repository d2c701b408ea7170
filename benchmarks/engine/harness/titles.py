"""Titles of words by a Zipf law, tags of stated frequencies and static ranks: data for Boolean and BM25 search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn import Collection

WORDS = 100_000
TAGS = {"frequent": 0.55, "half": 0.5, "tenth": 0.1, "rare": 0.005}
_SKIPPED = 5  # the most frequent words, as stop words, are no words of a query
_BATCH = 50_000


@dataclass(frozen=True)
class Titles:
    """words: (total,) numbers of words, title after title; starts: (documents + 1,); tags: (documents, len(TAGS)) bool;
    ranks: (documents,) static ranks, without ties."""

    words: np.ndarray
    starts: np.ndarray
    tags: np.ndarray
    ranks: np.ndarray

    @classmethod
    def make(cls, documents: int, seed: int = 0) -> Titles:
        rng = np.random.default_rng(seed)
        weights = 1.0 / (np.arange(WORDS) + 2.7)
        lengths = np.clip(rng.poisson(9, documents), 2, 30)
        words = rng.choice(WORDS, int(lengths.sum()), p=weights / weights.sum()).astype(np.int32)
        tags = rng.random((documents, len(TAGS))) < np.array(list(TAGS.values()))
        return cls(words, np.concatenate([[0], np.cumsum(lengths)]), tags, rng.permutation(documents) / documents)

    def __len__(self) -> int:
        return len(self.ranks)

    def title(self, number: int) -> list[str]:
        return [f"w{word}" for word in self.words[self.starts[number] : self.starts[number + 1]]]

    def queries(self, count: int, seed: int = 1) -> list[list[str]]:
        """Two to four distinct words of one title each, as people type who know what they look for."""
        rng = np.random.default_rng(seed)
        made: list[list[str]] = []
        while len(made) < count:
            number = rng.integers(len(self))
            words = np.unique(self.words[self.starts[number] : self.starts[number + 1]])
            words = words[words >= _SKIPPED]
            if len(words) >= 2:
                chosen = rng.choice(words, min(len(words), int(rng.integers(2, 5))), replace=False)
                made.append([f"w{word}" for word in chosen])
        return made

    def publish(self, folder: Path, positions: Sequence[str] = (), fields: bool = False) -> Collection:
        """One segment: upserts of 50,000, a flush and a merge. positions: prefixes of terms. fields: the first third of
        the words is in `title:` too, the rest in `body:`."""
        collection = Collection.create(folder, positions=positions)
        for start in range(0, len(self), _BATCH):
            numbers = range(start, min(start + _BATCH, len(self)))
            terms = [[f"text:{word}" for word in self.title(number)] + self._tags_of(number) for number in numbers]
            if fields:
                terms = [own + self._in_fields(number) for own, number in zip(terms, numbers, strict=True)]
            table = {
                "doc_id": [f"d{number:08d}" for number in numbers],
                "static_rank": self.ranks[start : numbers.stop],
            }
            collection.upsert(pa.table({**table, "terms": pa.array(terms, pa.list_(pa.string()))}))
        collection.flush()
        collection.merge()
        return collection

    def _in_fields(self, number: int) -> list[str]:
        words = self.title(number)
        third = max(1, len(words) // 3)
        return [f"title:{word}" for word in words[:third]] + [f"body:{word}" for word in words[third:]]

    def _tags_of(self, number: int) -> list[str]:
        return [f"tag:{name}" for name, has in zip(TAGS, self.tags[number], strict=True) if has]
