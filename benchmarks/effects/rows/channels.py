"""Rows of effects.py on how channels are read and fused: attention (Que2Search), hash embeddings (DHE), AutoDis.

    python benchmarks/effects/effects.py --set channels --size small --seeds 3 --out DIR

Fusions are compared on the people world as it ships. Hash embeddings need an id of many values, and numbers need some
that matter: there the vertical has `friends` too, on both sides, 20,000 ids in the small world, about 36 a row; or the
`popularity` and the year of graduation of documents. A full table has so many rows that nearly every id has its own.
Both sides of a row differ in one thing and train as many epochs.
"""

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow.parquet as pq
from lab.people import Lab
from rows.ebr import SHIPPED, Ranks, Row, changed, two

from alicorn import Vertical
from alicorn.training import Recipe

EPOCHS = 3
NUMBERS = ("popularity", "graduation_year")


class WiderLab(Lab):
    """The same world, whose vertical has `friends` on both sides, and numbers of documents."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab.folder.parents[1], lab.size, lab.seed, lab.deadline)
        self.narrow = lab
        self.folder = lab.folder / "wider"
        plain = lab.vertical.model_dump(mode="json", exclude_none=True)
        friends = {"kind": "ids", "column": "friends"}
        plain["request"]["features"]["friends"] = friends
        plain["document"]["features"] |= {"friends": friends, **{n: {"kind": "numeric", "column": n} for n in NUMBERS}}
        self.vertical = Vertical.model_validate(plain)

    def _write_logs(self) -> None:
        """Those of the world; a searcher is a person, and has the friends of that person."""
        logs = self.narrow.pairs.parent / "logs"
        shutil.copytree(logs, self.folder / "unfinished", dirs_exist_ok=True)
        searchers, people = (pq.read_table(logs / table) for table in ("searchers", "documents"))
        known = people.select(["doc_id", "friends"]).rename_columns(["searcher_id", "friends"])
        shutil.rmtree(self.folder / "unfinished" / "searchers")
        (self.folder / "unfinished" / "searchers").mkdir()
        assert searchers["searcher_id"].equals(known["searcher_id"]), "the world writes both in one order"
        joined = searchers.append_column("friends", known["friends"])
        pq.write_table(joined, self.folder / "unfinished" / "searchers" / "part-00000.parquet")
        (self.folder / "unfinished").rename(self.folder / "logs")


def wider(baseline: Recipe, variant: Recipe) -> Callable[[Lab], Ranks]:
    return lambda lab: two(baseline, variant)(WiderLab(lab))


def learned(**towers: Any) -> Recipe:
    """The shipped recipe for a fixed number of epochs, with some keys of its towers replaced."""
    given = {**SHIPPED.towers.model_dump(exclude_unset=True, mode="json"), **towers}
    return changed(
        SHIPPED, towers=given, epochs=EPOCHS, patience=EPOCHS, validation={"start": False, "interpolate": []}
    )


# Fusion

ATTENTION = {"fusion": {"kind": "attention"}}
TRANSFORMER = {"kind": "transformer", "layers": 1, "heads": 4, "dim": 64, "max_tokens": 16, "tokens": "trigrams"}
READERS = {"channels": {"request.text": TRANSFORMER, "document.name": {"kind": "shared", "channel": "request.text"}}}


def fusion_rows() -> list[Row]:
    row = partial(Row, "Que2Search: channels and their fusion")
    claim = "better than concat + MLP"
    return [
        row("attention / concat + MLP", claim, "up", two(learned(), learned(**ATTENTION))),
        row("attention / linear concat", "", "", two(learned(hidden=0), learned(**ATTENTION))),
        row(
            "attention / concat + MLP, with a transformer over trigrams",
            claim,
            "up",
            two(learned(**READERS), learned(**READERS, **ATTENTION)),
        ),
        row("a transformer beside n-grams / n-grams", "both were kept", "", two(learned(), learned(**READERS))),
    ]


# Ids: 20,000 friends in 16 dimensions

FEATURES = {
    "request": ["text", "city", "friends"],
    "document": ["name", "city", "friends"],
}
FULL = {"buckets": 1 << 20, "dim": 16}  # 0.98 of the ids of the small world share their row with no other
QUARTER = 20_000 // 4


def with_friends(**table: Any) -> Recipe:
    return learned(features=FEATURES, tables={"friends": table})


def hash_rows() -> list[Row]:
    """A table of one row for each id has 320,000 numbers; a quarter of it 80,000."""
    row = partial(Row, "DHE: 20,000 ids in a quarter of the table")
    full = with_friends(**FULL)
    hashed = with_friends(buckets=QUARTER, dim=16)
    twice = with_friends(kind="hashed", buckets=QUARTER, dim=16, hashes=2)
    # 1024 x 64 + 3 x 64 x 64 + 64 x 16 = 78,848 weights of the linear layers
    deep = with_friends(kind="dhe", dim=16, hashes=1024, width=64, layers=4)
    few = with_friends(kind="dhe", dim=16, hashes=64, width=132, layers=5)  # 80,256
    none = learned(features={side: names[:2] for side, names in FEATURES.items()})
    return [
        row("full table / no ids at all", "", "", wider(none, full)),
        row("DHE / full table", "about equal", "equal", wider(full, deep)),
        row("DHE / hashing, at equal size", "better", "up", wider(hashed, deep)),
        row("DHE / double hashing, at equal size", "better", "up", wider(twice, deep)),
        row("hashing at a quarter / full table", "worse", "down", wider(full, hashed)),
        row("64 hashes / 1,024, at equal size", "worse with few hashes", "down", wider(deep, few)),
    ]


# Numbers

BARE = {"request": ["text", "city"], "document": ["name", "city"]}
NUMBERED = {**BARE, "document": ["name", "city", *NUMBERS]}


def numbered(kind: str | None, **settings: Any) -> Recipe:
    channels = {} if kind is None else {f"document.{name}": {"kind": kind, **settings} for name in NUMBERS}
    return learned(features=NUMBERED, channels=channels)


def number_rows() -> list[Row]:
    row = partial(Row, "AutoDis: popularity and year of graduation of documents")
    plain, bins, autodis = numbered(None), numbered("bins"), numbered("autodis")
    return [
        row("standardised numbers / none", "", "", wider(learned(features=BARE), plain)),
        row("AutoDis / 20 bins", "better", "up", wider(bins, autodis)),
        row("AutoDis / standardised number", "better", "up", wider(plain, autodis)),
        row("temperature 1 / 0.1", "tune it", "", wider(autodis, numbered("autodis", temperature=1.0))),
    ]


ROWS = [*fusion_rows(), *number_rows(), *hash_rows()]
