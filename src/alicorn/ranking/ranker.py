"""A ranker: a forest, the features that it was learned on, and the clicks that they count. One folder.

ranker.json     of what it was made: the fingerprints of its features, of the vertical's documents and of the models
features.yaml   the features in the order of the forest's columns
forest.txt      the model text of LightGBM
bst.onnx        a Behavior Sequence Transformer; where features.yaml has a sequence
clicks.parquet  what was shown and clicked until it was learned; absent where no feature counts clicks
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from alicorn import __version__
from alicorn.config import Config, dump_yaml, parse_config
from alicorn.errors import ConfigError, ModelError, cause
from alicorn.query.any_collection import AnyCollection
from alicorn.ranking.bst import Bst
from alicorn.ranking.features import Candidates, ClickHistory, FeatureSet
from alicorn.ranking.forest import Forest
from alicorn.reporting.json_text import to_json
from alicorn.vertical import Vertical
from alicorn.vertical.parts import differing, of_documents

FORMAT = 1
_NAME, _FEATURES, _FOREST, _CLICKS = "ranker.json", "features.yaml", "forest.txt", "clicks.parquet"
_BST = "bst.onnx"


class RankerHeader(Config):
    """features: the fingerprint of features.yaml. models: embedding key -> fingerprint, of the cosines. vertical: what
    decides terms and stored columns. learned: how, as a report for people."""

    features: str
    models: dict[str, str]
    vertical: dict[str, str]
    learned: dict[str, Any]
    format: int = FORMAT
    alicorn_version: str = __version__


@dataclass(frozen=True, eq=False)
class Ranker:
    """Scores candidates: features -> forest, or a network that also reads the sequence."""

    header: RankerHeader
    features: FeatureSet
    forest: Forest
    history: ClickHistory | None
    bst: Bst | None = None

    @classmethod
    def load(cls, folder: str | Path) -> Ranker:
        """Raises ModelError for a folder that is no ranker, or whose forest was learned on other features."""
        folder = Path(folder)
        try:
            header = _read_header(folder)
            features = FeatureSet.load(folder / _FEATURES)
        except ConfigError as error:
            raise ModelError(f"{folder}: {error}; learn the ranker again") from error
        forest = Forest.load(folder / _FOREST)
        if features.names != forest.feature_names or features.fingerprint() != header.features:
            names = sorted(set(features.names) ^ set(forest.feature_names))
            changed = f": {', '.join(names)}" if names else ", of the same names"
            raise ModelError(
                f"{folder}: the forest was learned on other features than {_FEATURES} has now"
                f"{changed}; learn it again with them, or restore the file"
            )
        history = ClickHistory.load(folder / _CLICKS) if features.needs_history else None
        bst = None if features.sequence is None else Bst.load(folder / _BST, features)
        return cls(header, features, forest, history, bst)

    def save(self, folder: Path, forest_text: str) -> None:
        """Write the files into a folder that is there. forest_text: what the forest was read from."""
        (folder / _FEATURES).write_text(dump_yaml(self.features), encoding="utf-8")
        (folder / _FOREST).write_text(forest_text, encoding="utf-8")
        if self.history is not None:
            self.history.save(folder / _CLICKS)
        if self.bst is not None:
            (folder / _BST).write_bytes(self.bst.content)
        (folder / _NAME).write_text(to_json(self.header.model_dump(), indent=2) + "\n", encoding="utf-8")

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Of what its scores depend on beside the features: forest, network, and the clicks that features count."""
        forest = self.forest
        arrays = (forest.sources, forest.negated, forest.zero_is_missing, forest.roots, forest.columns)
        found = {"forest": _digest(*arrays, forest.thresholds, forest.children, forest.values)}
        if self.history is not None:
            history = self.history
            found["clicks"] = _digest(history.keys, history.clicks, history.expected)
        if self.bst is not None:
            found["bst"] = self.bst.fingerprint
        return found

    def check(self, collection: AnyCollection, vertical: Vertical) -> None:
        """Raises ModelError where the numbers of its features would be others than those that it learned from."""
        others = differing(self.header.vertical, of_documents(vertical))
        if others:
            raise ModelError(
                f"the ranker was learned with another {' and '.join(others)} than vertical '{vertical.name}' has: learn"
                " it again (`alicorn rank train`)"
            )
        made = collection.metadata.get("models", {})
        for key, fingerprint in self.header.models.items():
            if made.get(key) != fingerprint:
                raise ModelError(
                    f"the ranker was learned with model {fingerprint} of {key!r}, and the collection has"
                    f" {made.get(key, 'none')}: learn it again, or serve the collection that it was learned with"
                )
        snapshot = collection.snapshot()
        self.features.check(vertical, snapshot.columns, snapshot.embeddings)

    def matrix(self, candidates: Candidates) -> np.ndarray:
        return self.features.matrix(candidates)


def _read_header(folder: Path) -> RankerHeader:
    try:
        plain = json.loads((folder / _NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        message = f"{folder} holds no finished ranker (no {_NAME}): `alicorn rank train` writes one"
        raise ModelError(message) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / _NAME} cannot be read: {cause(error)}; learn the ranker again") from error
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise ModelError(f"{folder} has format {found}, and alicorn {__version__} reads format {FORMAT}")
    return parse_config(plain, RankerHeader, where=_NAME)


def header_of(
    features: FeatureSet, vertical: Vertical, made: Mapping[str, str], learned: dict[str, Any]
) -> RankerHeader:
    """made: embedding key -> fingerprint of the model, of a collection."""
    models = {key: made[key] for key in features.keys}
    return RankerHeader(
        features=features.fingerprint(), models=models, vertical=of_documents(vertical), learned=learned
    )


def _digest(*arrays: np.ndarray) -> str:
    hasher = xxhash.xxh3_128()
    for array in arrays:
        hasher.update(np.ascontiguousarray(array).data)
    return hasher.hexdigest()
