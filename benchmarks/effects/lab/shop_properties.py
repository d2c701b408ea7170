"""Measured properties of a shop world and of its logs.

Shares are in [0, 1].
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.worlds.shop.sessions import DAY, KINDS
from alicorn.worlds.shop.world import ShopWorld

SPANS_DAYS = (1, 10, 30)


def shop_properties(world: ShopWorld, folder: Path) -> dict[str, float]:
    """Properties of the catalogue, the tastes, and the logs that `world` wrote to `folder`."""
    return {
        "products": len(world.catalogue),
        "searchers": len(world.tastes),
        **_drift(world),
        **_results(world, folder),
        **_links(world, folder),
    }


def _drift(world: ShopWorld) -> dict[str, float]:
    """The share of tastes that are kept until later."""
    interests, projects = world.tastes.interest_leaf, world.tastes.project_leaf
    brands = world.tastes.interest_brand
    kept = (interests[:, 0] == interests[:, 1]) & (brands[:, 0] == brands[:, 1])
    return {
        "interests still there a month later": float(kept.mean()),
        "projects still there a day later": _same(projects, 1),
        "projects still there ten days later": _same(projects, 10),
    }


def _same(projects: np.ndarray, days: int) -> float:
    return float((projects[:, days:] == projects[:, :-days]).mean())


def _results(world: ShopWorld, folder: Path) -> dict[str, float]:
    """Impressions and clicks, compared with the truth."""
    impressions, truth = _read(folder, "impressions"), _read(folder, "truth")
    searches = len(truth)
    of = _numbers(impressions["search_id"])
    product = _numbers(impressions["doc_id"])
    clicked = impressions["clicked"].to_numpy(zero_copy_only=False)
    shown = product >= 0
    relevant = world.relevant(truth.take(pa.array(of)), product[:, None])[:, 0]
    wanted = product == _numbers(truth["doc_id"])[of]
    found = np.zeros(searches, dtype=bool)
    found[of[clicked]] = True
    asked = world.relevant(truth[:500], np.arange(len(world.catalogue))[None, :])  # (500, products)
    return {
        "searches": searches,
        "results shown per search": float(shown.sum() / searches),
        "searches that showed nothing": float(1 - len(np.unique(of[shown])) / searches),
        "searches without a click (failed)": float(1 - found.mean()),
        "clicks per search": float(clicked.sum() / searches),
        "searches whose page shows the wanted product": float(wanted.sum() / searches),
        "shown that the query asks for (P_good of the engine)": float(relevant.sum() / shown.sum()),
        "clicks on the wanted product": float((clicked & wanted).sum() / clicked.sum()),
        "clicks on what the query does not ask for (noise)": float((clicked & ~relevant).sum() / clicked.sum()),
        "products that a query asks for, median": float(np.median(asked.sum(axis=1))),
    }


def _links(world: ShopWorld, folder: Path) -> dict[str, float]:
    """For each kind of search: its share, and how often the searcher had earlier met the leaf and brand of the wanted
    product, of the shown products, and of the clicked ones."""
    truth, impressions = _read(folder, "truth"), _read(folder, "impressions")
    past = _Past(world, _read(folder, "activity"), impressions.filter(pc.field("clicked")))
    asked = impressions.group_by("search_id").aggregate([("searcher_id", "min"), ("time", "min")]).sort_by("search_id")
    shown = impressions.filter(pc.is_valid(impressions["doc_id"]))
    clicked = shown["clicked"].to_numpy(zero_copy_only=False)
    wanted_age = past.days_since(asked["searcher_id_min"], truth["doc_id"], asked["time_min"])
    shown_age = past.days_since(shown["searcher_id"], shown["doc_id"], shown["time"])
    kinds = pc.list_element(_read(folder, "segments")["segment"], 0).to_numpy(zero_copy_only=False)
    kinds_shown, longest = kinds[_numbers(shown["search_id"])], SPANS_DAYS[-1]
    found: dict[str, float] = {}
    for kind in KINDS:
        of_search, of_row = kinds == kind, kinds_shown == kind
        found[f"searches: {kind}"] = float(of_search.mean())
        for days in SPANS_DAYS:
            name = f"{kind}: wanted leaf and brand met in the last {days} days"
            found[name] = float((wanted_age[of_search] <= days).mean())
        met = shown_age <= longest
        found[f"{kind}: the same of what was shown, {longest} days"] = float(met[of_row].mean())
        found[f"{kind}: the same of what was clicked, {longest} days"] = float(met[of_row & clicked].mean())
    return found


class _Past:
    """Who had met which leaf and brand when."""

    def __init__(self, world: ShopWorld, *tables: pa.Table) -> None:
        self._world = world
        events = pa.concat_tables([table.select(["searcher_id", "time", "doc_id"]) for table in tables])
        self._key, self._time = self._keys(events["searcher_id"], events["doc_id"]), _micros(events["time"])

    def days_since(self, searcher: pa.ChunkedArray, product: pa.ChunkedArray, now: pa.ChunkedArray) -> np.ndarray:
        """float64: days since each searcher had met the leaf and brand of a product, before `now`; infinite: never."""
        return _days_since(self._key, self._time, self._keys(searcher, product), _micros(now))

    def _keys(self, searcher: pa.ChunkedArray, product: pa.ChunkedArray) -> np.ndarray:
        return _taste(self._world, _numbers(searcher), _numbers(product))


def _taste(world: ShopWorld, searcher: np.ndarray, product: np.ndarray) -> np.ndarray:
    """int64: one number per searcher, leaf and brand."""
    brands = len(world.catalogue.brand_names)
    result: np.ndarray = (searcher * 1000 + world.catalogue.leaf[product]) * brands + world.catalogue.brand[product]
    return result


def _days_since(key: np.ndarray, time: np.ndarray, wanted: np.ndarray, now: np.ndarray) -> np.ndarray:
    """float64 (len(wanted),): days since the newest event of each wanted key before `now`; infinite where none is."""
    order = np.lexsort((time, key))
    key, time = key[order], time[order]
    both = np.lexsort((np.r_[np.zeros(len(now)), np.ones(len(time))], np.r_[now, time], np.r_[wanted, key]))
    before = np.cumsum(both >= len(now))  # events up to each place; an event of the same time comes after
    at = np.empty(len(both), dtype=np.int64)
    at[both] = before
    last = at[: len(now)] - 1
    known = (last >= 0) & (key[np.maximum(last, 0)] == wanted)
    return np.where(known, (now - time[np.maximum(last, 0)]) / DAY, np.inf)


def _read(folder: Path, table: str) -> pa.Table:
    return pq.read_table(folder / f"{table}.parquet")


def _numbers(ids: pa.ChunkedArray) -> np.ndarray:
    """The number after the letter of an id; -1 for null."""
    result: np.ndarray = pc.fill_null(pc.utf8_slice_codeunits(ids, 1).cast(pa.int64()), -1).to_numpy()
    return result


def _micros(time: pa.ChunkedArray) -> np.ndarray:
    result: np.ndarray = time.cast(pa.int64()).to_numpy()
    return result
