"""The networks of single channels, untrained, as a recipe describes them."""

from torch import nn

from alicorn.towers.channels.deep_set import DeepSet
from alicorn.towers.channels.numbers import AutoDisNumber, BinnedNumber
from alicorn.towers.channels.transformer import TextTransformer
from alicorn.towers.settings.channels import AutoDis, Bins, DeepSetSettings, Network, Transformer
from alicorn.vertical import Feature, VectorsFeature


def network(settings: Network, feature: Feature, table_dim: int | None) -> nn.Module:
    """An untrained one. feature: that of its owner. table_dim: of the table that a text is read through."""
    match settings:
        case AutoDis():
            return AutoDisNumber(settings.count, settings.dim, settings.temperature, settings.skip)
        case Bins():
            return BinnedNumber(settings.count, settings.dim)
        case DeepSetSettings():
            assert isinstance(feature, VectorsFeature)
            return DeepSet(feature.dim, settings.width)
        case Transformer():
            assert table_dim is not None
            return TextTransformer(table_dim, settings.dim, settings.layers, settings.heads, settings.max_tokens)


def width_of(settings: Network) -> int:
    """Of the network's vectors."""
    return settings.width if isinstance(settings, DeepSetSettings) else settings.dim
