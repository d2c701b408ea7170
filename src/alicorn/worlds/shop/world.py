"""The shop world: a generated product-search vertical with behaviour on three time scales. A simulation.

docs/shop-world.md lists its assumptions. The same size and seed give the same tables.

    world = ShopWorld.generate("small", seed=0)
    world.write_logs("logs/", num_searches=60_000, engine=search)      # search(queries) -> ids, best first
    world.relevant(truth, products)                                    # does a product have what the query asks for?
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.worlds.people.searching.sessions import Engine
from alicorn.worlds.shop.catalogue import LEAVES, MATERIALS, Catalogue, CatalogueModel, draw_catalogue
from alicorn.worlds.shop.clicks import ShopClickModel
from alicorn.worlds.shop.logs import read_intents, write_logs
from alicorn.worlds.shop.tastes import AGE_GROUPS, TasteModel, Tastes, draw_tastes
from alicorn.worlds.shop.titles import descriptions, images, titles
from alicorn.worlds.shop.words import COLOURS, DEPARTMENTS, SIZES

SHOP_SIZES = {"small": (20_000, 5_000, 60_000), "medium": (100_000, 25_000, 300_000)}  # products, searchers, searches
VERTICAL = Path(__file__).parent / "vertical.yaml"
DAYS = 60


@dataclass(frozen=True)
class ShopWorld:
    """Products and the tastes of searchers; product number = row of every array of the catalogue."""

    seed: int
    catalogue: Catalogue
    tastes: Tastes
    titles: list[str]
    num_days: int = DAYS

    @classmethod
    def generate(cls, size: str | tuple[int, int] = "small", seed: int = 0) -> "ShopWorld":
        """size: "small", "medium", or numbers of products (at least 1000) and searchers (at least 10)."""
        if isinstance(size, str) and size not in SHOP_SIZES:
            raise ConfigError(f"size of the shop world: must be one of {', '.join(SHOP_SIZES)}, got {size!r}")
        num_products, num_searchers = SHOP_SIZES[size][:2] if isinstance(size, str) else size
        if num_products < 1000 or num_searchers < 10:
            raise ConfigError(f"size of the shop world: needs at least 1000 products and 10 searchers, got {size}")
        if seed < 0:
            raise ConfigError(f"seed of the shop world: must be 0 or more, got {seed}")
        stages = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)]
        catalogue = draw_catalogue(stages[0], num_products, CatalogueModel())
        tastes = draw_tastes(stages[1], num_searchers, DAYS, catalogue, TasteModel())
        return cls(seed, catalogue, tastes, titles(stages[2], catalogue))

    @cached_property
    def doc_ids(self) -> pa.StringArray:
        """Row = product number, so that documents sorted by doc_id are in the order of their numbers."""
        return pa.array([f"i{number:07d}" for number in range(len(self.catalogue))], pa.string())

    @cached_property
    def searcher_ids(self) -> pa.StringArray:
        return pa.array([f"u{number:07d}" for number in range(len(self.tastes))], pa.string())

    @cached_property
    def brand_ids(self) -> list[str]:
        """Name and number of each brand; the number keeps brands of one name apart."""
        return [f"{name}#{number}" for number, name in enumerate(self.catalogue.brand_names)]

    def documents(self) -> pa.Table:
        """Every product. `image`: the first picture; `images`: one to four of them."""
        rng = np.random.default_rng([self.seed, 2])
        one, pictures = self.catalogue, images(rng, self.catalogue)
        department = pa.array([d.name for d in DEPARTMENTS]).take(pa.array(one.department))
        leaf = pa.array([names[0] for names in LEAVES]).take(pa.array(one.leaf))
        return pa.table(
            {
                "doc_id": self.doc_ids,
                "title": pa.array(self.titles, pa.string()),
                "description": pa.array(descriptions(rng, one), pa.string()),
                "department": department,
                "category": leaf,
                "brand": pa.array(self.brand_ids).take(pa.array(one.brand)),
                "shop": pa.array(one.shop_names).take(pa.array(one.shop)),
                "colour": pa.array(COLOURS).take(pa.array(one.colour)),
                "material": pa.array(MATERIALS).take(pa.array(one.material)),
                "size": pa.array(SIZES).take(pa.array(one.size)),
                "price": pa.array(one.price),
                "image": pictures.flatten().take(pictures.offsets[:-1]),
                "images": pictures,
                "popularity": pa.array(one.popularity),
            }
        )

    def searchers(self) -> pa.Table:
        return pa.table(
            {
                "searcher_id": self.searcher_ids,
                "age_group": pa.array(AGE_GROUPS).take(pa.array(self.tastes.age_group)),
            }
        )

    def write_logs(
        self,
        folder: Path | str,
        num_searches: int,
        engine: Engine,
        clicks: ShopClickModel = ShopClickModel(),  # noqa: B008 (frozen)
    ) -> dict[str, int]:
        """Write documents, searchers, impressions, activity, segments and truth into `folder`, a file each.

        engine: the production engine, as PeopleWorld.write_logs has it; the first page of 10 is shown.
        clicks: what is looked at and clicked.
        Returns counts: searches, shown, clicks, failed, empty, activity.
        """
        return write_logs(self, Path(folder), num_searches, engine, clicks)

    def relevant(self, truth: pa.Table, products: np.ndarray) -> np.ndarray:
        """bool (rows, k): has a product the category and every attribute that the query of a row of truth names?

        truth: rows of the table of that name. products: int (rows, k), product numbers, -1 for none (never relevant).
        The mean over the first K results is P_good (MGDSPR, section 4.3), by the truth instead of a model of it.
        """
        return read_intents(truth).relevant(self.catalogue, products)
