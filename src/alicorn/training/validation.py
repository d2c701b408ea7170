"""Recall@K by exact search over all documents, after every epoch. Used by loop.py to stop and to choose weights.

recall@K of a search is the share of its targets among the K nearest documents (papers.md 1.1); documents of equal
cosine stand in row order. evaluation/ measures a finished model; this is the short form for the loop.
"""

import numpy as np
import torch
from torch import Tensor

from alicorn.features import Features
from alicorn.towers import Unified
from alicorn.towers.channels import batch_tensors
from alicorn.training.data import ValidationData

_ROWS = 4096  # documents encoded at once
_CELLS = 1 << 23  # similarities held at once


@torch.inference_mode()
def recall(
    module: Unified, documents: Features, validation: ValidationData, ks: tuple[int, ...], device: torch.device
) -> dict[int, float]:
    """k -> mean recall@k; empty where there is no search to validate on."""
    if len(validation.requests) == 0:
        return {}
    corpus = torch.cat([module.encode_documents(batch_tensors(part, device)) for part in _parts(documents)])
    requests = torch.cat([module.encode_requests(batch_tensors(part, device)) for part in _parts(validation.requests)])
    sizes = np.diff(validation.offsets)
    ranks = _ranks(requests, corpus, np.repeat(np.arange(len(sizes)), sizes), validation.targets)
    starts = validation.offsets[:-1]
    return {k: float(np.mean(np.add.reduceat(ranks < k, starts) / sizes)) for k in ks}


def _ranks(requests: Tensor, corpus: Tensor, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Rank from 0 of each target among all documents for its request."""
    ranks = np.empty(len(targets), dtype=np.int64)
    numbers = torch.arange(len(corpus), device=corpus.device)
    step = max(1, _CELLS // len(corpus))
    for start in range(0, len(targets), step):
        part = slice(start, start + step)
        wanted = torch.from_numpy(targets[part]).to(corpus.device)[:, None]
        scores = requests[torch.from_numpy(rows[part]).to(corpus.device)] @ corpus.T
        own = scores.gather(1, wanted)
        ahead = (scores > own) | ((scores == own) & (numbers < wanted))
        ranks[part] = ahead.sum(dim=1).cpu().numpy()
    return ranks


def _parts(features: Features) -> list[Features]:
    return [
        features.take(np.arange(start, min(start + _ROWS, len(features)))) for start in range(0, len(features), _ROWS)
    ]
