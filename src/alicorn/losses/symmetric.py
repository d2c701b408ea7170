"""The softmax both ways: documents of the batch for a request, and requests of the batch for a document.

Known elsewhere as MultipleNegativesSymmetricRankingLoss (sentence-transformers) and as the loss of CLIP.
"""

from torch import Tensor

from alicorn.losses.softmax import softmax_loss


def symmetric_softmax_loss(
    requests: Tensor,
    documents: Tensor,
    allowed: Tensor,
    scale: float,
    log_q: Tensor | None = None,
    own: Tensor | None = None,
) -> Tensor:
    """Mean of softmax_loss and of the softmax of each positive document over the requests of the batch.

    Arguments as in softmax_loss. Request j takes part against positive i where document i may be a negative of it,
    allowed[j, i]: so a known positive is masked both ways. Columns behind the positives, and own ones, have no request
    and take part the first way only; log_q is constant over a document's requests and cancels in the second.
    Source: Que2Search (KDD 2021).
    """
    batch = len(requests)
    forward = softmax_loss(requests, documents, allowed, scale, log_q, own)
    return (forward + softmax_loss(documents[:batch], requests, allowed[:, :batch].T, scale)) / 2
