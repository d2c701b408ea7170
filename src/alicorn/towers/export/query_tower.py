"""An exported request tower: rows in, vectors out, by onnxruntime, without torch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.errors import ModelError, cause
from alicorn.extras import check_installed
from alicorn.features import ChannelId, Featurizer
from alicorn.features.padded import padded
from alicorn.text import RULES

_FORMAT = 2
_HEADER = "query_tower.json"


class QueryTower:
    """key, dim, interests, fingerprint: of the model that was exported."""

    def __init__(self, header: dict[str, Any], featurizer: Featurizer, session: Any) -> None:
        self.key: str = header["key"]
        self.dim: int = header["dim"]
        self.interests: int = header["interests"]
        self.fingerprint: str = header["fingerprint"]
        self.requests = featurizer
        self._inputs: list[str] = header["inputs"]
        self._least = {ChannelId("request", name): places for name, places in header["padded_to"].items()}
        self._session = session

    @classmethod
    def open(cls, folder: str | Path, threads: int = 1) -> "QueryTower":
        """threads: of onnxruntime. Raises ConfigError where that is missing, ModelError where the export is broken."""
        check_installed("an exported tower", "onnxruntime")
        folder = Path(folder)
        try:
            header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
            found = header["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{folder} holds no exported tower ({cause(error)}): `alicorn export` writes one"
            ) from error
        if found != _FORMAT:
            raise ModelError(
                f"{folder / _HEADER} has format {found}, and this alicorn reads format {_FORMAT}: export the model "
                "again with this alicorn"
            )
        if header.get("text_rules") != RULES:
            raise ModelError(
                f"{folder} reads texts by rules {header.get('text_rules', 1)}, this alicorn by rules {RULES}"
                " (docs/text.md): mine, train and export again"
            )
        return cls(header, Featurizer.from_plain(header["featurizer"]), _session(folder / "query_tower.onnx", threads))

    def encode_requests(self, requests: pa.Table) -> np.ndarray:
        """As of Model: float32 (rows, dim), unit length; (rows, interests, dim) where there are several interests.

        One row after another: what a tower is exported for is a request.
        """
        shape = (self.dim,) if self.interests == 1 else (self.interests, self.dim)
        vectors = np.empty((len(requests), *shape), dtype=np.float32)
        for row in range(len(requests)):
            vectors[row] = self.encode_padded(self.padded(requests.slice(row, 1)))[0]
        return vectors

    def padded(self, request: pa.Table) -> dict[str, np.ndarray]:
        """A table of one row, featurised (features/padded.py)."""
        found = padded(self.requests.transform(request), self._least)
        return {str(one): values for one, values in found.items()}

    def encode_padded(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """(1, dim), or (1, interests, dim), of what `padded` returns."""
        vectors: np.ndarray = self._session.run(["vectors"], {name: inputs[name] for name in self._inputs})[0]
        return vectors


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises kinds of its own for a missing or damaged file
        raise ModelError(f"{path} cannot be read: {error}; export the model again") from error
