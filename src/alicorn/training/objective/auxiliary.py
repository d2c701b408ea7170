"""A second task for the document tower: which frequent queries is it chosen for?

Que2Search: a small network and a softmax over the most frequent queries read the document's
embedding; a document chosen for k of them has target 1/k for each. It is used in training alone, and not served.
"""

import torch
from torch import Tensor, nn


class AuxiliaryHead(nn.Module):
    """From embeddings (rows, dim) to logits (rows, num_queries)."""

    def __init__(self, dim: int, hidden: int, num_queries: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hidden = nn.Linear(dim, hidden)
            self.output = nn.Linear(hidden, num_queries)

    def forward(self, embeddings: Tensor) -> Tensor:
        result: Tensor = self.output(torch.relu(self.hidden(embeddings)))
        return result


def multi_label_loss(logits: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
    """Mean over labelled rows of -sum over their k labels of log softmax / k; 0 where no row has one. A scalar, nats.

    logits: (documents, num_queries). rows, labels: int64 (labels,), row and query of each label.
    """
    if len(rows) == 0:
        return logits.sum() * 0.0
    shares = 1.0 / torch.bincount(rows, minlength=len(logits)).clamp(min=1).to(logits.dtype)
    terms = torch.log_softmax(logits, dim=1)[rows, labels] * shares[rows]
    return -terms.sum() / len(torch.unique(rows))
