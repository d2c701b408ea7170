"""How much does a click count? The inverse of the propensity of its rank, from the file of `alicorn propensity --out`.

A click far down says more than one at the top, because fewer searchers would have looked there: weighed so, the clicks
of a log are in the mean those of searchers who look at everything (Joachims et al., WSDM 2017, section 4). A click
counts at most `MOST`: a few clicks on ranks that are hardly looked at would drown all others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from alicorn.config import Config, parse_config
from alicorn.errors import ConfigError, cause
from alicorn.reporting.figure import INK, SERIES, Chart, drawing
from alicorn.reporting.json_text import to_json

if TYPE_CHECKING:
    from alicorn.logs.propensity import Propensities

MOST = 10.0


class OfRank(Config):
    rank: int
    value: Annotated[float, Field(gt=0)] | None = None
    low: float | None = None
    high: float | None = None


class PropensityFile(Config):
    """The propensities of the ranks 1, 2, 3, ... swapped, clicks: as of Propensities."""

    ranks: tuple[OfRank, ...]
    swapped: bool
    clicks: int

    @field_validator("ranks")
    @classmethod
    def _check_ranks(cls, ranks: tuple[OfRank, ...]) -> tuple[OfRank, ...]:
        if [one.rank for one in ranks] != list(range(1, len(ranks) + 1)):
            raise ValueError(f"ranks go 1, 2, 3, ..., got {', '.join(str(one.rank) for one in ranks)}")
        return ranks

    @classmethod
    def of(cls, found: Propensities) -> PropensityFile:
        ranks = tuple(OfRank(**one._asdict()) for one in found.ranks)
        return cls(ranks=ranks, swapped=found.swapped, clicks=found.clicks)

    @classmethod
    def load(cls, path: Path) -> PropensityFile:
        """Raises ConfigError."""
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} is no file that `alicorn propensity --out` wrote: {cause(error)}") from error
        return parse_config(plain, cls, where=str(path))

    def save(self, path: Path) -> None:
        path.write_text(to_json(self.model_dump(), indent=2) + "\n", encoding="utf-8")

    def weights(self) -> tuple[float, ...]:
        """Of a click on rank 1, 2, ...; a rank that is not known weighs as the one before, and so do further ones."""
        found = [1.0]
        for one in self.ranks[1:]:
            found.append(found[-1] if one.value is None else min(1 / max(one.value, 1 / MOST), MOST))
        return tuple(found)

    def looked_at(self) -> tuple[float, ...]:
        """How likely rank 1, 2, ... is looked at, at least 1 / MOST; one that is not known as the one before.

        Raises ConfigError where only the first is known.
        """
        if all(one.value is None for one in self.ranks[1:]):
            raise ConfigError(
                "propensities: none is known but that of rank 1, since the log showed no document at several ranks:"
                " leave the file out, or log swaps of neighbours (`alicorn serve --swap 0.1`)"
            )
        return tuple(1 / weight for weight in self.weights())

    def chart(self) -> Chart:
        """The propensity of each rank with its interval."""
        known = [one for one in self.ranks if one.value is not None]
        ranks, values = [one.rank for one in known], [one.value or 0.0 for one in known]
        with drawing(560, 320) as figure:
            panel = figure.subplots()
            panel.vlines(ranks, [one.low or 0.0 for one in known], [one.high or 0.0 for one in known], color=SERIES[0])
            panel.scatter(ranks, values, color=SERIES[0], s=44, zorder=3, linewidths=0, gid="propensities")
            panel.set(xlabel="rank", ylim=(0, None), xticks=ranks)
            source = "swaps of known probability" if self.swapped else "what the log varied"
            panel.set_title(f"Looked at, relative to rank 1: {self.clicks:,} clicks, {source}", color=INK)
        titles = [f"rank {one.rank}: {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in known]
        return Chart(figure, {"propensities": titles})
