"""What the `towers` section of a recipe means for one vertical: channels, tables and networks, every default filled in.

A feature reads the table that lists it; else text reads `text`, an id feature the table of its own name, and the part
`brand` of a sequence the table `brand`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alicorn.config import nearest
from alicorn.errors import ConfigError
from alicorn.features.granular import GranularText
from alicorn.features.text import OrderedText
from alicorn.towers.layout.networks import owners, settings_of
from alicorn.towers.settings.channels import Network, Transformer
from alicorn.towers.settings.semantic import Semantic
from alicorn.towers.settings.tables import DHE, Hashed, Table, buckets_of
from alicorn.towers.settings.towers import Interests, Towers
from alicorn.vertical import (
    DenseFeature,
    Feature,
    NumericFeature,
    SequenceFeature,
    TextFeature,
    VectorsFeature,
    Vertical,
)

SIDES = ("request", "document")
_TEXT = "text"


# 2^17 rows: the names of 20,000 people and their misspelled queries have about 60,000 distinct n-grams.
_TEXT_TABLE = Table(buckets=1 << 17, dim=64)
_ID_TABLE = Table(buckets=1 << 14, dim=16)


@dataclass(frozen=True)
class Side:
    """One encoder's input. tables: the table each feature reads; a dense or numeric feature has none, and of a sequence
    each part has one, as `<feature>.<part>`.

    encoded: channels of the pretrained encoder, `<feature>@encoder` -> the text feature it reads. granular: channels
    that read a text feature in other ways than its n-grams, instead of them, as `<feature>@segments`. ordered: channels
    of a text's tokens in order, `<feature>@transformer`. owners: channels that a network reads -> its place in
    Layout.networks, which is that of one of the channels which share it. interests: of the request, where it has
    several embeddings.
    """

    features: Mapping[str, Feature]
    tables: Mapping[str, str]
    encoded: Mapping[str, TextFeature]
    granular: Mapping[str, GranularText] = field(default_factory=dict)
    ordered: Mapping[str, OrderedText] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    interests: Interests | None = None

    def reading(self, table: str) -> list[Feature]:
        """The features that read a table."""
        of_features = [
            feature
            for name, feature in self.features.items()
            for reader in readers(name, feature)
            if self.tables[reader] == table
        ]
        return of_features + [text.feature for name, text in self.ordered.items() if self.tables[name] == table]


@dataclass(frozen=True)
class Layout:
    """The towers of one recipe over one vertical, every default filled in. networks: by `side.feature` of the channel
    that says how it is, the settings and the feature it reads."""

    request: Side
    document: Side
    tables: Mapping[str, Table | Hashed | DHE]
    networks: Mapping[str, tuple[Network, Feature]]

    def buckets(self, side: Side) -> dict[str, int]:
        return {name: buckets_of(self.tables[table]) for name, table in side.tables.items()}


def layout(towers: Towers, vertical: Vertical) -> Layout:
    """Raises ConfigError for a feature that the vertical does not have, for one that lists two tables, for an encoder
    that would read something else than text, and for interests in something else than a sequence."""
    known = {"request": vertical.request.features, "document": vertical.document.features}
    named = _named_tables(towers, known)
    if isinstance(towers.fusion, Semantic):
        towers.fusion.check_width(towers.dim)
    used = {side: _used(towers, known[side], side) for side in SIDES}
    owned = owners(towers.channels, known, used)
    sides = {}
    for side in SIDES:
        features, ordered = used[side], _ordered(owned, towers, known[side], side)
        defaults = {name: table for item in features.items() for name, table in readers(*item).items()}
        defaults |= dict.fromkeys(ordered, _TEXT)
        reads = {reader: named.get(f"{side}.{reader}", default) for reader, default in defaults.items()}
        granular = towers.fusion.texts(side, features) if isinstance(towers.fusion, Semantic) else {}
        interests = _checked(towers.interests, features) if towers.interests and side == "request" else None
        encoded = _encoded(towers, known[side], side)
        own = {channel: owner for (of_side, channel), owner in owned.items() if of_side == side}
        sides[side] = Side(features, reads, encoded, granular, ordered, own, interests)
    tables = dict.fromkeys([*sides["request"].tables.values(), *sides["document"].tables.values()])
    sized = {name: _sized(name, towers, sides) for name in tables}
    _refuse_unequal_tables(owned, sides, sized)
    networks = {
        owner: (settings_of(owner, towers.channels), _of_owner(owner, known)) for owner in dict.fromkeys(owned.values())
    }
    return Layout(**sides, tables=sized, networks=networks)


def _refuse_unequal_tables(
    owned: Mapping[tuple[str, str], str], sides: Mapping[str, Side], tables: Mapping[str, Table | Hashed | DHE]
) -> None:
    """A transformer reads rows of one width, whichever channel they come from."""
    widths: dict[str, int] = {}
    for (side, channel), owner in owned.items():
        if channel in sides[side].ordered:
            width = tables[sides[side].tables[channel]].dim
            if widths.setdefault(owner, width) != width:
                raise ConfigError(
                    f"recipe, towers.channels: '{side}.{channel}' shares the network of '{owner}', and reads a table "
                    f"of dim {width} where that reads one of {widths[owner]}: give both tables one dim"
                )


def _used(towers: Towers, known: Mapping[str, Feature], side: str) -> dict[str, Feature]:
    """The features of a side that are read."""
    chosen = getattr(towers.features, side)
    return {name: _feature(known, name, side) for name in chosen} if chosen else dict(known)


def _of_owner(owner: str, known: Mapping[str, Mapping[str, Feature]]) -> Feature:
    side, _, name = owner.partition(".")
    return known[side][name]


def _ordered(
    owned: Mapping[tuple[str, str], str], towers: Towers, known: Mapping[str, Feature], side: str
) -> dict[str, OrderedText]:
    """The channels of one side that transformers read."""
    found = {}
    for (of_side, channel), owner in owned.items():
        settings = settings_of(owner, towers.channels)
        if of_side == side and isinstance(settings, Transformer):
            feature = known[channel.partition("@")[0]]
            assert isinstance(feature, TextFeature)
            found[channel] = OrderedText(feature=feature, tokens=settings.tokens, most=settings.max_tokens)
    return found


def readers(name: str, feature: Feature) -> dict[str, str]:
    """What of a feature reads a table, and which by default: the feature itself, or each part of a sequence."""
    match feature:
        case DenseFeature() | NumericFeature() | VectorsFeature():
            return {}
        case SequenceFeature():
            return {f"{name}.{part}": part for part in feature.parts}
        case _:
            return {name: _TEXT if isinstance(feature, TextFeature) else name}


def _checked(interests: Interests, features: Mapping[str, Feature]) -> Interests:
    if not isinstance(features.get(interests.feature), SequenceFeature):
        sequences = [name for name, feature in features.items() if isinstance(feature, SequenceFeature)]
        raise ConfigError(
            f"recipe, towers.interests.feature: '{interests.feature}' is no sequence that the request reads; "
            f"{nearest(interests.feature, sequences)}sequences: {', '.join(sequences) or 'none'}"
        )
    return interests


def _encoded(towers: Towers, known: Mapping[str, Feature], side: str) -> dict[str, TextFeature]:
    """The encoder's channels of one side."""
    channels = {}
    for reader in towers.encoder.features if towers.encoder else ():
        of_side, name = _reader(reader, "encoder")
        if of_side != side:
            continue
        feature = _feature(known, name, side)
        if not isinstance(feature, TextFeature):
            raise ConfigError(f"recipe, towers.encoder.features: '{reader}' is {feature.kind}: the encoder reads text")
        channels[f"{name}@encoder"] = feature
    return channels


def _named_tables(towers: Towers, known: Mapping[str, Mapping[str, Feature]]) -> dict[str, str]:
    """`side.feature` -> table, as the tables list them."""
    named: dict[str, str] = {}
    for table, settings in towers.tables.items():
        for reader in settings.features:
            side, name = _reader(reader, f"tables.{table}")
            if not any(name in readers(*item) for item in known[side].items()) and not _is_ordered(towers, side, name):
                feature = _feature(known[side], name, side)
                parts = ", ".join(f"{side}.{part}" for part in readers(name, feature))
                of_it = f"its parts read tables: {parts}" if parts else "it reads no table"
                raise ConfigError(f"recipe, towers.tables.{table}.features: '{reader}' is {feature.kind}: {of_it}")
            if reader in named:
                raise ConfigError(
                    f"recipe, towers.tables: '{reader}' is listed by {named[reader]} and by {table}: keep one"
                )
            named[reader] = table
    return named


def _is_ordered(towers: Towers, side: str, name: str) -> bool:
    """Whether a name is that of a transformer's channel."""
    feature, _, kind = name.partition("@")
    return kind == "transformer" and f"{side}.{feature}" in towers.channels


def _reader(reader: str, place: str) -> tuple[str, str]:
    """side and name of `request.<name>` or `document.<name>`."""
    side, _, name = reader.partition(".")
    if side not in SIDES or not name:
        raise ConfigError(f"recipe, towers.{place}.features: '{reader}' must be request.<name> or document.<name>")
    return side, name


def _feature(known: Mapping[str, Feature], name: str, side: str) -> Feature:
    if name not in known:
        raise ConfigError(
            f"recipe, towers: the vertical has no {side} feature '{name}'; "
            f"{nearest(name, list(known))}features: {', '.join(known)}"
        )
    return known[name]


def _sized(name: str, towers: Towers, sides: Mapping[str, Side]) -> Table | Hashed | DHE:
    if name in towers.tables:
        return towers.tables[name]
    reading = [feature for side in sides.values() for feature in side.reading(name)]
    return _TEXT_TABLE if any(isinstance(feature, TextFeature) for feature in reading) else _ID_TABLE
