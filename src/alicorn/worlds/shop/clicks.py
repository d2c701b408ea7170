"""Clicks in the shop world, and visits, collections and purchases outside search.

Clicks are position-based, as in clicks.py; how attractive a result is depends on what the searcher likes.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.worlds.people.searching.activity import HOUR
from alicorn.worlds.people.searching.clicks import ClickModel
from alicorn.worlds.shop.catalogue import Catalogue
from alicorn.worlds.shop.queries import Intents
from alicorn.worlds.shop.sessions import MINUTE, Events
from alicorn.worlds.shop.tastes import Tastes, utility

ACTIONS = ("visited", "collected", "bought")
Acts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # searcher, product, time, action


@dataclass(frozen=True)
class ShopClickModel:
    """Probabilities in [0, 1]; `exponent` of the examination 1 / rank ** exponent. Of a result that is looked at, to be
    clicked: the wanted product; any other between two numbers, the higher the more its searcher likes it, whether it is
    what the query asks for (relevant) or not (mistaken). noise: of a search, that a click falls on any result shown.
    bought, collected: of what is visited or clicked. reached: of a search without a click, that the wanted product is
    found another way."""

    exponent: float = 0.5
    wanted: float = 0.9
    relevant: tuple[float, float] = (0.05, 0.55)
    liked: float = 2.0  # nats of utility at which the two are half way
    mistaken: tuple[float, float] = (0.02, 0.30)
    noise: float = 0.12
    collected: float = 0.12
    bought: float = 0.08
    reached: float = 0.35
    mean_delay_h: float = 2.0


def click_products(
    rng: np.random.Generator,
    catalogue: Catalogue,
    tastes: Tastes,
    asked: Events,
    intents: Intents,
    shown: np.ndarray,
    model: ShopClickModel,
) -> np.ndarray:
    """bool (searches, PAGE). shown: int64, -1 after the end of the page."""
    liked = utility(catalogue, tastes, asked.searcher, asked.brand, shown)
    half_way = 1 / (1 + np.exp(model.liked - liked))
    relevant, mistaken = (low + (high - low) * half_way for low, high in (model.relevant, model.mistaken))
    attraction = np.where(intents.relevant(catalogue, shown), relevant, mistaken)
    attraction = np.where(shown == asked.product[:, None], model.wanted, attraction)
    clicked = rng.random(shown.shape) < ClickModel(exponent=model.exponent).examination(shown.shape[1]) * attraction
    slips = np.flatnonzero(rng.random(len(shown)) < model.noise)
    place = (rng.random(len(slips)) * np.maximum((shown[slips] >= 0).sum(axis=1), 1)).astype(np.int64)
    clicked[slips, place] = True
    return clicked & (shown >= 0)


def act(
    rng: np.random.Generator,
    asked: Events,
    browsed: Events,
    shown: np.ndarray,
    clicked: np.ndarray,
    model: ShopClickModel,
) -> Acts:
    """Visits, and the collections and purchases of visited and clicked products."""
    failed = np.flatnonzero(~clicked.any(axis=1))
    failed = failed[rng.random(len(failed)) < model.reached]
    delay = (rng.exponential(model.mean_delay_h, len(failed)) * HOUR).astype(np.int64) + MINUTE
    visits = (
        np.r_[browsed.searcher, asked.searcher[failed]],
        np.r_[browsed.product, asked.product[failed]],
        np.r_[browsed.time, asked.time[failed] + delay],
    )
    row, rank = np.nonzero(clicked)
    seen = tuple(
        np.r_[visit, click]
        for visit, click in zip(visits, (asked.searcher[row], shown[row, rank], asked.time[row]), strict=True)
    )
    parts = [(*visits, np.zeros(len(visits[0]), np.int8))]
    for action, rate in ((1, model.collected), (2, model.bought)):
        rows = np.flatnonzero(rng.random(len(seen[0])) < rate)
        later = seen[2][rows] + rng.integers(1, 20 * MINUTE, len(rows))
        parts.append((seen[0][rows], seen[1][rows], later, np.full(len(rows), action, np.int8)))
    acts = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.lexsort((acts[1], acts[0], acts[2]))
    return acts[0][order], acts[1][order], acts[2][order], acts[3][order]
