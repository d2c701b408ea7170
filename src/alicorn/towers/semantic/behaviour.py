"""The behaviour of a searcher as vectors that the query attends to: real-time, short and long behaviour of MGDSPR.

    real-time   LSTM of two layers with a residual between them, then self-attention
    short       self-attention
    long        one list per attribute of the documents; its elements are the means over clicks, over purchases ...

The query's representations read each (attention.read), with a zero vector before it. The oldest element comes first.
"""

from torch import Tensor, nn

from alicorn.towers.channels.attention import SelfAttention, present_of


class RealTime(nn.Module):
    """dropout: share of the first layer's output that is left out while training."""

    def __init__(self, dim: int, heads: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.first = nn.LSTM(dim, dim, batch_first=True)
        self.second = nn.LSTM(dim, dim, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.attention = SelfAttention(dim, heads)

    def forward(self, elements: Tensor, lengths: Tensor) -> Tensor:
        """(rows, longest, dim) of elements of that shape. An LSTM reads forward, so what is behind an end is unseen."""
        lower = self.dropout(self.first(elements)[0])
        result: Tensor = self.attention(self.second(lower)[0] + lower, present_of(lengths, elements.shape[1]))
        return result


class ShortTerm(nn.Module):
    """As real-time, without the LSTM."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, heads)

    def forward(self, elements: Tensor, lengths: Tensor) -> Tensor:
        """(rows, longest, dim) of elements of that shape."""
        result: Tensor = self.attention(elements, present_of(lengths, elements.shape[1]))
        return result


def means_by_kind(elements: Tensor, kinds: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """For each kind of behaviour, such as click or purchase, the mean of its elements.

    elements: (rows, longest, dim). kinds: int (rows, longest), of each element, 0 behind a row's end. wanted: (kinds,),
    none of them 0. Returns (rows, kinds, dim), and bool (rows, kinds): which kinds a row has.
    """
    shares = (kinds[:, None, :] == wanted[None, :, None]).to(elements.dtype)  # (rows, kinds, longest)
    counts = shares.sum(dim=2)
    return (shares @ elements) / counts.clamp(min=1)[:, :, None], counts > 0
