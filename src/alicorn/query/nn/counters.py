"""What an `nn` did, as explain shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from alicorn.query.nn.loop.arguments import PROBED, PRUNED, REFINED, SCANNED, VERIFIED


class Became(NamedTuple):
    """The clusters chosen for a `:recall`. clusters: how many of the nearest, None for all; scan: the allowed documents
    that they hold, so that `:scan scan` is equivalent; calibrated: whether the key has a calibration, without which all
    clusters are searched."""

    clusters: int | None
    scan: int
    calibrated: bool

    def __str__(self) -> str:
        if self.clusters is not None:
            return f"{self.clusters} clusters, as :scan {self.scan} would"
        return f"all clusters, {self.scan} documents: exact" + (
            "" if self.calibrated else ", as the key has no calibration yet"
        )


@dataclass
class Counters:
    """The work of an `nn`, shown by explain. numbers: by the places of arguments.py.

    documents_scanned is EBR's measure of work (4.1).
    """

    explained: bool = False  # whether the costs of plans are noted
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(6, dtype=np.int64))
    plans: list[str] = field(default_factory=list)
    costs_us: dict[str, float] = field(default_factory=dict)
    bytes_read: int = 0
    recall: Became | None = None

    @property
    def documents_scanned(self) -> int:
        return int(self.numbers[SCANNED])

    @property
    def documents_refined(self) -> int:
        return int(self.numbers[REFINED])

    @property
    def exact_distances(self) -> int:
        return int(self.numbers[VERIFIED])

    @property
    def clusters_probed(self) -> int:
        return int(self.numbers[PROBED])

    @property
    def clusters_pruned(self) -> int:
        return int(self.numbers[PRUNED])
