"""A Behavior Sequence Transformer in service: bst.onnx, scored by onnxruntime with one thread (learning/bst.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from alicorn.errors import ModelError, cause
from alicorn.extras import check_installed
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.features.sequence import SequenceTokens

FEATURES = "features"
"""The key of the file's metadata that has the fingerprint of the features which it was learned on."""


@dataclass(frozen=True, eq=False)
class Bst:
    """content: of the file."""

    content: bytes
    session: Any

    @classmethod
    def load(cls, path: Path, features: FeatureSet) -> Bst:
        """Raises ModelError for a file that cannot be read, and for one that was learned on other features."""
        try:
            return cls.read(path.read_bytes(), features, str(path))
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {cause(error)}; learn the ranker again") from error

    @classmethod
    def read(cls, content: bytes, features: FeatureSet, where: str = "the network") -> Bst:
        """where: its name in messages. Raises ConfigError where onnxruntime is missing, ModelError as `load`."""
        check_installed("a ranker with a sequence", "onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises kinds of its own
            raise ModelError(f"{where} cannot be read: {error}; learn the ranker again") from error
        if session.get_modelmeta().custom_metadata_map.get(FEATURES) != features.fingerprint():
            raise ModelError(
                f"{where} was learned on other features than features.yaml has now; learn the ranker again, or restore"
                " the file"
            )
        return cls(content, session)

    @property
    def fingerprint(self) -> str:
        return xxhash.xxh3_128_hexdigest(self.content)

    def score(self, tokens: SequenceTokens, matrix: np.ndarray) -> np.ndarray:
        """(candidates,) float64, log odds of a choice. tokens, matrix: of the candidates of one request."""
        given = {
            "documents": tokens.documents,
            "history": tokens.history[0],
            "ages": tokens.ages[0],
            "features": matrix.astype(np.float32),
        }
        scores: np.ndarray = self.session.run(["scores"], given)[0]
        return scores.astype(np.float64)
