"""Worlds, trained models and target ranks for effects.py, each made once and kept below one folder.

    DIR/<size>/seed-<s>/logs, pairs        a people world of that seed, its log, and what is mined from it
    DIR/<size>/seed-<s>/models/<fp>        a model, by the fingerprint of pairs and of what its recipe sets
    DIR/<size>/seed-<s>/ranks/<fp>.npy     the rank of every target of every test search, by exact search

A model that is there is not trained again, so that an interrupted table goes on where it was.
"""

import json
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from lab.production import production_engine

from alicorn import Collection, Model, Vertical, mine, train
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.publishing.shard_search import search_shard
from alicorn.training import Recipe
from alicorn.vertical.parts import fingerprint_of, of_examples
from alicorn.worlds import PEOPLE_VERTICAL, SIZES, PeopleWorld

NUM_SEARCHES = 10_000
_CELLS = 1 << 23  # similarities at once


class OutOfTimeError(Exception):
    """The minutes of this run are used up; the next one goes on."""


class Lab:
    """One world. deadline: time.monotonic() after which no further training begins."""

    def __init__(self, folder: Path, size: str, seed: int, deadline: float = float("inf")) -> None:
        self.folder = folder / size / f"seed-{seed}"
        self.size, self.seed, self.deadline = size, seed, deadline
        self.vertical = Vertical.load(PEOPLE_VERTICAL)

    @cached_property
    def pairs(self) -> Path:
        """The mined log of the world."""
        if not (self.folder / "logs").exists():
            self._write_logs()
        pairs = self.folder / "pairs"
        if not pairs.exists() or self._manifest(pairs)["vertical"] != of_examples(self.vertical):
            mine(self.folder / "logs", self.vertical, pairs, overwrite=True)
        return pairs

    def available(self, recipe: Recipe, source: str) -> int:
        """The number of training pairs of a source, for "hard" by the recipe's rules."""
        file = "impressions" if source == "impression" else "pairs"
        pairs = pq.read_table(self.pairs / f"{file}.parquet")
        pairs = pairs.filter((pc.field("split") == "train") & (pc.field("source") == source))
        return int(recipe.hard_positives.mask(pairs).sum()) if source == "hard" else len(pairs)

    @cached_property
    def searches(self) -> Searches:
        """The test searches that every model is measured on."""
        return read_searches(self.pairs, NUM_SEARCHES, self.seed, split="test")

    @cached_property
    def labels(self) -> list[set[str]]:
        """What is known of each search: the world's labels and ambiguous or not; clicked, or failed: its target was
        reached another way; warm, or cold: no search of train chose its first target."""
        clicked = self._read("pairs", "search_id", pc.field("source") == "click")
        popular = self._read("popularity", "doc_id", pc.field("clicks") > 0)
        first = pa.array(self.searches.targets.documents[self.searches.targets.starts[:-1]])
        targets = self.searches.documents["doc_id"].take(first)
        return [
            {*given, "clicked" if found else "failed", "warm" if chosen else "cold"}
            | (set() if "ambiguous" in given else {"unambiguous"})
            for given, found, chosen in zip(
                self.searches.segments,
                pc.is_in(self.searches.search_ids, clicked).to_pylist(),
                pc.is_in(targets, popular).to_pylist(),
                strict=True,
            )
        ]

    def _read(self, table: str, column: str, where: pc.Expression) -> pa.Array:
        return pq.read_table(self.pairs / f"{table}.parquet", filters=where)[column].combine_chunks()

    def trained(self, recipe: Recipe) -> Path:
        """The folder of the model of a recipe; its seed is that of the world."""
        recipe = recipe.model_copy(update={"seed": self.seed})
        folder = self.folder / "models" / self._name(recipe)
        if not (folder / "model.json").exists():
            self._refuse_when_late()
            started = time.monotonic()
            train(self.pairs, self.vertical, recipe, folder, progress=False, resume=True, search=search_shard)
            print(f"  seed {self.seed}: {folder.name} trained in {time.monotonic() - started:.0f} s", flush=True)
        return folder

    def best_validation(self, recipe: Recipe) -> float:
        """Recall@10 of the valid split that the model of a recipe was kept for."""
        history = json.loads((self.trained(recipe) / "history.json").read_text(encoding="utf-8"))
        return history["epochs"][history["best_epoch"]]["recall"]["10"]

    def ranks(self, recipe: Recipe) -> np.ndarray:
        """int32 (targets,): the rank from 1 of each target of the test searches in the ranking by the model."""
        return self.kept(self.trained(recipe).name, lambda: self.target_ranks(*self.vectors(recipe)))

    def vectors(self, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
        """Requests and documents of the test searches as the model of a recipe encodes them, float32 (rows, dim)."""
        model = Model.load(self.trained(recipe))
        return model.encode_requests(self.searches.requests), model.encode_documents(self.searches.documents)

    def kept(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that name, made on first use."""
        path = self.folder / "ranks" / f"{name}.npy"
        if not path.exists():
            self._refuse_when_late()
            path.parent.mkdir(exist_ok=True)
            np.save(path, make())
        return np.load(path)

    def _name(self, recipe: Recipe) -> str:
        data = self._manifest(self.pairs)
        unlike_defaults = json.dumps(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        made_from = unlike_defaults + data["data_fingerprint"] + fingerprint_of(data["vertical"])
        return xxhash.xxh3_64_hexdigest(made_from.encode())

    @staticmethod
    def _manifest(pairs: Path) -> dict[str, Any]:
        return json.loads((pairs / "manifest.json").read_text(encoding="utf-8"))

    def _refuse_when_late(self) -> None:
        if time.monotonic() > self.deadline:
            raise OutOfTimeError

    def target_ranks(self, requests: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """1 and the number of documents before the target: nearer, or as near and of a lower number."""
        targets = self.searches.targets
        rows, numbers = targets.rows, np.arange(len(documents))
        ranks = np.empty(len(rows), dtype=np.int32)
        step = max(1, _CELLS // len(documents))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            wanted = targets.documents[part, None]
            scores = requests[rows[part]] @ documents.T
            own = np.take_along_axis(scores, wanted, axis=1)
            ranks[part] = 1 + ((scores > own) | ((scores == own) & (numbers < wanted))).sum(axis=1)
        return ranks

    def _write_logs(self) -> None:
        self._refuse_when_late()
        world = PeopleWorld.generate(self.size, self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory() as temporary,
            Collection.create(Path(temporary) / "production") as production,
        ):
            for start, stop in world.parts():
                production.upsert(self.vertical.index_table(world.documents(start, stop), None))
            unfinished = self.folder / "logs.unfinished"
            world.write_logs(unfinished, SIZES[self.size][1], production_engine(production, self.vertical, []))
        unfinished.rename(self.folder / "logs")


def recall(ranks: np.ndarray, targets: Targets, k: int) -> np.ndarray:
    """float64 (searches,): the share of each search's targets among its first k."""
    return targets.sums(ranks <= k) / targets.counts


def run_ranks(run: np.ndarray, targets: Targets) -> np.ndarray:
    """int32 (targets,): ranks in a run, int32 (searches, depth); a target outside the run ranks behind all."""
    found = run[targets.rows] == targets.documents[:, None]
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, np.iinfo(np.int32).max).astype(np.int32)
