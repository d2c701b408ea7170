"""Offline hard negatives of the training pairs, by the model as it is now.

Documents of a random shard and all requests are encoded, the search that was passed in ranks the shard for every
request, and what is in the window is kept as candidates. They are written beside the checkpoint, so that a resumed
run learns from the same ones.
"""

from pathlib import Path

import numpy as np
import torch

from alicorn.features import Features
from alicorn.negatives import OwnNegatives, Search, Shard, hard_of
from alicorn.towers import TwoTower
from alicorn.towers.channels.tensors import batch_tensors
from alicorn.training.examples.data import TrainingData
from alicorn.training.objective.objective import nearest_interest
from alicorn.training.recipe.negative_settings import Mined

_ROWS = 4096  # encoded at once
_REQUESTS = 1 << 14  # searched at once


def mined_once(
    path: Path, module: TwoTower, data: TrainingData, settings: Mined, search: Search, seed: tuple[int, ...]
) -> OwnNegatives:
    """The candidates in the file at `path` (.npz), which is written by the first call. seed: of shard and choice."""
    if not path.exists():
        pairs, documents = mine_hard(module, data, settings, search, np.random.default_rng(seed))
        partial = path.with_name(f"partial-{path.name}")
        np.savez(partial, pairs=pairs, documents=documents)
        partial.replace(path)
    with np.load(path) as found:
        return OwnNegatives.of(found["pairs"], found["documents"], len(data.positives), settings.per_positive)


def mine_hard(
    module: TwoTower, data: TrainingData, settings: Mined, search: Search, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pair and document number of each candidate, both int64."""
    shard = Shard.drawn(len(data.documents), settings.shard, settings.ranks, rng)
    corpus = _encoded(module, data.documents, shard.documents)
    found = []
    for start in range(0, len(data.positives), _REQUESTS):
        rows = np.arange(start, min(start + _REQUESTS, len(data.positives)))
        ranked = search(corpus, _requests(module, data, rows), shard.last)
        at, documents = hard_of(ranked, shard, rng)
        found.append((rows[at], documents))
    pairs, documents = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return pairs, documents


@torch.inference_mode()
def _encoded(module: TwoTower, documents: Features, rows: np.ndarray) -> np.ndarray:
    """float32 (rows, dim), unit length."""
    device = next(module.parameters()).device
    parts = [documents.take(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
    return torch.cat([module.encode_documents(batch_tensors(part, device)) for part in parts]).cpu().numpy()


@torch.inference_mode()
def _requests(module: TwoTower, data: TrainingData, rows: np.ndarray) -> np.ndarray:
    """float32 (rows, dim), unit length: of each request the interest that learns from its positive."""
    device = next(module.parameters()).device
    found = []
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        interests = module.encode_interests(batch_tensors(data.requests.take(part), device))
        chosen = torch.zeros(len(part), dtype=torch.int64, device=device)
        if module.interests > 1:
            positives = module.encode_documents(batch_tensors(data.documents.take(data.positives[part]), device))
            chosen = nearest_interest(interests, positives)
        found.append(interests[torch.arange(len(part), device=device), chosen])
    return torch.cat(found).cpu().numpy()
