"""Attention over lists of vectors of unequal length: within a list, and of queries over a list.

A list is padded behind its end; `present`, bool (rows, longest), is false there. What is behind an end changes
nothing, and neither does the length of the other rows of a batch.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

_NEVER = -1e9  # a logit whose softmax is 0 in float32, and finite: a list of nothing gives no NaN


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al., 2017, section 3.2). heads: a divisor of dim.

    It starts as a weighted mean: what is near before any attention is near behind it.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.inputs = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)
        with torch.no_grad():
            self.inputs.weight[2 * dim :] = torch.eye(dim)  # of the values
            self.output.weight.copy_(torch.eye(dim))
        nn.init.zeros_(self.inputs.bias)
        nn.init.zeros_(self.output.bias)

    def forward(self, elements: Tensor, present: Tensor) -> Tensor:
        """(rows, longest, dim) of elements of that shape; behind a row's end they are zero."""
        rows, longest, dim = elements.shape
        split = self.inputs(elements).view(rows, longest, 3, self._heads, dim // self._heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (rows, heads, longest, dim / heads)
        unseen = torch.zeros_like(present, dtype=elements.dtype).masked_fill(~present, _NEVER)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=unseen[:, None, None, :])
        result: Tensor = self.output(seen.transpose(1, 2).reshape(rows, longest, dim)) * present[:, :, None]
        return result


class TransformerLayer(nn.Module):
    """Self-attention and a network per element, added to their input and normalised (Vaswani et al., section 3.1).

    The network starts at zero, as the hidden layers of other fusions do.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, heads)
        self.attended = nn.LayerNorm(dim)
        self.wide = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.changed = nn.LayerNorm(dim)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, elements: Tensor, present: Tensor) -> Tensor:
        """(rows, longest, dim) of elements of that shape; those behind a row's end mean nothing."""
        elements = self.attended(elements + self.attention(elements, present))
        result: Tensor = self.changed(elements + self.narrow(torch.relu(self.wide(elements))))
        return result


def read(queries: Tensor, elements: Tensor, present: Tensor, zero_vector: bool = False) -> tuple[Tensor, Tensor]:
    """softmax(Q X^T) X of each row: what each query finds in a list (MGDSPR, KDD 2021).

    queries: (rows, queries, dim). elements: (rows, longest, dim). zero_vector: a zero is put before the elements, so
    that a query which fits none of them can leave all of them out.
    Returns (rows, queries, dim), zero for a row without elements; and the weights, (rows, queries, longest), with the
    zero vector's first where there is one: (rows, queries, 1 + longest).
    """
    logits = (queries @ elements.transpose(1, 2)).masked_fill(~present[:, None, :], _NEVER)
    if zero_vector:
        logits = torch.cat([torch.zeros_like(logits[:, :, :1]), logits], dim=2)
    weights = torch.softmax(logits, dim=2)
    of_elements = weights[:, :, 1:] if zero_vector else weights * present[:, None, :]
    return of_elements @ elements, weights


def present_of(lengths: Tensor, longest: int) -> Tensor:
    """bool (rows, longest): which places are before the end of lists of these lengths, int64 (rows,)."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]
