"""A multi-label classifier of queries: hashed n-grams -> the terms that the wanted documents have.

The mean of the vectors of a text's n-grams, times a matrix of one row for each term (fastText, Joulin and others 2017),
is calibrated by a line for each prefix of terms (Platt 1999). A term is confident where its probability reaches its own
threshold, which was chosen for a stated precision.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from alicorn.errors import ModelError, cause
from alicorn.features.kinds.text import TextSettings, text_bag
from alicorn.reporting.json_text import to_json

FORMAT = 1
SETTINGS = TextSettings()


@dataclass(frozen=True, eq=False)
class IntentClassifier:
    """terms: `prefix:value`, by prefix. table: (buckets, dim) float32, a vector of each n-gram. weights: (terms, dim)
    and bias: (terms,) float32. slope, offset: (terms,), of the calibration. thresholds: (terms,), inf where a term is
    never confident. facts: how it was learned, for people.
    """

    terms: tuple[str, ...]
    table: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    slope: np.ndarray
    offset: np.ndarray
    thresholds: np.ndarray
    facts: Mapping[str, Any]

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(prefix_of(term) for term in self.terms))

    def scores(self, text: str) -> np.ndarray:
        """(terms,) float64: log odds before calibration. A text without an n-gram has the bias alone."""
        bag = text_bag(text, len(self.table), SETTINGS)
        mean = self.table[bag].mean(axis=0) if len(bag) else np.zeros(self.table.shape[1], dtype=np.float32)
        return np.asarray((self.weights @ mean + self.bias).astype(np.float64))

    def probabilities(self, text: str) -> np.ndarray:
        """(terms,) float64."""
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * self.scores(text) + self.offset))))

    def confident(self, text: str, prefixes: Collection[str]) -> list[tuple[str, float]]:
        """The terms of some prefixes that reach their thresholds, the most probable first, with their probabilities."""
        found = self.probabilities(text)
        rows = np.flatnonzero(found >= self.thresholds)
        named = [(self.terms[row], float(found[row])) for row in rows[np.argsort(-found[rows], kind="stable")].tolist()]
        return [(term, chance) for term, chance in named if prefix_of(term) in prefixes]

    def save(self, path: Path) -> None:
        """Raises FileExistsError where there is a file."""
        header = to_json({"format": FORMAT, "terms": list(self.terms), "facts": dict(self.facts)})
        with path.open("xb") as file:
            np.savez_compressed(file, header=np.array(header), **{name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def load(cls, path: str | Path) -> IntentClassifier:
        """Raises ModelError for a file that `alicorn intents` did not write."""
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                arrays = {name: file[name] for name in _ARRAYS}
            if header["format"] != FORMAT:
                raise ModelError(f"{path} has format {header['format']}, and this alicorn reads format {FORMAT}")
            return cls(terms=tuple(header["terms"]), facts=header["facts"], **arrays)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path} is no file that `alicorn intents` wrote: {cause(error)}") from error


_ARRAYS = ("table", "weights", "bias", "slope", "offset", "thresholds")


def prefix_of(term: str) -> str:
    return term.partition(":")[0]
