"""Writes the logs of a shop world: impressions, clicks, and activity outside search.

The tables are those of the log contract, one file each. Beside documents, searchers, impressions and activity:

- activity, kind `visited` (browsing, and the wanted product reached after a search without a click), `collected`,
  `bought` (some of what was visited or clicked, a little later)
- segments: the kind of want, how the category is named, `attributes` or `plain`
- truth: search_id, doc_id (the wanted product), department, leaf, brand, colour, material, size: what the query asks
  for, null where it does not say. No real log has it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.errors import ConfigError
from alicorn.worlds.people.searching.sessions import Engine, ask
from alicorn.worlds.shop.catalogue import LEAVES, MATERIALS
from alicorn.worlds.shop.clicks import ACTIONS, Acts, ShopClickModel, act, click_products
from alicorn.worlds.shop.queries import Intents, ShopQueryModel, type_queries
from alicorn.worlds.shop.sessions import KINDS, Events, SessionModel, draw_sessions
from alicorn.worlds.shop.words import COLOURS, DEPARTMENTS, SIZES

if TYPE_CHECKING:
    from alicorn.worlds.shop.world import ShopWorld

START = 1_767_225_600_000_000  # 2026-01-01T00:00:00, microseconds since 1970
TABLES = ("documents", "searchers", "impressions", "activity", "segments", "truth")


def write_logs(
    world: "ShopWorld", folder: Path, num_searches: int, engine: Engine, model: ShopClickModel
) -> dict[str, int]:
    """See ShopWorld.write_logs."""
    if num_searches < 1:
        raise ConfigError(f"searches of the shop world: needs at least 1, got {num_searches}")
    for table in TABLES:
        if (folder / f"{table}.parquet").exists():
            raise ConfigError(f"{folder / table}.parquet exists: remove the old logs, or write to another folder")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([world.seed, 1])
    catalogue, tastes = world.catalogue, world.tastes
    asked, browsed = draw_sessions(rng, catalogue, tastes, num_searches, START, world.num_days, SessionModel())
    queries, intents, labels = type_queries(rng, catalogue, asked.product, ShopQueryModel())
    shown = ask(engine, queries, len(catalogue), "i")
    clicked = click_products(rng, catalogue, tastes, asked, intents, shown, model)
    acts = act(rng, asked, browsed, shown, clicked, model)
    search_ids = pa.array([f"s{number:08d}" for number in range(num_searches)])
    tables = {
        "documents": world.documents(),
        "searchers": world.searchers(),
        "impressions": _impressions(world, search_ids, asked, queries, shown, clicked),
        "activity": _activity_table(world, acts),
        "segments": pa.table({"search_id": search_ids, "segment": _segments(asked, labels)}),
        "truth": _truth(world, search_ids, asked, intents),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    return {
        "searches": num_searches,
        "shown": int((shown >= 0).sum()),
        "clicks": int(clicked.sum()),
        "failed": int((~clicked.any(axis=1)).sum()),
        "empty": int((shown[:, 0] < 0).sum()),
        "activity": len(acts[0]),
    }


def read_intents(truth: pa.Table) -> Intents:
    """The intents of rows of the table truth."""
    department = _codes(truth["department"], [d.name for d in DEPARTMENTS])
    leaf = _codes(truth["leaf"], [names[0] for names in LEAVES])
    brand = truth["brand"].cast(pa.string()).to_pylist()
    numbers = {"colour": list(COLOURS), "material": MATERIALS, "size": list(SIZES)}
    stated = {name: _codes(truth[name], words) for name, words in numbers.items()}
    stated["brand"] = np.array([-1 if one is None else int(one.rpartition("#")[2]) for one in brand], dtype=np.int64)
    return Intents(department, leaf, stated)


def _impressions(
    world: "ShopWorld", search_ids: pa.Array, asked: Events, queries: list[str], shown: np.ndarray, clicked: np.ndarray
) -> pa.Table:
    """Rows in order of time and position; a search that showed nothing keeps one row."""
    kept = shown >= 0
    kept[:, 0] = True
    row, rank = np.nonzero(kept)
    product = shown[row, rank]
    nothing, rows = product < 0, pa.array(row)
    return pa.table(
        {
            "search_id": search_ids.take(rows),
            "searcher_id": world.searcher_ids.take(pa.array(asked.searcher)).take(rows),
            "time": pa.array(asked.time, pa.timestamp("us")).take(rows),
            "query": pa.array(queries, pa.string()).take(rows),
            "doc_id": world.doc_ids.take(pa.array(product, mask=nothing)),
            "position": pa.array((rank + 1).astype(np.int32), mask=nothing),
            "clicked": pa.array(clicked[row, rank]),
        }
    )


def _activity_table(world: "ShopWorld", acts: Acts) -> pa.Table:
    searcher, product, time, action = acts
    return pa.table(
        {
            "searcher_id": world.searcher_ids.take(pa.array(searcher)),
            "time": pa.array(time, pa.timestamp("us")),
            "doc_id": world.doc_ids.take(pa.array(product)),
            "kind": pa.array(ACTIONS).take(pa.array(action)),
        }
    )


def _segments(asked: Events, labels: list[list[str]]) -> pa.Array:
    rows = [[KINDS[kind], *row] for kind, row in zip(asked.kind.tolist(), labels, strict=True)]
    return pa.array(rows, pa.list_(pa.string()))


def _truth(world: "ShopWorld", search_ids: pa.Array, asked: Events, intents: Intents) -> pa.Table:
    names = {"colour": list(COLOURS), "material": MATERIALS, "size": list(SIZES), "brand": world.brand_ids}
    return pa.table(
        {
            "search_id": search_ids,
            "doc_id": world.doc_ids.take(pa.array(asked.product)),
            "department": _words([d.name for d in DEPARTMENTS], intents.department),
            "leaf": _words([leaf[0] for leaf in LEAVES], intents.leaf),
            **{name: _words(names[name], values) for name, values in intents.stated.items()},
        }
    )


def _words(words: list[str], numbers: np.ndarray) -> pa.Array:
    return pa.array(words).take(pa.array(numbers, mask=numbers < 0))


def _codes(column: pa.ChunkedArray, words: list[str]) -> np.ndarray:
    numbers = {word: number for number, word in enumerate(words)}
    return np.array([-1 if word is None else numbers[word] for word in column.to_pylist()], dtype=np.int64)
