"""The folder of a trained model: what is read and checked of it, whatever computes its vectors.

    model.json     {"format": 3, "alicorn": version, "key", "dim", "fingerprint", "vertical", "data": fingerprints,
                    "weights_xxh3": checksum of weights.safetensors, "encoder": fingerprint of the pretrained text
                    encoder's files or null, "standardizations": {side: {feature: {mean, deviation}}},
                    "text_rules": by which texts were read (alicorn.text)}
    vertical.yaml  what is searched        recipe.yaml  how it was learned, every default written out
    weights.safetensors                    arrays by name, read without torch (weights_file.py)
    query_tower/   the request tower as ONNX, where arrays alone do not compute it (export/)

A pretrained text encoder is where the recipe names it; only its tuned layers are among the weights. model.json is
written last. The folder of an ensemble has another model.json (ensemble.py).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
import yaml

import alicorn
from alicorn.config import dump_yaml
from alicorn.errors import ConfigError, ModelError, cause
from alicorn.text import RULES
from alicorn.towers.layout.design import Design
from alicorn.towers.weights_file import read_arrays, write_arrays
from alicorn.vertical import Vertical
from alicorn.vertical.parts import of_vectors

FORMAT = 3
EXPORTED = "query_tower"
_WEIGHTS = "weights.safetensors"
FILES = ("vertical.yaml", "recipe.yaml", _WEIGHTS, "model.json")


@dataclass(frozen=True, eq=False)
class SavedModel:
    """weights: by their names in the torch module (two_tower.py), memory-mapped."""

    path: Path
    header: Mapping[str, Any]
    vertical: Vertical
    recipe: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, path: Path, header: Mapping[str, Any]) -> "SavedModel":
        """header: of `read_header`. Raises ModelError where the folder is incomplete or changed."""
        if header.get("text_rules") != RULES:
            raise ModelError(
                f"{path} learned from texts read by rules {header.get('text_rules', 1)}; alicorn"
                f" {alicorn.__version__} reads them by rules {RULES} (docs/text.md): mine and train again"
            )
        vertical = Vertical.load(_existing(path, "vertical.yaml"))
        recipe = yaml.safe_load(_existing(path, "recipe.yaml").read_text(encoding="utf-8"))
        weights = _existing(path, _WEIGHTS)
        if xxhash.xxh3_128_hexdigest(weights.read_bytes()) != header["weights_xxh3"]:
            raise ModelError(f"{weights} is truncated or was changed since: train or copy the model again")
        return cls(path, header, vertical, recipe, read_arrays(weights))

    def design(self, encode_texts: bool = True) -> Design:
        """See Design.of. Raises ModelError."""
        try:
            design = Design.of(self.vertical, self.recipe, self.header["standardizations"], encode_texts)
        except (ConfigError, KeyError, TypeError) as error:
            raise self.misfit(error) from error
        _refuse_unsized(self.path, self.recipe["towers"], design.recipe["towers"])
        return design

    def check(self, design: Design) -> None:
        """Raise ModelError where vertical, recipe or weights are not those of the fingerprint."""
        header = self.header
        found = fingerprint(self.vertical, design, header["standardizations"], header.get("encoder"), self.weights)
        if found != header["fingerprint"]:
            raise ModelError(f"{self.path}: vertical.yaml or recipe.yaml was changed since: restore it, or train again")

    def misfit(self, error: Exception) -> ModelError:
        return ModelError(f"{self.path}: recipe.yaml or vertical.yaml does not fit the weights: {error}")


def write_model(
    folder: Path,
    vertical: Vertical,
    recipe: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    header: dict[str, Any],
) -> dict[str, Any]:
    """Write the folder. header: what model.json says beside what is the same for all models. Returns model.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").unlink(missing_ok=True)
    (folder / "vertical.yaml").write_text(dump_yaml(vertical), encoding="utf-8")
    plain = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
    (folder / "recipe.yaml").write_text(plain, encoding="utf-8")
    write_arrays(weights, folder / _WEIGHTS)
    checksum = xxhash.xxh3_128_hexdigest((folder / _WEIGHTS).read_bytes())
    whole = {"format": FORMAT, "alicorn": alicorn.__version__, "vertical": vertical.fingerprint(), **header}
    whole |= {"weights_xxh3": checksum, "text_rules": RULES}
    (folder / "model.json").write_text(json.dumps(whole, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return whole


def fingerprint(
    vertical: Vertical,
    design: Design,
    standardizations: Mapping[str, Any],
    encoder: str | None,
    weights: Mapping[str, np.ndarray],
) -> str:
    """128 bits, as hex, of features, towers and weights. encoder: fingerprint of the pretrained text encoder."""
    digest = xxhash.xxh3_128()
    names = (design.featurizers[side].names for side in ("request", "document"))
    decided_by = [FORMAT, of_vectors(vertical, *names), design.recipe["towers"], standardizations]
    decided_by += [encoder] if encoder else []
    digest.update(json.dumps(decided_by, sort_keys=True, allow_nan=False).encode())
    for name, array in weights.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def read_header(folder: Path) -> dict[str, Any]:
    """model.json of a model or an ensemble. Raises ModelError where it is missing, damaged, or of another format."""
    try:
        header = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no finished model (no model.json): `alicorn train` writes one") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'model.json'} cannot be read: {cause(error)}") from error
    found = header.get("format") if isinstance(header, dict) else None
    if not isinstance(found, int):
        raise ModelError(f"{folder / 'model.json'} has no format number: it was not written by alicorn")
    if found != FORMAT:
        raise ModelError(
            f"{folder / 'model.json'} has format {found}, of alicorn {header.get('alicorn')}, and alicorn "
            f"{alicorn.__version__} reads format {FORMAT}: "
            + ("upgrade alicorn" if found > FORMAT else "train again with this alicorn")
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
