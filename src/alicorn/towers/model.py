"""A trained model by torch: request and document towers with all that is needed to encode a row as in training.

model_folder.py says what its folder holds; `Model.load` also reads the folder of an ensemble (ensemble.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from alicorn.errors import ConfigError, ModelError
from alicorn.features import Featurizer
from alicorn.towers.channels.tensors import Batch, batch_tensors
from alicorn.towers.concat_arrays import ConcatArrays
from alicorn.towers.ensemble import Ensemble, load_ensemble
from alicorn.towers.fusions.encoder import ByChannel
from alicorn.towers.layout.design import Design
from alicorn.towers.model_base import ModelBase
from alicorn.towers.model_folder import SavedModel, fingerprint, read_header, write_model
from alicorn.towers.request_tower import RequestTower
from alicorn.towers.two_tower import TwoTower
from alicorn.vertical import Vertical

_ROWS = 4096  # encoded at once


@dataclass(frozen=True, eq=False)
class Model(ModelBase):
    module: TwoTower
    design: Design

    @property
    def dim(self) -> int:
        return self.module.dim

    @property
    def num_interests(self) -> int:
        return self.module.interests

    @property
    def _encoder(self) -> str | None:
        """Fingerprint of the pretrained text encoder."""
        return self.documents.encoder.fingerprint if self.documents.encoder else None

    @classmethod
    def new(
        cls, vertical: Vertical, recipe: Mapping[str, Any], data: str, standardizations: Mapping[str, Any], seed: int
    ) -> "Model":
        """An untrained model. recipe: `towers` and `embedding` are read here; that of the model has the size of every
        table, so that it is the same model where defaults change. Raises ConfigError."""
        return cls._of(vertical, Design.of(vertical, recipe, standardizations), data, seed)

    @classmethod
    def _of(cls, vertical: Vertical, design: Design, data: str, seed: int) -> "Model":
        requests, documents = design.featurizers["request"], design.featurizers["document"]
        key = design.recipe.get("embedding") or vertical.embedding
        module = TwoTower(design.towers, design.layout, seed, documents.encoder).eval()
        return cls(vertical, design.recipe, key, data, requests, documents, "untrained", module, design)

    def encode_requests(self, requests: pa.Table) -> np.ndarray:
        return self._encode(requests, self.requests, self.module.encode_requests, (self.dim,))

    def encode_interests(self, requests: pa.Table) -> np.ndarray:
        return self._encode(requests, self.requests, self.module.encode_interests, (self.num_interests, self.dim))

    def request_tower(self, searchers: pa.Table) -> RequestTower | None:
        features = self._request_features(searchers)
        arrays = ConcatArrays.of(self.design.towers, self.design.layout, "request", self._arrays())
        return None if features is None or arrays is None else RequestTower(features, arrays)

    def _arrays(self) -> dict[str, np.ndarray]:
        """The weights by name; those of the module itself, where it is on the processor."""
        return {name: tensor.cpu().contiguous().numpy() for name, tensor in self.module.state_dict().items()}

    def encode_documents(self, documents: pa.Table) -> np.ndarray:
        return self._encode(documents, self.documents, self.module.encode_documents, (self.dim,))

    def request_weights(self, requests: pa.Table) -> dict[str, np.ndarray] | None:
        """What each channel counts in the embedding of each row: float32 (rows,), shares that sum to 1.

        None where the fusion has no such weights (towers/fusions/).
        """
        return self._weights(requests, self.requests, self.module.request_channels)

    def document_weights(self, documents: pa.Table) -> dict[str, np.ndarray] | None:
        """As request_weights."""
        return self._weights(documents, self.documents, self.module.document_channels)

    def _weights(
        self, table: pa.Table, featurizer: Featurizer, channels: Callable[[Batch], ByChannel]
    ) -> dict[str, np.ndarray] | None:
        parts = []
        with torch.inference_mode():
            for start in range(0, max(len(table), 1), _ROWS):
                weights = channels(batch_tensors(featurizer.transform(table.slice(start, _ROWS)))).weights
                if weights is None:
                    return None
                parts.append(weights)
        return {channel.name: np.concatenate([part[channel].numpy() for part in parts]) for channel in parts[0]}

    def _encode(
        self, table: pa.Table, featurizer: Featurizer, encode: Callable[[Batch], Tensor], shape: tuple[int, ...]
    ) -> np.ndarray:
        out = np.empty((len(table), *shape), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(table), _ROWS):
                features = featurizer.transform(table.slice(start, _ROWS))
                out[start : start + _ROWS] = encode(batch_tensors(features)).numpy()
        self._check_lengths(out, featurizer.table)
        if len(table) == 0:
            featurizer.transform(table)  # a missing column is an error whatever the number of rows
        return out

    def save(self, folder: str | Path) -> "Model":
        folder = Path(folder)
        standardizations = {
            side: {name: values.model_dump() for name, values in featurizer.standardizations.items()}
            for side, featurizer in (("request", self.requests), ("document", self.documents))
        }
        weights = self._arrays()
        header = {
            "key": self.key,
            "dim": self.dim,
            "fingerprint": fingerprint(self.vertical, self.design, standardizations, self._encoder, weights),
            "data": self.data,
            "encoder": self._encoder,
            "standardizations": standardizations,
        }
        return self._load(folder, write_model(folder, self.vertical, self.recipe, weights, header))

    @classmethod
    def load(cls, folder: str | Path) -> "Model | Ensemble":
        """The model in a folder, or the ensemble of models.

        Raises ModelError when it is missing, incomplete, changed, or of a newer format.
        """
        folder = Path(folder)
        header = read_header(folder)
        if "weights" in header:
            return load_ensemble(folder, header, cls.load)
        return cls._load(folder, header)

    @classmethod
    def _load(cls, folder: Path, header: Mapping[str, Any]) -> "Model":
        """The model in a folder whose model.json is `header`."""
        saved = SavedModel.read(folder, header)
        design = saved.design()
        try:
            model = cls._of(saved.vertical, design, header["data"], seed=0)
            model.module.load_state_dict({name: torch.tensor(array) for name, array in saved.weights.items()})
        except (ConfigError, RuntimeError, TypeError) as error:
            raise saved.misfit(error) from error
        if model._encoder != header.get("encoder"):
            raise ModelError(
                f"{folder} was trained with other files of the text encoder that recipe.yaml names: restore them, or "
                "train again"
            )
        saved.check(design)
        return cls(**{**vars(model), "fingerprint": header["fingerprint"]})
