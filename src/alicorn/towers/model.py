"""A trained model in a folder: request and document towers with all that is needed to encode a row as in training.

    model.json     {"format": 2, "alicorn": version, "key", "dim", "fingerprint", "vertical", "data": fingerprints,
                    "weights_xxh3": checksum of weights.pt, "encoder": fingerprint of the pretrained text encoder's
                    files or null, "standardizations": {side: {feature: {mean, deviation}}},
                    "text_rules": by which texts were read (alicorn.text)}
    vertical.yaml  what is searched        recipe.yaml  how it was learned, every default written out
    weights.pt     tensors only (torch, weights_only); no code is run by loading

A pretrained text encoder stays where the recipe names it; only its tuned layers are among the weights. model.json is
written last. The folder of an ensemble has another
model.json (ensemble.py), and `Model.load` reads both.
"""

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import xxhash
import yaml
from torch import Tensor

import alicorn
from alicorn.config import dump_yaml, parse_config
from alicorn.errors import ConfigError, ModelError
from alicorn.features import Encoding, Featurizer, Standardization, TextEncoder
from alicorn.features.channel_id import SIDES
from alicorn.features.requests import RequestFeatures
from alicorn.text import RULES
from alicorn.towers.channels.tensors import Batch, batch_tensors
from alicorn.towers.ensemble import Ensemble, load_ensemble
from alicorn.towers.fusions.encoder import ByChannel
from alicorn.towers.layout.layout import layout
from alicorn.towers.request_tower import RequestTower
from alicorn.towers.settings.towers import Towers
from alicorn.towers.two_tower import TwoTower
from alicorn.towers.weights_file import write_tensors
from alicorn.vertical import Feature, Vertical
from alicorn.vertical.parts import differing, of_vectors

_FORMAT = 2
_ROWS = 4096  # encoded at once
_OFF_UNIT = 0.01  # a unit vector of float32 is within 1e-5 of its length, one that overflowed is 0 or NaN


@dataclass(frozen=True, eq=False)
class Model:
    """Threads may share a model; it is pickled whole, and a forked child may use it (processes.py).

    key: under which the documents' vectors are published. recipe: plain data, as in recipe.yaml.

    fingerprint: of everything that decides a vector; equal for equal models. data: fingerprint of what it learned from.
    """

    vertical: Vertical
    recipe: Mapping[str, Any]
    key: str
    data: str
    requests: Featurizer
    documents: Featurizer
    module: TwoTower
    fingerprint: str

    @property
    def dim(self) -> int:
        return self.module.dim

    @property
    def num_interests(self) -> int:
        """Embeddings of one request."""
        return self.module.interests

    @property
    def request_features(self) -> dict[str, Feature]:
        """The vertical's features that are read of a request, by name."""
        return self.requests.features

    @property
    def document_features(self) -> dict[str, Feature]:
        return self.documents.features

    def with_vertical(self, vertical: Vertical) -> "Model":
        """The same model serving another version of its vertical, which may differ in all but the features it reads.

        Raises ConfigError where one of these differs.
        """
        if others := differing(self.reads(self.vertical), self.reads(vertical)):
            raise ConfigError(
                f"model {self.fingerprint} learned from another {' and '.join(others)} than vertical"
                f" '{vertical.name}' has: use the vertical it was trained with, or train again; all that the model does"
                " not read may differ"
            )
        return replace(self, vertical=vertical)

    def with_key(self, key: str) -> "Model":
        """The same model, whose vectors are published under another key."""
        return replace(self, key=key)

    def reads(self, vertical: Vertical) -> dict[str, str]:
        """The part of a vertical that decides this model's vectors (vertical/parts.py)."""
        return of_vectors(vertical, self.requests.names, self.documents.names)

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """What its pretrained text encoder has done in this process; empty without one."""
        return (self.documents.encoder.done,) if self.documents.encoder else ()

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
        towers = parse_config(dict(recipe["towers"]), Towers, where="recipe, towers")
        laid_out = layout(towers, vertical)
        towers = towers.model_copy(update={"tables": {**towers.tables, **laid_out.tables}})
        recipe = {**recipe, "towers": towers.model_dump(mode="json")}
        encoder = TextEncoder(towers.encoder) if towers.encoder else None
        featurizers = {}
        for side in SIDES:
            given = laid_out.half(side)
            numbers = {
                name: parse_config(dict(values), Standardization, where=f"standardization of {name}")
                for name, values in standardizations.get(side, {}).items()
            }
            buckets = laid_out.buckets(side)
            featurizers[side] = Featurizer(
                side,
                given.features,
                buckets,
                towers.text,
                numbers,
                given.encoded,
                encoder,
                given.granular,
                given.ordered,
            )
        key = recipe.get("embedding") or vertical.embedding
        module = TwoTower(towers, laid_out, seed, encoder).eval()
        return cls(vertical, recipe, key, data, featurizers["request"], featurizers["document"], module, "untrained")

    def encode_requests(self, requests: pa.Table) -> np.ndarray:
        """float32 (rows, dim), unit length. requests: `query` and the context columns of the model's request features.

        A missing column is a TableError; a null is an unknown value. The same call serves one request and a million.
        """
        return self._encode(requests, self.requests, self.module.encode_requests, (self.dim,))

    def encode_interests(self, requests: pa.Table) -> np.ndarray:
        """float32 (rows, interests, dim), unit length: what a request is searched by. One interest is encode_requests.

        Of several, encode_requests is the direction of their sum, for whoever takes one vector.
        """
        return self._encode(requests, self.requests, self.module.encode_interests, (self.num_interests, self.dim))

    def request_tower(self, searchers: pa.Table) -> RequestTower | None:
        """The request side for one request at a time (request_tower.py), over rows of a table of searchers and the
        columns of the vertical's request.context.

        None where this model's has to be asked by `encode_requests`.
        """
        context = self.vertical.request.context
        if not RequestFeatures.reads(self.requests, searchers.column_names, context):
            return None
        return RequestTower.of(self.module, RequestFeatures(self.requests, searchers, context))

    def encode_documents(self, documents: pa.Table) -> np.ndarray:
        """float32 (rows, dim), unit length. documents: the columns of the model's document features."""
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

    def _check_lengths(self, vectors: np.ndarray, side: str) -> None:
        """Raises ModelError for a vector, (rows, ..., dim), that is not of unit length: no index takes it."""
        squares = np.einsum("...d,...d->...", vectors, vectors)
        bad = ~(np.abs(squares - 1.0) < _OFF_UNIT)  # NaN is not below either
        bad = bad.any(axis=tuple(range(1, bad.ndim)))
        if bad.any():
            raise ModelError(
                f"model {self.fingerprint} has no vector for row {int(bad.argmax())} of the {side} (from 0; "
                f"{int(bad.sum())} such rows): its weights are too large or no numbers: train again with lower rates"
            )

    def save(self, folder: str | Path) -> "Model":
        """Write the folder. Returns the model with the fingerprint it has there."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").unlink(missing_ok=True)
        (folder / "vertical.yaml").write_text(dump_yaml(self.vertical), encoding="utf-8")
        recipe = yaml.safe_dump(dict(self.recipe), sort_keys=False, allow_unicode=True)
        (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
        write_tensors(self.module.state_dict(), folder / "weights.pt")
        standardizations = {
            side: {name: values.model_dump() for name, values in featurizer.standardizations.items()}
            for side, featurizer in (("request", self.requests), ("document", self.documents))
        }
        fingerprint = self._fingerprint(standardizations)
        header = {
            "format": _FORMAT,
            "alicorn": alicorn.__version__,
            "key": self.key,
            "dim": self.dim,
            "fingerprint": fingerprint,
            "vertical": self.vertical.fingerprint(),
            "data": self.data,
            "weights_xxh3": xxhash.xxh3_128_hexdigest((folder / "weights.pt").read_bytes()),
            "encoder": self._encoder,
            "standardizations": standardizations,
            "text_rules": RULES,
        }
        (folder / "model.json").write_text(json.dumps(header, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return self._load(folder, header)

    def _fingerprint(self, standardizations: Mapping[str, Any]) -> str:
        """128 bits, as hex, of features, towers and weights."""
        digest = xxhash.xxh3_128()
        decided_by = [_FORMAT, self.reads(self.vertical), self.recipe["towers"], standardizations]
        decided_by += [self._encoder] if self._encoder else []
        digest.update(json.dumps(decided_by, sort_keys=True, allow_nan=False).encode())
        for name, tensor in self.module.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @classmethod
    def load(cls, folder: str | Path) -> "Model | Ensemble":
        """The model in a folder, or the ensemble of models.

        Raises ModelError when it is missing, incomplete, changed, or of a newer format.
        """
        folder = Path(folder)
        header = _read_header(folder)
        if "weights" in header:
            return load_ensemble(folder, header, cls.load)
        return cls._load(folder, header)

    @classmethod
    def _load(cls, folder: Path, header: Mapping[str, Any]) -> "Model":
        """The model in a folder whose model.json is `header`."""
        if header.get("text_rules") != RULES:
            raise ModelError(
                f"{folder} learned from texts read by rules {header.get('text_rules', 1)}; alicorn"
                f" {alicorn.__version__} reads them by rules {RULES} (docs/text.md): mine and train again"
            )
        vertical = Vertical.load(_existing(folder, "vertical.yaml"))
        recipe = yaml.safe_load(_existing(folder, "recipe.yaml").read_text(encoding="utf-8"))
        weights = _existing(folder, "weights.pt")
        if xxhash.xxh3_128_hexdigest(weights.read_bytes()) != header["weights_xxh3"]:
            raise ModelError(f"{weights} is truncated or was changed since: train or copy the model again")
        try:
            model = cls.new(vertical, recipe, header["data"], header["standardizations"], seed=0)
            _refuse_unsized(folder, recipe["towers"], model.recipe["towers"])
            model.module.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
        except (ConfigError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise ModelError(f"{folder}: recipe.yaml or vertical.yaml does not fit the weights: {error}") from error
        if model._encoder != header.get("encoder"):
            raise ModelError(
                f"{folder} was trained with other files of the text encoder that recipe.yaml names: restore them, or "
                "train again"
            )
        if model._fingerprint(header["standardizations"]) != header["fingerprint"]:
            raise ModelError(f"{folder}: vertical.yaml or recipe.yaml was changed since: restore it, or train again")
        return cls(**{**vars(model), "fingerprint": header["fingerprint"]})


def _read_header(folder: Path) -> dict[str, Any]:
    try:
        header = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no finished model (no model.json): `alicorn train` writes one") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'model.json'} cannot be read: {error}") from error
    found = header.get("format") if isinstance(header, dict) else None
    if not isinstance(found, int):
        raise ModelError(f"{folder / 'model.json'} has no format number: it was not written by alicorn")
    if found != _FORMAT:
        raise ModelError(
            f"{folder / 'model.json'} has format {found}, of alicorn {header.get('alicorn')}, and alicorn "
            f"{alicorn.__version__} reads format {_FORMAT}: "
            + ("upgrade alicorn" if found > _FORMAT else "train again with this alicorn")
        )
    own = {"weights"} if "weights" in header else {"weights_xxh3", "standardizations"}
    missing = {"key", "dim", "fingerprint", "data", *own} - header.keys()
    if missing:
        raise ModelError(f"{folder / 'model.json'} lacks {', '.join(sorted(missing))}: train or copy the model again")
    result: dict[str, Any] = header
    return result


def _refuse_unsized(folder: Path, saved: Mapping[str, Any], read: Mapping[str, Any]) -> None:
    """Raise ModelError where a saved recipe leaves the size of a table to the defaults of another alicorn."""
    if unsized := read["tables"].keys() - saved["tables"].keys():
        raise ModelError(
            f"{folder / 'recipe.yaml'} was written by an alicorn that left the size of {', '.join(sorted(unsized))} to"
            " its defaults, which may be others today: train again"
        )


def _existing(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise ModelError(f"{folder} is incomplete: {name} is missing; train or copy the model again")
    return folder / name
