"""What a batch is to minimise in one stage: its negatives, those remembered or made among them, and the loss of them.

Called by loop.py. Embeddings in, a scalar out; the towers are read through `encode_requests` and `encode_documents`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alicorn.losses import bpr_loss, softmax_loss, symmetric_softmax_loss, triplet_loss
from alicorn.negatives import Memory, StreamingPopularity, interpolated, online_hard
from alicorn.training.auxiliary import AuxiliaryHead, multi_label_loss
from alicorn.training.batches import PairBatch
from alicorn.training.data import TrainingData
from alicorn.training.loss_settings import Loss, SoftmaxLoss, TripletLoss
from alicorn.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Negatives:
    """What the documents of a batch are to its requests; columns may be more than the batch has, as remembered ones.

    remembered: (more, dim), columns behind those of the batch. allowed: bool (batch, columns). log_q, weights:
    (columns,) or None, as in PairBatch. mixing: (batch, count) or None, the shares of generated negatives.
    """

    remembered: Tensor
    allowed: Tensor
    log_q: Tensor | None
    weights: Tensor | None
    mixing: Tensor | None


class Objective:
    """The loss of one stage. What it knows of earlier batches begins anew with each stage.

    head: of the auxiliary task, learned over all stages; None where the recipe has none.
    """

    def __init__(self, step: Recipe, data: TrainingData, dim: int, head: AuxiliaryHead | None, device: torch.device):
        self._step, self._data, self._head, self._device = step, data, head, device
        negatives = step.negatives
        kept, stream = negatives.memory, negatives.streaming
        self._memory = Memory(kept.size, dim, kept.warm_up, device) if kept else None
        gap = max(1.0, len(data.documents) / step.batch)  # of a document as frequent as the others
        self.streaming = (
            StreamingPopularity(stream.rate, stream.slots, stream.hashes, gap, step.seed) if stream else None
        )

    def loss(self, batch: PairBatch, requests: Tensor, documents: Tensor) -> Tensor:
        """A scalar. requests: (batch, dim). documents: (columns, dim), the positives first; both of unit length."""
        negatives = self._negatives(batch, requests, documents)
        loss = batch_loss(self._step.loss, requests, documents, negatives)
        positives, numbers = documents[: batch.size], batch.numbers[: batch.size]
        if self._memory is not None:
            self._memory.push(positives, numbers, None if batch.log_q is None else batch.log_q[: batch.size])
        if self._head is not None and self._step.auxiliary is not None:
            loss = loss + self._step.auxiliary.weight * self._auxiliary(self._head, positives, numbers)
        return loss

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        kept = {"memory": self._memory, "streaming": self.streaming}
        return {name: one.state() for name, one in kept.items() if one is not None}

    def load_state(self, state: dict[str, Any]) -> None:
        if self._memory is not None:
            self._memory.load_state(state["memory"])
        if self.streaming is not None:
            self.streaming.load_state(state["streaming"])

    def _auxiliary(self, head: AuxiliaryHead, positives: Tensor, numbers: np.ndarray) -> Tensor:
        """The loss of telling which queries the positives were chosen for."""
        assert self._data.queries is not None
        labels = self._data.queries.labels(numbers)
        return multi_label_loss(head(positives), *(torch.from_numpy(part).to(self._device) for part in labels))

    def _negatives(self, batch: PairBatch, requests: Tensor, documents: Tensor) -> Negatives:
        allowed = batch.allowed
        if per_positive := self._step.negatives.online_hard:
            allowed = _hardest(requests, documents, allowed, per_positive)
        if self._memory is None:
            remembered = documents[:0]
            return Negatives(remembered, allowed, batch.log_q, batch.weights, batch.mixing)
        kept = self._memory.remembered()
        chosen = torch.from_numpy(self._data.known.mask(batch.pairs, kept.documents)).to(self._device)
        ones = torch.ones(len(kept.documents), device=self._device)
        return Negatives(
            kept.embeddings,
            torch.cat([allowed, ~chosen], dim=1),
            None if batch.log_q is None else torch.cat([batch.log_q, kept.log_q]),
            None if batch.weights is None else torch.cat([batch.weights, ones]),
            batch.mixing,
        )


def batch_loss(loss: Loss, requests: Tensor, documents: Tensor, negatives: Negatives) -> Tensor:
    """The loss that a recipe names, of embeddings: a scalar."""
    columns = torch.cat([documents, negatives.remembered]) if len(negatives.remembered) else documents
    allowed = negatives.allowed
    if isinstance(loss, SoftmaxLoss):
        own = None if negatives.mixing is None else interpolated(requests, columns, allowed, negatives.mixing)
        of_softmax = symmetric_softmax_loss if loss.symmetric else softmax_loss
        return of_softmax(requests, columns, allowed, loss.scale, negatives.log_q, own)
    if isinstance(loss, TripletLoss):
        mean = triplet_loss(requests, columns, allowed, loss.margin, negatives.weights)
    else:
        mean = bpr_loss(requests, columns, allowed, loss.scale, negatives.weights)
    return mean * len(requests) if loss.reduction == "sum" else mean


@torch.no_grad()
def batch_recall(requests: Tensor, documents: Tensor, k: int) -> float:
    """Share of the batch whose positive is among the k nearest of all the batch's positives; ties count for it.

    requests, documents: (batch, dim). A cheap monitor of training (Que2Search, papers.md 3.3): it rises with smaller
    batches, and knows nothing of documents outside.
    """
    similarity = requests @ documents.T
    ahead = (similarity > similarity.diagonal()[:, None]).sum(dim=1)
    return float(np.mean(ahead.cpu().numpy() < k))


@torch.no_grad()
def _hardest(requests: Tensor, documents: Tensor, allowed: Tensor, per_positive: int) -> Tensor:
    """Of the batch's positives only the most similar ones; all other columns as they are."""
    batch = len(requests)
    hard = online_hard(requests @ documents[:batch].T, allowed[:, :batch], per_positive)
    return torch.cat([hard, allowed[:, batch:]], dim=1)
