"""The recipe's sections that say what is minimised: `loss`, `auxiliary`, `blending`, `diversity`. Part of recipe.py.

    loss: {kind: softmax, scale: 20, symmetric: false}     # or {kind: triplet, margin: 0.5}, {kind: bpr, scale: 20},
    #     {kind: margin_mse, scale: 20}, where the pairs were mined with a teacher
    auxiliary: {queries: 5000, hidden: 128, weight: 0.1}   # which queries a document was chosen for: auxiliary.py
    blending: {fused: 1.0, channel: 0.1, channels: {request.text: 0.3}}     # a loss for every channel: objective.py
    diversity: {kind: entropy, weight: 0.01}               # or centre, pairs: losses/diversity.py

Que2Search's second stage is `{kind: triplet, margin: 0.1, reduction: sum}` with negatives `{random: 0, in_batch: false,
online_hard: 1}`: margin rank against the hardest other positive of the batch.
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from alicorn.config import Config

# Over the requests of a batch. The steps of Adam and Adagrad do not change with it, but for their small epsilon, until
# a gradient is clipped or a second loss is added, whose share of the whole it then decides.
Reduction = Literal["mean", "sum"]


class SoftmaxLoss(Config):
    """losses/softmax.py. scale: the inverse of the temperature, 15-20 in Que2Search. symmetric: losses/symmetric.py."""

    kind: Literal["softmax"] = "softmax"
    scale: PositiveFloat = 20.0
    symmetric: bool = False


class TripletLoss(Config):
    """losses/triplet.py. margin: in cosine distance; tune it, recall moved by 5-10 % with it in EBR."""

    kind: Literal["triplet"]
    margin: PositiveFloat = 0.5
    reduction: Reduction = "mean"


class BPRLoss(Config):
    """losses/pairwise.py. scale: what a cosine is multiplied by."""

    kind: Literal["bpr"]
    scale: PositiveFloat = 20.0
    reduction: Reduction = "mean"


class MarginMSELoss(Config):
    """losses/margin_mse.py: the margins of a teacher, which `--teacher` of `alicorn mine` asks about what a search
    showed. scale: what a difference of cosines is multiplied by before it is compared with a difference of scores."""

    kind: Literal["margin_mse"]
    scale: PositiveFloat = 20.0


Loss = Annotated[SoftmaxLoss | TripletLoss | BPRLoss | MarginMSELoss, Field(discriminator="kind")]


class Auxiliary(Config):
    """auxiliary.py. queries: how many of the most frequent ones. hidden: width of the head. weight: of its loss beside
    the main one."""

    queries: Annotated[int, Field(ge=2)] = 5000
    hidden: PositiveInt = 128
    weight: PositiveFloat = 0.1


class Blending(Config):
    """Gradient blending (Wang et al., CVPR 2020): a loss for each channel, against the other side's embedding, is
    added to the loss of the whole embeddings.

    fused: weight of the latter. channel: weight of a channel that `channels` does not name as `side.feature`.
    """

    fused: PositiveFloat = 1.0
    channel: NonNegativeFloat = 0.1
    channels: dict[str, NonNegativeFloat] = Field(default_factory=dict)

    def weight(self, name: str) -> float:
        """Of the channel `side.feature`."""
        return self.channels.get(name, self.channel)


class Diversity(Config):
    """A regulariser of several interests (DRIM): losses/diversity.py. weight: of it beside the main loss.

    For K interests the term is within ln K of 0 (entropy), K (centre), or K^2 (pairs): scale `weight` accordingly.
    """

    kind: Literal["entropy", "centre", "pairs"] = "entropy"
    weight: PositiveFloat = 0.01
