"""The loss of a batch in one stage, and its negatives: of the batch, remembered, and generated.

Embeddings in, a scalar out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from alicorn.features import ChannelId
from alicorn.losses import (
    bpr_loss,
    centre_distance,
    margin_mse_loss,
    max_entropy,
    pair_difference,
    softmax_loss,
    symmetric_softmax_loss,
    triplet_loss,
)
from alicorn.negatives import Memory, StreamingPopularity, interpolated, online_hard
from alicorn.towers import TwoTower
from alicorn.training.examples.batches import PairBatch
from alicorn.training.examples.data import TrainingData
from alicorn.training.objective.auxiliary import AuxiliaryHead, multi_label_loss
from alicorn.training.ranks import ALONE, Ranks
from alicorn.training.recipe.loss_settings import Diversity, Loss, MarginMSELoss, SoftmaxLoss, TripletLoss
from alicorn.training.recipe.recipe import Recipe


@dataclass(frozen=True, eq=False)
class NegativeColumns:
    """What the documents of a batch are to its requests; columns may be more than the batch has, as remembered ones.

    remembered: (more, dim), columns behind those of the batch. allowed: bool (batch, columns). log_q, weights:
    (columns,) or None, as in PairBatch. mixing: (batch, count) or None, the shares of generated negatives. margins:
    (batch, columns of the batch) or None, the teacher's.
    """

    remembered: Tensor
    allowed: Tensor
    log_q: Tensor | None
    weights: Tensor | None
    mixing: Tensor | None
    margins: Tensor | None

    def first(self, columns: int) -> "NegativeColumns":
        """Without what is remembered."""
        log_q = None if self.log_q is None else self.log_q[:columns]
        weights = None if self.weights is None else self.weights[:columns]
        return NegativeColumns(
            self.remembered[:0], self.allowed[:, :columns], log_q, weights, self.mixing, self.margins
        )


class EmbeddedBatch(NamedTuple):
    """A batch as embeddings of unit length. requests: (batch, dim). documents: (columns, dim), the positives first.

    request_channels, document_channels: what each channel alone says, as long as its side; empty
    unless gradients are blended. interests: (batch, interests, dim), of which each request is the one nearest to its
    positive; None where there is one.
    """

    requests: Tensor
    documents: Tensor
    request_channels: Mapping[ChannelId, Tensor]
    document_channels: Mapping[ChannelId, Tensor]
    interests: Tensor | None = None


class Objective:
    """The loss of one stage. What it knows of earlier batches begins anew with each stage.

    head: of the auxiliary task, learned over all stages; None where the recipe has none.
    """

    def __init__(
        self,
        stage: Recipe,
        data: TrainingData,
        dim: int,
        head: AuxiliaryHead | None,
        device: torch.device,
        ranks: Ranks = ALONE,
    ):
        self._ranks = ranks
        self._stage, self._data, self._head, self._device = stage, data, head, device
        negatives = stage.negatives
        kept, stream = negatives.memory, negatives.streaming
        self._memory = Memory(kept.size, dim, kept.warm_up, device) if kept else None
        gap = max(1.0, len(data.documents) / stage.batch)  # of a document as frequent as the others
        self.streaming = (
            StreamingPopularity(stream.rate, stream.slots, stream.hashes, gap, stage.seed) if stream else None
        )

    def embedded(self, module: TwoTower, batch: PairBatch) -> EmbeddedBatch:
        """The batch through the towers."""
        of_documents: dict[ChannelId, Tensor] = {}
        of_requests: dict[ChannelId, Tensor] = {}
        if self._stage.blending is None:
            documents = module.encode_documents(batch.documents)
            requests = module.encode_interests(batch.requests).flatten(0, 1)
        else:
            documents, of_documents, _ = module.document_channels(batch.documents)
            requests, of_requests, _ = module.request_channels(batch.requests)
        documents, of_documents = self._of_all(documents, of_documents, len(batch.numbers), 1)
        requests, of_requests = self._of_all(requests, of_requests, batch.size, module.interests)
        if module.interests == 1:
            return EmbeddedBatch(requests, documents, of_requests, of_documents)
        interests = requests.unflatten(0, (-1, module.interests))
        rows = nearest_interest(interests, documents[: batch.size])
        rows += module.interests * torch.arange(batch.size, device=rows.device)
        of_requests = {name: channel[rows] for name, channel in of_requests.items()}
        return EmbeddedBatch(requests[rows], documents, of_requests, of_documents, interests)

    def _of_all(
        self, whole: Tensor, channels: Mapping[ChannelId, Tensor], rows: int, interests: int
    ) -> tuple[Tensor, dict[ChannelId, Tensor]]:
        """The embeddings of all processes, (rows x interests, dim)."""

        def gathered(part: Tensor) -> Tensor:
            return self._ranks.gathered(part.unflatten(0, (-1, interests)), rows).flatten(0, 1)

        return gathered(whole), {name: gathered(channel) for name, channel in channels.items()}

    def loss(self, batch: PairBatch, embedded: EmbeddedBatch) -> Tensor:
        """A scalar."""
        negatives = self._negatives(batch, embedded.requests, embedded.documents)
        loss = self._blended(embedded, negatives)
        positives, numbers = embedded.documents[: batch.size], batch.numbers[: batch.size]
        if self._memory is not None:
            self._memory.push(positives, numbers, None if batch.log_q is None else batch.log_q[: batch.size])
        if self._head is not None and self._stage.auxiliary is not None:
            loss = loss + self._stage.auxiliary.weight * self._auxiliary(self._head, positives, numbers)
        if self._stage.diversity is not None and embedded.interests is not None:
            loss = loss + self._stage.diversity.weight * regulariser(self._stage.diversity, embedded.interests)
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

    def _blended(self, embedded: EmbeddedBatch, negatives: NegativeColumns) -> Tensor:
        """w_0 l(F_q, F_d) + sum_i w_i l(q_i, F_d) + sum_j w_j l(F_q, d_j), of the channels i and j.

        The whole embeddings decide once which document is a negative of which request. Remembered embeddings are whole
        ones: they are not negatives for the loss of a channel. Source: gradient blending (Wang et al., CVPR 2020).
        """
        requests, documents = embedded.requests, embedded.documents
        loss = batch_loss(self._stage.loss, requests, documents, negatives)
        blending = self._stage.blending
        if blending is None:
            return loss
        of_batch = negatives.first(len(documents))
        terms = [blending.fused * loss]
        for name, channel in embedded.request_channels.items():
            if weight := blending.weight(str(name)):
                terms.append(weight * batch_loss(self._stage.loss, channel, documents, negatives))
        for name, channel in embedded.document_channels.items():
            if weight := blending.weight(str(name)):
                terms.append(weight * batch_loss(self._stage.loss, requests, channel, of_batch))
        return torch.stack(terms).sum()

    def _auxiliary(self, head: AuxiliaryHead, positives: Tensor, numbers: np.ndarray) -> Tensor:
        """The loss of telling which queries the positives were chosen for."""
        assert self._data.queries is not None
        labels = self._data.queries.labels(numbers)
        return multi_label_loss(head(positives), *(torch.from_numpy(part).to(self._device) for part in labels))

    def _negatives(self, batch: PairBatch, requests: Tensor, documents: Tensor) -> NegativeColumns:
        allowed = batch.allowed
        if per_positive := self._stage.negatives.online_hard:
            allowed = _hardest(requests, documents, allowed, per_positive)
        if self._memory is None:
            remembered = documents[:0]
            return NegativeColumns(remembered, allowed, batch.log_q, batch.weights, batch.mixing, batch.margins)
        kept = self._memory.remembered()
        chosen = torch.from_numpy(self._data.known.mask(batch.pairs, kept.documents)).to(self._device)
        ones = torch.ones(len(kept.documents), device=self._device)
        return NegativeColumns(
            kept.embeddings,
            torch.cat([allowed, ~chosen], dim=1),
            None if batch.log_q is None else torch.cat([batch.log_q, kept.log_q]),
            None if batch.weights is None else torch.cat([batch.weights, ones]),
            batch.mixing,
            batch.margins,
        )


def batch_loss(loss: Loss, requests: Tensor, documents: Tensor, negatives: NegativeColumns) -> Tensor:
    """The loss that a recipe names, of embeddings: a scalar."""
    columns = torch.cat([documents, negatives.remembered]) if len(negatives.remembered) else documents
    allowed = negatives.allowed
    if isinstance(loss, SoftmaxLoss):
        own = None if negatives.mixing is None else interpolated(requests, columns, allowed, negatives.mixing)
        of_softmax = symmetric_softmax_loss if loss.symmetric else softmax_loss
        return of_softmax(requests, columns, allowed, loss.scale, negatives.log_q, own)
    if isinstance(loss, MarginMSELoss):
        assert negatives.margins is not None
        return margin_mse_loss(requests, documents, negatives.margins, loss.scale)
    if isinstance(loss, TripletLoss):
        mean = triplet_loss(requests, columns, allowed, loss.margin, negatives.weights)
    else:
        mean = bpr_loss(requests, columns, allowed, loss.scale, negatives.weights)
    return mean * len(requests) if loss.reduction == "sum" else mean


@torch.no_grad()
def nearest_interest(interests: Tensor, positives: Tensor) -> Tensor:
    """int64 (batch,): of each request the interest that its positive is nearest to, which alone learns from it.

    interests: (batch, interests, dim). positives: (batch, dim). Source: DRIM.
    """
    return (interests @ positives[:, :, None]).squeeze(2).argmax(dim=1)


def regulariser(diversity: Diversity, interests: Tensor) -> Tensor:
    """The regulariser that a recipe names, a scalar. interests: (batch, interests, dim)."""
    match diversity.kind:
        case "entropy":
            return max_entropy(interests)
        case "centre":
            return centre_distance(interests)
        case "pairs":
            return pair_difference(interests)


@torch.no_grad()
def batch_recall(requests: Tensor, documents: Tensor, k: int) -> float:
    """Share of the batch whose positive is among the k nearest of all the batch's positives; ties count for it.

    requests, documents: (batch, dim). A cheap monitor of training (Que2Search): it rises with smaller
    batches, and knows nothing of documents outside.
    """
    similarity = requests @ documents.T
    ahead = (~(similarity <= similarity.diagonal()[:, None])).sum(dim=1)  # NaN counts as ahead
    return float(np.mean(ahead.cpu().numpy() < k))


@torch.no_grad()
def _hardest(requests: Tensor, documents: Tensor, allowed: Tensor, per_positive: int) -> Tensor:
    """Of the batch's positives only the most similar ones; all other columns as they are."""
    batch = len(requests)
    hard = online_hard(requests @ documents[:batch].T, allowed[:, :batch], per_positive)
    return torch.cat([hard, allowed[:, batch:]], dim=1)
