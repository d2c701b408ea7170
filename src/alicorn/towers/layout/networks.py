"""Which channels have a network of their own: `towers.channels` for one vertical.

A network is known by the channel that says how it is, as `request.text`; one that is `shared` belongs to several.
"""

from collections.abc import Mapping
from dataclasses import replace

from alicorn.config import did_you_mean
from alicorn.errors import ConfigError
from alicorn.features.channel_id import ChannelId, Side
from alicorn.towers.settings.channels import ChannelSettings, DeepSetSettings, Network, Shared, Transformer
from alicorn.vertical import Feature, VectorsFeature

_READS = {"autodis": "numeric", "bins": "numeric", "deep_set": "vectors", "transformer": "text"}


FeaturesBySide = Mapping[Side, Mapping[str, Feature]]  # side -> name -> feature


def owners(
    channels: Mapping[str, ChannelSettings], known: FeaturesBySide, used: FeaturesBySide
) -> dict[ChannelId, ChannelId]:
    """Channel -> the channel whose network reads it. used: the features that are read as
    channels of their own name; a text that a transformer reads need not be among them.

    Raises ConfigError for a feature that is not there, and for a network that does not fit it.
    """
    found = {
        ChannelId(side, name): ChannelId(side, name)
        for side, features in used.items()
        for name, feature in features.items()
        if isinstance(feature, VectorsFeature)
    }
    for reader, settings in channels.items():
        owner = settings.channel if isinstance(settings, Shared) else reader
        of_owner = channels.get(owner, DeepSetSettings())
        (channel, feature), (owner_id, first) = _feature(reader, known), _feature(owner, known)
        _check(reader, owner, feature, first, of_owner)
        if isinstance(of_owner, Transformer):
            found[replace(channel, reader="transformer")] = owner_id
        elif channel.feature in used[channel.side]:
            found[channel] = owner_id
        else:
            raise ConfigError(f"recipe, towers.channels.{reader}: towers.features leaves it out: name it there as well")
    return found


def _feature(reader: str, known: FeaturesBySide) -> tuple[ChannelId, Feature]:
    everything = {
        str(ChannelId(side, name)): (ChannelId(side, name), feature)
        for side, features in known.items()
        for name, feature in features.items()
    }
    if reader not in everything:
        raise ConfigError(
            f"recipe, towers.channels: the vertical has no feature '{reader}'; {did_you_mean(reader, list(everything))}"
            f"features: {', '.join(everything)}"
        )
    return everything[reader]


def settings_of(owner: ChannelId, channels: Mapping[str, ChannelSettings]) -> Network:
    """How a network is; of vectors that the recipe does not name, the default."""
    settings = channels.get(str(owner), DeepSetSettings())
    assert not isinstance(settings, Shared)
    return settings


def _check(reader: str, owner: str, feature: Feature, first: Feature, settings: ChannelSettings) -> None:
    """feature: of the channel. first, settings: of the one whose network it is to have."""
    place = f"recipe, towers.channels.{reader}"
    if isinstance(settings, Shared) or first.kind != _READS[settings.kind]:
        if reader != owner:
            raise ConfigError(f"{place}.channel: '{owner}' has no network of its own: name it in towers.channels first")
        assert not isinstance(settings, Shared)
        raise ConfigError(f"{place}: '{reader}' is {feature.kind}: {settings.kind} reads {_READS[settings.kind]}")
    if feature.kind != first.kind:
        raise ConfigError(f"{place}: '{reader}' is {feature.kind}, '{owner}' {first.kind}: they cannot share")
    if isinstance(feature, VectorsFeature) and isinstance(first, VectorsFeature) and feature.dim != first.dim:
        raise ConfigError(f"{place}: '{reader}' has {feature.dim} numbers, '{owner}' {first.dim}: they cannot share")
