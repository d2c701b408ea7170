"""All systems over one data set: built or taken from the cache, and opened."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import peers
from harness.builds import Build, built
from harness.ours import Alicorn
from harness.vectors import Data
from harness.workload import Filters

BUILT = (
    peers.IVFFlat,
    peers.IVFPQFastScan,
    peers.IVFRaBitQ,
    peers.FaissHNSW,
    peers.Hnswlib,
    peers.ScaNN,
)
NAMES = (peers.BruteForce.name, *(kind.name for kind in BUILT), peers.Adaptive.name)


def open_all(
    data: Data, filters: Filters, cache: Path, wanted: Sequence[str], threads: int, ours: type[Alicorn] = Alicorn
) -> tuple[dict[str, Any], dict[str, Build]]:
    """Ours and the wanted peers by name, and what building each cost. A peer that is not installed is left out."""
    kinds = [kind for kind in BUILT if kind.name in wanted and _installed(kind)]
    adaptive = peers.Adaptive.name in wanted
    if adaptive:  # it borrows these two
        kinds += [kind for kind in peers.Adaptive.borrowed if kind not in kinds]
    builds = {}
    for kind in (ours, *kinds):
        _say(f"{kind.name}: index of {len(data):,} documents ...")
        builds[kind.name] = built(kind, data, cache, threads)
        _say(f"{kind.name}: {builds[kind.name].seconds:.1f} s to build")
    opened: dict[str, Any] = {ours.name: ours(data, builds[ours.name].folder)}
    for kind in kinds:
        opened[kind.name] = kind(data, builds[kind.name].folder, filters)
    if peers.BruteForce.name in wanted:
        opened[peers.BruteForce.name] = peers.BruteForce(data, filters)
    if adaptive:
        near, within = (opened[kind.name] for kind in peers.Adaptive.borrowed)
        opened[peers.Adaptive.name] = peers.Adaptive(data, near, within, filters)
    return {name: system for name, system in opened.items() if name == Alicorn.name or name in wanted}, builds


def _installed(kind: Any) -> bool:
    missing = (kind is peers.Hnswlib and peers.hnswlib is None) or (kind is peers.ScaNN and peers.scann is None)
    if missing:
        _say(f"{kind.name} is not installed and left out: pip install '.[peers]'")
    return not missing


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
