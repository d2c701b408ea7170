"""What scoring a served log again has found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alicorn.ranking.stages.pipeline import RankerOnRecord

_SAME = "as it was"


class DifferentNumber(NamedTuple):
    """what: "stage forest" or "feature words"."""

    what: str
    search_id: str
    doc_id: str
    logged: float
    computed: float


@dataclass
class Replay:
    """hits: of searches that a ranker ordered. compared, differing: hits by stage and feature. changed: what of the
    ranker, the vertical or the models is not as it was logged. passed: hits whose features were not computed, and why.
    not_repeated: stages. first: by stage and feature, in the order of the log."""

    searches: int = 0
    hits: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    changed: list[str] = field(default_factory=list)
    not_repeated: list[str] = field(default_factory=list)
    first: dict[str, DifferentNumber] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        return not self.differing

    def to_dict(self) -> dict[str, Any]:
        return {
            "searches": self.searches,
            "hits": self.hits,
            "compared": dict(self.compared),
            "differing": dict(self.differing),
            "features_not_computed": dict(self.passed),
            "changed": self.changed,
            "stages_not_repeated": self.not_repeated,
            "first": {what: one._asdict() for what, one in self.first.items()},
        }

    def __str__(self) -> str:
        lines = [f"{self.searches:,} searches, {self.hits:,} hits, {sum(self.differing.values()):,} numbers differ"]
        lines += [f"changed: {one}" for one in self.changed]
        for what, count in self.compared.items():
            said = f"{what}: {self.differing[what]:,} of {count:,} differ"
            if one := self.first.get(what):
                said += f"; first of search {one.search_id}, document {one.doc_id}: {one.logged!r} was logged, now"
                said += f" {one.computed!r}"
            lines.append(said)
        lines += [f"features of {count:,} hits were not computed: {why}" for why, count in self.passed.items()]
        lines += [
            f"stage {name} is not repeated: the log has what was shown, not all candidates"
            for name in self.not_repeated
        ]
        return "\n".join(lines)


def changes(logged: RankerOnRecord, now: RankerOnRecord) -> list[str]:
    """What differs between the ranker of the log and that of today."""
    was, is_now = logged.features.features, now.features.features
    found = [f"feature {name}: {_change(was.get(name), is_now.get(name))}" for name in {**was, **is_now}]
    for what in ("fingerprints", "models", "vertical"):
        before, after = getattr(logged, what), getattr(now, what)
        kind = {"fingerprints": "", "models": "model of ", "vertical": "vertical's "}[what]
        found += [f"{kind}{name}: {_change(before.get(name), after.get(name))}" for name in {**before, **after}]
    found.append(f"candidates: {_change(logged.candidates, now.candidates)}")
    for at in range(max(len(logged.stages), len(now.stages))):
        pair = [one.stages[at] if at < len(one.stages) else None for one in (logged, now)]
        found.append(f"stages[{at}]: {_change(*pair)}")
    return [change for change in found if not change.endswith(_SAME)]


def _change(was: object, now: object) -> str:
    return _SAME if was == now else f"{_said(was)} was logged, now {_said(now)}"


def _said(one: object) -> str:
    return "nothing" if one is None else repr(one)
