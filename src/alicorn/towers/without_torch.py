"""A model as it is served: without torch, by its arrays or by its exported request tower."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from alicorn.errors import ModelError
from alicorn.extras import check_installed
from alicorn.features import Featurizer
from alicorn.towers.concat_arrays import ConcatArrays
from alicorn.towers.ensemble import Ensemble, load_ensemble
from alicorn.towers.export.query_tower import QueryTower
from alicorn.towers.layout.design import Design
from alicorn.towers.model_base import ModelBase
from alicorn.towers.model_folder import EXPORTED, FILES, SavedModel, read_header
from alicorn.towers.request_tower import RequestTower

_ROWS = 4096  # encoded at once


@dataclass(frozen=True, eq=False)
class ModelWithoutTorch(ModelBase):
    """folder: of the model, whose files are not changed while it is served. document_arrays: None where documents are
    encoded by torch, which is loaded for the first of them."""

    folder: Path
    document_arrays: ConcatArrays | None

    def encode_documents(self, documents: pa.Table) -> np.ndarray:
        """Raises ConfigError where torch is needed and missing."""
        if self.document_arrays is None:
            return self._by_torch.encode_documents(documents)
        return self._by_arrays(documents, self.documents, self.document_arrays)

    def save(self, folder: str | Path) -> Self:
        """Copy the files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").unlink(missing_ok=True)
        if (self.folder / EXPORTED).is_dir():
            shutil.copytree(self.folder / EXPORTED, folder / EXPORTED, dirs_exist_ok=True)
        for name in FILES:
            shutil.copyfile(self.folder / name, folder / name)
        return self

    @cached_property
    def _by_torch(self) -> ModelBase:
        check_installed(f"{self.folder}: the encoding of documents", "torch")
        return _by_torch(self.folder)

    def _by_arrays(self, table: pa.Table, featurizer: Featurizer, arrays: ConcatArrays) -> np.ndarray:
        out = np.empty((len(table), self.dim), dtype=np.float32)
        for start in range(0, max(len(table), 1), _ROWS):
            out[start : start + _ROWS] = arrays.many(featurizer.transform(table.slice(start, _ROWS)))
        self._check_lengths(out, featurizer.table)
        return out


@dataclass(frozen=True, eq=False)
class ArrayModel(ModelWithoutTorch):
    """The request tower as arrays (concat_arrays.py)."""

    request_arrays: ConcatArrays

    @property
    def dim(self) -> int:
        return len(self.request_arrays.bias)

    @property
    def num_interests(self) -> int:
        return 1

    def encode_requests(self, requests: pa.Table) -> np.ndarray:
        return self._by_arrays(requests, self.requests, self.request_arrays)

    def encode_interests(self, requests: pa.Table) -> np.ndarray:
        return self.encode_requests(requests)[:, None]

    def request_tower(self, searchers: pa.Table) -> RequestTower | None:
        features = self._request_features(searchers)
        return None if features is None else RequestTower(features, self.request_arrays)


@dataclass(frozen=True, eq=False)
class ExportedModel(ModelWithoutTorch):
    """The request tower by onnxruntime, one request after another."""

    tower: QueryTower

    @property
    def dim(self) -> int:
        return self.tower.dim

    @property
    def num_interests(self) -> int:
        return self.tower.interests

    def encode_requests(self, requests: pa.Table) -> np.ndarray:
        vectors = self.encode_interests(requests).sum(axis=1)
        result: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return result

    def encode_interests(self, requests: pa.Table) -> np.ndarray:
        vectors = self.tower.encode_requests(requests).reshape(len(requests), self.num_interests, self.dim)
        self._check_lengths(vectors, self.requests.table)
        return vectors


def load_served(folder: str | Path) -> ModelBase | Ensemble:
    """The model in a folder, or the ensemble of models: by arrays where they compute it, else by its exported request
    tower, else by torch.

    Raises ModelError as Model.load, ConfigError where packages are missing.
    """
    path = Path(folder)
    header = read_header(path)
    if "weights" in header:
        return load_ensemble(path, header, load_served)
    saved = SavedModel.read(path, header)
    design = saved.design(encode_texts=False)
    saved.check(design)
    try:
        request = ConcatArrays.of(design.towers, design.layout, "request", saved.weights)
        document = ConcatArrays.of(design.towers, design.layout, "document", saved.weights)
    except KeyError as error:
        raise saved.misfit(error) from error
    if request is not None:
        return ArrayModel(**_facts(saved, design), document_arrays=document, request_arrays=request)
    if (path / EXPORTED).is_dir():
        tower = QueryTower.open(path / EXPORTED)
        if tower.fingerprint != header["fingerprint"]:
            raise ModelError(f"{path / EXPORTED} is of another model: run `alicorn export {path}` again")
        return ExportedModel(**_facts(saved, design), document_arrays=document, tower=tower)
    otherwise = f", or run `alicorn export {path}` where it is installed"
    check_installed(f"{path}, whose request tower is not exported,", "torch", otherwise=otherwise)
    return _by_torch(path)


def _facts(saved: SavedModel, design: Design) -> dict[str, Any]:
    sides = design.featurizers
    return {
        "vertical": saved.vertical,
        "recipe": design.recipe,
        "key": saved.header["key"],
        "data": saved.header["data"],
        "requests": sides["request"],
        "documents": sides["document"],
        "fingerprint": saved.header["fingerprint"],
        "folder": saved.path,
    }


def _by_torch(path: Path) -> ModelBase:
    from alicorn.towers.model import Model

    model = Model.load(path)
    assert isinstance(model, Model)
    return model
