"""What the `towers` section of a recipe means for one vertical: channels, tables and networks, every default filled in.

A feature reads the table that lists it; else text reads `text`, an id feature the table of its own name, and the part
`brand` of a sequence the table `brand`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from alicorn.config import did_you_mean
from alicorn.errors import ConfigError
from alicorn.features.channel_id import SIDES, ChannelId, Side
from alicorn.features.kinds.granular import GranularText
from alicorn.features.kinds.text import OrderedText
from alicorn.towers.layout.networks import FeaturesBySide, owners, settings_of
from alicorn.towers.settings.channels import Network, Transformer
from alicorn.towers.settings.semantic import Semantic
from alicorn.towers.settings.tables import DHE, BucketTable, Hashed, buckets_of
from alicorn.towers.settings.towers import CapsuleSettings, Towers
from alicorn.vertical import (
    Feature,
    IdFeature,
    IdsFeature,
    SequenceFeature,
    TextFeature,
    Vertical,
)

_TEXT = "text"

# 2^17 rows: the names of 20,000 people and their misspelled queries have about 60,000 distinct n-grams.
_TEXT_BUCKETS = 1 << 17
_ID_TABLE = BucketTable(buckets=1 << 14, dim=16)


@dataclass(frozen=True)
class Half:
    """One side of the towers. features: those that are read, by name. tables: of each channel that reads some, their
    names; a sequence reads one for each part, other channels read one, and a dense or numeric channel none.

    encoded: channels of the pretrained encoder. granular: channels that read a text feature in other ways than its
    n-grams, instead of them. ordered: channels of a text's tokens in order. owners: channels that a network reads ->
    the one of them that says how the network is. interests: of the request, where it has several embeddings.
    """

    side: Side
    features: Mapping[str, Feature]
    tables: Mapping[ChannelId, tuple[str, ...]]
    encoded: Mapping[ChannelId, TextFeature]
    granular: Mapping[ChannelId, GranularText] = field(default_factory=dict)
    ordered: Mapping[ChannelId, OrderedText] = field(default_factory=dict)
    owners: Mapping[ChannelId, ChannelId] = field(default_factory=dict)
    interests: CapsuleSettings | None = None

    def own(self, feature: str) -> ChannelId:
        """The channel of a feature as it is."""
        return ChannelId(self.side, feature)

    def reading(self, table: str) -> Iterator[Feature]:
        """The features that read a table."""
        for channel, tables in self.tables.items():
            if table in tables and channel not in self.granular:
                ordered = self.ordered.get(channel)
                yield ordered.feature if ordered else self.features[channel.feature]


@dataclass(frozen=True)
class Layout:
    """The towers of one recipe over one vertical. networks: by the channel that says how it is, the settings and the
    feature it reads."""

    request: Half
    document: Half
    tables: Mapping[str, BucketTable | Hashed | DHE]
    networks: Mapping[ChannelId, tuple[Network, Feature]]

    def half(self, side: Side) -> Half:
        return self.request if side == "request" else self.document

    def buckets(self, side: Side) -> dict[ChannelId, tuple[int, ...]]:
        """Of the tables that each channel reads, their sizes."""
        of_side = self.half(side).tables.items()
        return {channel: tuple(buckets_of(self.tables[table]) for table in tables) for channel, tables in of_side}

    def readers(self, table: str) -> list[str]:
        """The channels, and parts of sequences, that read a table, as a recipe names them."""
        return [
            name
            for half in (self.request, self.document)
            for channel, tables in half.tables.items()
            if channel not in half.granular
            for name, read in zip(part_names(channel, half.features.get(channel.feature)), tables, strict=True)
            if read == table
        ]


def layout(towers: Towers, vertical: Vertical) -> Layout:
    """Raises ConfigError for a feature that the vertical does not have, for one that lists two tables, for an encoder
    that would read something else than text, and for interests in something else than a sequence."""
    known: FeaturesBySide = {"request": vertical.request.features, "document": vertical.document.features}
    named = _named_tables(towers, known)
    if isinstance(towers.fusion, Semantic):
        towers.fusion.check_width(towers.dim)
    used: FeaturesBySide = {side: _used(towers, known[side], side) for side in SIDES}
    owned = owners(towers.channels, known, used)
    halves = {side: _half(side, towers, known[side], used[side], owned, named) for side in SIDES}
    sized = {table: _sized(table, towers, halves) for half in halves.values() for table in _tables_of(half)}
    _refuse_unequal_tables(owned, halves, sized)
    networks = {
        owner: (settings_of(owner, towers.channels), known[owner.side][owner.feature])
        for owner in dict.fromkeys(owned.values())
    }
    return Layout(halves["request"], halves["document"], sized, networks)


def default_tables(name: str, feature: Feature) -> tuple[str, ...]:
    """The tables that a feature reads where no table lists it: one, or one for each part of a sequence."""
    match feature:
        case TextFeature():
            return (_TEXT,)
        case IdFeature() | IdsFeature():
            return (name,)
        case SequenceFeature():
            return tuple(feature.parts)
    return ()


def part_names(channel: ChannelId, feature: Feature | None) -> tuple[str, ...]:
    """What reads tables, as a recipe names it: `request.city`; of a sequence `request.history.brand` for each part."""
    if isinstance(feature, SequenceFeature) and channel.reader == "own":
        return tuple(f"{channel}.{part}" for part in feature.parts)
    return (str(channel),)


def _half(
    side: Side,
    towers: Towers,
    known: Mapping[str, Feature],
    used: Mapping[str, Feature],
    owned: Mapping[ChannelId, ChannelId],
    named: Mapping[str, str],
) -> Half:
    ordered = _ordered(owned, towers, known, side)
    own = {channel: owner for channel, owner in owned.items() if channel.side == side}
    defaults = {ChannelId(side, name): default_tables(name, feature) for name, feature in used.items()}
    defaults |= dict.fromkeys(ordered, (_TEXT,))
    tables = {}
    for channel, of_channel in defaults.items():
        names = part_names(channel, known[channel.feature])
        if of_channel:
            tables[channel] = tuple(named.get(*pair) for pair in zip(names, of_channel, strict=True))
    granular = towers.fusion.texts(side, used) if isinstance(towers.fusion, Semantic) else {}
    tables |= {channel: tables[channel.own] for channel in granular}
    interests = _checked(towers.interests, used) if towers.interests and side == "request" else None
    return Half(side, used, tables, _encoded(towers, known, side), granular, ordered, own, interests)


def _tables_of(half: Half) -> Iterator[str]:
    for tables in half.tables.values():
        yield from tables


def _refuse_unequal_tables(
    owned: Mapping[ChannelId, ChannelId], halves: Mapping[Side, Half], tables: Mapping[str, BucketTable | Hashed | DHE]
) -> None:
    """A transformer reads rows of one width, whichever channel they come from."""
    widths: dict[ChannelId, int] = {}
    for channel, owner in owned.items():
        if channel in halves[channel.side].ordered:
            width = tables[halves[channel.side].tables[channel][0]].dim
            if widths.setdefault(owner, width) != width:
                raise ConfigError(
                    f"recipe, towers.channels: '{channel}' shares the network of '{owner}', and reads a table "
                    f"of dim {width} where that reads one of {widths[owner]}: give both tables one dim"
                )


def _used(towers: Towers, known: Mapping[str, Feature], side: Side) -> dict[str, Feature]:
    """The features of a side that are read."""
    chosen = towers.features.request if side == "request" else towers.features.document
    return {name: _feature(known, name, side) for name in chosen} if chosen else dict(known)


def _ordered(
    owned: Mapping[ChannelId, ChannelId], towers: Towers, known: Mapping[str, Feature], side: Side
) -> dict[ChannelId, OrderedText]:
    """The channels of one side that transformers read."""
    found = {}
    for channel, owner in owned.items():
        settings = settings_of(owner, towers.channels)
        if channel.side == side and isinstance(settings, Transformer):
            feature = known[channel.feature]
            assert isinstance(feature, TextFeature)
            found[channel] = OrderedText(feature=feature, tokens=settings.tokens, most=settings.max_tokens)
    return found


def _checked(interests: CapsuleSettings, features: Mapping[str, Feature]) -> CapsuleSettings:
    if not isinstance(features.get(interests.feature), SequenceFeature):
        sequences = [name for name, feature in features.items() if isinstance(feature, SequenceFeature)]
        raise ConfigError(
            f"recipe, towers.interests.feature: '{interests.feature}' is no sequence that the request reads; "
            f"{did_you_mean(interests.feature, sequences)}sequences: {', '.join(sequences) or 'none'}"
        )
    return interests


def _encoded(towers: Towers, known: Mapping[str, Feature], side: Side) -> dict[ChannelId, TextFeature]:
    """The encoder's channels of one side."""
    if towers.encoder is None:
        return {}
    if towers.encoder.features is None:
        texts = {name: feature for name, feature in known.items() if isinstance(feature, TextFeature)}
        return {ChannelId(side, name, "encoder"): feature for name, feature in texts.items()}
    channels = {}
    for name in towers.encoder.features:
        channel = _channel(name, "encoder")
        if channel.side != side:
            continue
        feature = _feature(known, channel.feature, side)
        if not isinstance(feature, TextFeature):
            raise ConfigError(f"recipe, towers.encoder.features: '{name}' is {feature.kind}: the encoder reads text")
        channels[ChannelId(side, channel.feature, "encoder")] = feature
    return channels


def _named_tables(towers: Towers, known: FeaturesBySide) -> dict[str, str]:
    """What reads a table, as part_names names it -> the table that lists it."""
    readers = {
        name
        for side, features in known.items()
        for feature_name, feature in features.items()
        if default_tables(feature_name, feature)
        for name in part_names(ChannelId(side, feature_name), feature)
    }
    own = {name: ChannelId.parse(name) for name in towers.channels}
    readers |= {str(ChannelId(one.side, one.feature, "transformer")) for one in own.values() if one}
    named: dict[str, str] = {}
    for table, settings in towers.tables.items():
        for reader in settings.features:
            if reader not in readers:
                _refuse_reader(reader, table, known)
            if reader in named:
                raise ConfigError(
                    f"recipe, towers.tables: '{reader}' is listed by {named[reader]} and by {table}: keep one"
                )
            named[reader] = table
    return named


def _refuse_reader(reader: str, table: str, known: FeaturesBySide) -> None:
    """Raises ConfigError that says why it reads no table."""
    channel = _channel(reader, f"tables.{table}")
    feature = _feature(known[channel.side], channel.name, channel.side)
    parts = ", ".join(part_names(channel, feature)) if isinstance(feature, SequenceFeature) else ""
    of_it = f"its parts read tables: {parts}" if parts else "it reads no table"
    raise ConfigError(f"recipe, towers.tables.{table}.features: '{reader}' is {feature.kind}: {of_it}")


def _channel(text: str, place: str) -> ChannelId:
    """The channel that a recipe names."""
    channel = ChannelId.parse(text)
    if channel is None:
        raise ConfigError(f"recipe, towers.{place}.features: '{text}' must be request.<name> or document.<name>")
    return channel


def _feature(known: Mapping[str, Feature], name: str, side: Side) -> Feature:
    if name not in known:
        raise ConfigError(
            f"recipe, towers: the vertical has no {side} feature '{name}'; "
            f"{did_you_mean(name, list(known))}features: {', '.join(known)}"
        )
    return known[name]


def _sized(name: str, towers: Towers, halves: Mapping[Side, Half]) -> BucketTable | Hashed | DHE:
    if name in towers.tables:
        return towers.tables[name]
    reading = [feature for half in halves.values() for feature in half.reading(name)]
    if any(isinstance(feature, TextFeature) for feature in reading):
        return BucketTable(buckets=_TEXT_BUCKETS, dim=towers.dim)
    return _ID_TABLE
