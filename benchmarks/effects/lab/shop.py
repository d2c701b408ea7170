"""Shop worlds for effects.py: a Lab whose world sells products, and which knows what each query asks for.

DIR/shop-<size>/seed-<s>/...           as lab/people.py has it
DIR/shop-<size>/seed-<s>/good/<fp>.npy of every test search the share of relevant documents among the first K
"""

import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lab.people import Lab
from lab.production import production_engine

from alicorn import Collection, Vertical
from alicorn.evaluation.systems.exact import exact_top_k
from alicorn.training import Recipe
from alicorn.worlds import SHOP_SIZES, SHOP_VERTICAL, ShopWorld

SIZES = {"tiny": (3_000, 900, 7_000), **SHOP_SIZES}  # products, searchers, searches
GOOD_AT = 10


class ShopLab(Lab):
    """One shop world. Everything is below a folder of its own."""

    def __init__(self, folder: Path, size: str, seed: int, deadline: float = float("inf")) -> None:
        super().__init__(folder, f"shop-{size}", seed, deadline)
        self._size = SIZES[size]
        self.vertical = Vertical.load(SHOP_VERTICAL)

    @cached_property
    def world(self) -> ShopWorld:
        return ShopWorld.generate(self._size[:2], self.seed)

    @cached_property
    def labels(self) -> list[set[str]]:
        """The segments of each search: the kind of want first, as shop_sessions.KINDS."""
        return [set(given) for given in self.searches.segments]

    @cached_property
    def truth(self) -> pa.Table:
        """What each test search asks for, in their order."""
        truth = pq.read_table(self.folder / "logs" / "truth.parquet")
        return truth.take(pc.index_in(self.searches.search_ids, truth["search_id"].combine_chunks()))

    def good(self, recipe: Recipe) -> np.ndarray:
        """float64 (searches,): P_good, the share of the first 10 documents that have what the query asks for."""
        return self.kept(f"{self.trained(recipe).name}-good-{GOOD_AT}", lambda: self._good(recipe))

    def _good(self, recipe: Recipe) -> np.ndarray:
        found = exact_top_k(*self.vectors(recipe), GOOD_AT)[0]
        numbers = pc.utf8_slice_codeunits(self.searches.documents["doc_id"], 1).cast(pa.int64()).to_numpy()
        return self.world.relevant(self.truth, numbers[found]).mean(axis=1)

    def _write_logs(self) -> None:
        self._refuse_when_late()
        self.folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory() as temporary,
            Collection.create(Path(temporary) / "production") as production,
        ):
            production.upsert(self.vertical.index_table(self.world.documents()))
            unfinished = self.folder / "logs.unfinished"
            self.world.write_logs(unfinished, self._size[2], production_engine(production, self.vertical, []))
        unfinished.rename(self.folder / "logs")
