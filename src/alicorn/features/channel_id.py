"""What a channel is: one reading of one feature of one side. The only place that spells it, and reads it back.

request.text                the feature as it is: n-grams, ids, numbers, a sequence
request.text@transformer    the same feature, read in another way
"""

from dataclasses import dataclass
from typing import Literal, get_args

Side = Literal["request", "document"]
SIDES: tuple[Side, ...] = get_args(Side)
Reader = Literal[
    "own", "encoder", "transformer", "unigrams", "bigrams", "segments", "sequence", "lists"
]  # of granular.py the last five
_READERS: tuple[Reader, ...] = get_args(Reader)


@dataclass(frozen=True)
class ChannelId:
    """reader: own, the feature as its kind is read; encoder, transformer; or a granule of text (granular.py)."""

    side: Side
    feature: str
    reader: Reader = "own"

    @property
    def name(self) -> str:
        """Within its side: `text`, or `text@transformer`."""
        return self.feature if self.reader == "own" else f"{self.feature}@{self.reader}"

    @property
    def own(self) -> "ChannelId":
        """The channel of the same feature as it is."""
        return ChannelId(self.side, self.feature)

    def __str__(self) -> str:
        return f"{self.side}.{self.name}"

    @classmethod
    def of_name(cls, side: Side, name: str) -> "ChannelId":
        """The channel of a side by its name there."""
        feature, at, reader = name.rpartition("@")
        for known in _READERS:
            if at and reader == known:
                return cls(side, feature, known)
        return cls(side, name)

    @classmethod
    def parse(cls, text: str) -> "ChannelId | None":
        """The channel that `text` spells; None where it begins with no side."""
        prefix, _, name = text.partition(".")
        for side in SIDES:
            if prefix == side and name:
                return cls.of_name(side, name)
        return None
