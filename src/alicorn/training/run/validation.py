"""Recall@K by exact search over all documents, and ROC AUC, after every epoch.

recall@K of a search is the share of its targets among the K nearest documents (EBR 2.1); documents of equal
cosine keep the order of their rows. The cosine of a request with several interests is the greatest of theirs.
evaluation/ measures a finished model; this is the short form for the loop.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from alicorn.features import Features
from alicorn.towers import TwoTower
from alicorn.towers.channels.tensors import batch_tensors
from alicorn.training.examples.data import ValidationData
from alicorn.training.ranks import Ranks

_ROWS = 4096  # documents encoded at once
_CELLS = 1 << 23  # similarities held at once
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


class Measured(NamedTuple):
    """recall: k -> recall@k of each search, float64 (searches,); empty without searches. auc: ROC AUC of the cosine,
    None where there is nothing to compare with."""

    recall: dict[int, np.ndarray]
    auc: float | None


class PairedDifference(NamedTuple):
    """A mean difference over searches, and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_difference(values: np.ndarray, others: np.ndarray) -> PairedDifference:
    """Of two systems on the same searches, both (searches,), with a normal interval of the mean.

    evaluation/metrics/bootstrap.py resamples instead, which differs where searches are few.
    """
    differences = values - others
    mean = float(differences.mean())
    half = 1.96 * float(differences.std()) / max(1, len(differences)) ** 0.5
    return PairedDifference(mean, mean - half, mean + half)


@torch.inference_mode()
def encode_corpus(module: TwoTower, documents: Features, device: torch.device, ranks: Ranks) -> Tensor:
    """(documents, dim), unit length, on the device; each process encodes its share."""
    share = ranks.encoded(len(documents))
    rows = [np.arange(start, min(start + _ROWS, share.stop)) for start in range(share.start, share.stop, _ROWS)]
    own = torch.cat([module.encode_documents(batch_tensors(documents.take(part), device)) for part in rows])
    return ranks.gathered(own, len(documents))


@torch.inference_mode()
def validate(
    module: TwoTower, corpus: Tensor, validation: ValidationData, ks: tuple[int, ...], device: torch.device
) -> Measured:
    """corpus: the documents' embeddings. Empty where there is no search to validate on."""
    if len(validation.requests) == 0:
        return Measured({}, None)
    requests = torch.cat([module.encode_interests(batch_tensors(part, device)) for part in _parts(validation.requests)])
    sizes, rows = np.diff(validation.offsets), validation.rows
    ranks = _ranks(requests, corpus, rows, validation.targets)
    starts = validation.offsets[:-1]
    recall = {k: np.add.reduceat(ranks < k, starts) / sizes for k in ks}
    shown, wrong = validation.wrong
    compared = np.isin(rows, shown)
    right = _cosines(requests, corpus, rows[compared], validation.targets[compared])
    return Measured(recall, roc_auc(right, _cosines(requests, corpus, shown, wrong)) if len(shown) else None)


def roc_auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Probability that a positive has a greater value than a negative, a tie counting half (Mann and Whitney).

    positives, negatives: (n,) and (m,), neither empty. Over all of them at once, as Que2Search measures the cosine
    against labels (Que2Search): values of different searches are compared.
    """
    ordered = np.sort(negatives)
    below, upto = (np.searchsorted(ordered, positives, side) for side in _SIDES)
    return float(np.mean(below + upto) / (2 * len(negatives)))


def _cosines(requests: Tensor, corpus: Tensor, rows: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """float32 (pairs,)."""
    found = corpus[torch.from_numpy(documents).to(corpus.device)]
    asked = requests[torch.from_numpy(rows).to(requests.device)]  # (pairs, interests, dim)
    return (asked * found[:, None]).sum(dim=2).amax(dim=1).cpu().numpy()


def _ranks(requests: Tensor, corpus: Tensor, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Rank from 0 of each target among all documents for its request. requests: (rows, interests, dim)."""
    ranks = np.empty(len(targets), dtype=np.int64)
    numbers = torch.arange(len(corpus), device=corpus.device)
    step = max(1, _CELLS // (len(corpus) * requests.shape[1]))
    for start in range(0, len(targets), step):
        part = slice(start, start + step)
        wanted = torch.from_numpy(targets[part]).to(corpus.device)[:, None]
        asked = requests[torch.from_numpy(rows[part]).to(corpus.device)]
        scores = (asked @ corpus.T).amax(dim=1)  # (targets, documents)
        own = scores.gather(1, wanted)
        ahead = ~(scores <= own) | ((scores == own) & (numbers < wanted))  # NaN counts as ahead
        ranks[part] = ahead.sum(dim=1).cpu().numpy()
    return ranks


def _parts(features: Features) -> list[Features]:
    return [
        features.take(np.arange(start, min(start + _ROWS, len(features)))) for start in range(0, len(features), _ROWS)
    ]
