"""The frozen layers of a pretrained transformer, as a channel of text beside the n-grams of text.py.

The last `tuned_layers` of the transformer belong to the towers (towers/channels/tuned.py), which learn them. The layers
below are frozen and run here, once for each distinct text: with nothing tuned a text becomes its sentence vector, the
mean over its tokens at unit length; else the vectors of its tokens below the tuned layers, rounded to float16. A null
and an empty text become zeros, and no token. torch, tokenizers and transformers are imported for the first text.

The frozen layers run in bfloat16 where the processor multiplies it (decision 056), else in float32. What was encoded in
a batch or more is kept on disk for all processes: disk.py.

Threads may share an encoder. It keeps no lock over a fork, and is pickled without vectors and weights, which are loaded
anew from the folder where the copy is first used. Needs the extra `encoder`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import xxhash
from pydantic import Field
from rich.console import Console

from alicorn.config import Config
from alicorn.errors import ConfigError
from alicorn.extras import EXTRAS, check_installed
from alicorn.features.arrays import Tokens
from alicorn.features.pretrained.cache import VectorCache
from alicorn.features.pretrained.disk import DiskCache
from alicorn.features.pretrained.folder import find_folder, fingerprint_of, shape_of
from alicorn.processes import forget_in_children
from alicorn.reporting.progress import progress_bar

if TYPE_CHECKING:
    import torch
    from torch import nn

_TEXTS = 64  # encoded at once, of like length
_MANY = 1024  # texts that somebody waits for
_KEPT_BYTES = 64 << 20  # of vectors of earlier calls

_log = logging.getLogger("alicorn")


class EncoderSettings(Config):
    """model: a folder with config.json, tokenizer.json and model.safetensors of a BERT-like transformer, or the name of
    an installed package that carries one. features: the text features it reads, as `request.text`, whether or not
    towers.features has their n-grams too; all text features of both sides if left out. tuned_layers: how many of its
    last layers are learned; 0: it is frozen. max_tokens: of a text, the rest is cut."""

    model: Annotated[str, Field(min_length=1)]
    features: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    tuned_layers: Annotated[int, Field(ge=0)] = 0
    max_tokens: Annotated[int, Field(ge=3)] = 64


@dataclass
class Encoding:
    """What an encoder has done. texts: distinct ones that were encoded. found: that were read from the disk instead.
    seconds: of both, the loading of the model included."""

    texts: int = 0
    found: int = 0
    seconds: float = 0.0


class TextEncoder:
    """The frozen part of a pretrained encoder. folder: its files, absolute. width: numbers per vector. done: so far."""

    def __init__(self, settings: EncoderSettings) -> None:
        """Raises ConfigError where the extra is missing, the folder holds no such model, or has too few layers."""
        check_installed("recipe, towers.encoder", *EXTRAS["encoder"], otherwise=", or leave encoder out")
        self.settings = settings
        self.folder = find_folder(settings.model)
        self.width, self.num_layers = shape_of(self.folder)
        if settings.tuned_layers > self.num_layers:
            raise ConfigError(
                f"recipe, towers.encoder.tuned_layers: {settings.model} has {self.num_layers} layers, got "
                f"{settings.tuned_layers}"
            )
        self.forget()

    def forget(self) -> None:
        """What belongs to this process: the vectors kept, and the lock under which tokenizer and weights are loaded."""
        self.done = Encoding()
        self._kept = VectorCache(_KEPT_BYTES)
        self._loading = threading.RLock()
        forget_in_children(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in ("settings", "folder", "width", "num_layers")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.forget()

    @cached_property
    def fingerprint(self) -> str:
        """Of the files it is made of."""
        return fingerprint_of(self.folder)

    def transform(self, column: pa.Array) -> np.ndarray | Tokens:
        """column: large_string, nulls allowed. float32 (rows, width) where nothing is tuned, else Tokens."""
        coded = column.dictionary_encode()
        texts: list[str] = coded.dictionary.to_pylist()
        rows = coded.indices.fill_null(len(texts)).to_numpy().astype(np.int64)
        vectors = [*self._encoded(texts), _nothing(self.width)]
        if self.settings.tuned_layers:
            return Tokens.of(vectors, self.width).take(rows)
        table = np.zeros((len(vectors), self.width), dtype=np.float32)
        for number, vector in enumerate(vectors):
            table[number, :] = vector[0] if len(vector) else 0.0
        result: np.ndarray | Tokens = table[rows]
        return result

    def tuned_layers(self) -> "nn.ModuleList":
        """The layers that the towers learn, as they are in the folder."""
        _, layers = self._load()
        return layers[self._num_frozen :]

    @property
    def _num_frozen(self) -> int:
        return self.num_layers - self.settings.tuned_layers

    def _encoded(self, texts: list[str]) -> list[np.ndarray]:
        """For each distinct text its vectors, (tokens, width) float16 or (1, width) float32; none for an empty one."""
        found = self._kept.found(texts)
        unknown = [text for text in texts if text not in found]
        if unknown:
            started = time.perf_counter()
            found |= self._from_disk_or_computed(unknown)
            self.done.seconds += time.perf_counter() - started
        return [found[text] for text in texts]

    def _from_disk_or_computed(self, texts: list[str]) -> dict[str, np.ndarray]:
        """Fewer texts than a batch, such as a request's, are not worth a look at the disk."""
        many = len(texts) >= _TEXTS
        vectors = self._disk.found(texts) if many else {}
        unknown = [text for text in texts if text not in vectors]
        self.done.found += len(vectors)
        self.done.texts += len(unknown)
        for batch in self._computed(unknown):
            vectors |= batch
            if many:
                self._disk.add(batch)
        self._kept.add(vectors)
        return vectors

    @cached_property
    def _disk(self) -> DiskCache:
        tuned = self.settings.tuned_layers
        decided_by = [self.fingerprint, self._num_frozen, bool(tuned), self.settings.max_tokens, str(self._precision)]
        fingerprint = xxhash.xxh3_128_hexdigest(repr(decided_by).encode())
        return DiskCache(fingerprint, self.width, np.float16 if tuned else np.float32)

    def _computed(self, texts: list[str]) -> Iterator[dict[str, np.ndarray]]:
        """The vectors of each text, batch by batch: texts of like length together, so that little is padded."""
        with _progress(len(texts), self.settings.model) as advance:
            tokens = [encoding.ids for encoding in self._tokenized(texts)]
            yield {text: _nothing(self.width) for text in texts if not text}
            order = sorted((number for number, text in enumerate(texts) if text), key=lambda at: len(tokens[at]))
            for start in range(0, len(order), _TEXTS):
                part = order[start : start + _TEXTS]
                vectors = self._frozen([tokens[number] for number in part])
                yield dict(zip((texts[number] for number in part), vectors, strict=True))
                advance(start + len(part), len(order))

    def _frozen(self, tokens: list[list[int]]) -> list[np.ndarray]:
        import torch

        lengths = [len(ids) for ids in tokens]
        ids = torch.zeros(len(tokens), max(lengths), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        with torch.inference_mode():
            hidden = self._lower(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            if self.settings.tuned_layers:
                halves = hidden.half().numpy()
                return [halves[row, :length].copy() for row, length in enumerate(lengths)]
            total = (hidden * mask[:, :, None]).sum(dim=1)
            return list(torch.nn.functional.normalize(total, dim=1).numpy()[:, None, :])

    def _tokenized(self, texts: list[str]) -> list[Any]:
        result: list[Any] = self._tokenizer.encode_batch(texts) if texts else []
        return result

    @property
    def _tokenizer(self) -> Any:
        with self._loading:
            return self._loaded_tokenizer

    @property
    def _lower(self) -> Any:
        with self._loading:
            return self._loaded_lower

    @cached_property
    def _loaded_tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.settings.max_tokens)
        return tokenizer

    @cached_property
    def _loaded_lower(self) -> Any:
        model, layers = self._load()
        model.encoder.layer = layers[: self._num_frozen]
        return model.to(self._precision)

    @cached_property
    def _precision(self) -> "torch.dtype":
        import torch

        return torch.bfloat16 if multiplies_bfloat16() else torch.float32

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


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for it: elsewhere it is slower than float32."""
    import torch

    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


@contextmanager
def _progress(texts: int, model: str) -> Iterator[Callable[[int, int], None]]:
    """A bar, or a line where there is no terminal, from before the model is loaded; for few texts nothing."""
    if texts < _MANY:
        yield lambda done, total: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        _log.warning("encoding %s texts with %s", f"{texts:,}", model)
    with progress_bar(console, f"encode texts with {model}") as advance:
        advance(0, texts)
        yield advance


def _nothing(width: int) -> np.ndarray:
    return np.zeros((0, width), dtype=np.float16)
