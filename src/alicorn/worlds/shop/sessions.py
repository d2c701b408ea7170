"""Who shops when: sessions of browsing and searching, and which taste is behind each search.

A session has a focus (leaf, brand), and begins with browsing; its searches follow the focus, the project of these
days, an interest of these months, or nothing that the searcher has ever done. KINDS says which, and is a segment.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.worlds.people.searching.activity import HOUR
from alicorn.worlds.shop.catalogue import Catalogue
from alicorn.worlds.shop.tastes import MONTH_DAYS, Tastes, choose_products, draw_focus

KINDS = ("session", "days", "months", "unlinked")
DAY = 24 * HOUR
MINUTE = HOUR // 60


@dataclass(frozen=True)
class SessionModel:
    """kinds: shares of the searches. project, interest: shares of the sessions whose focus it is; else it is new.
    noise: share of the products browsed that have nothing to do with the searcher."""

    searches: float = 2.2  # mean of a session, at least 1
    browsed: float = 4.0  # mean of a session, at least 1
    noise: float = 0.2
    project: float = 0.40
    interest: float = 0.35
    kinds: tuple[float, ...] = (0.35, 0.20, 0.15, 0.30)
    longest_min: float = 30.0
    busyness_sigma: float = 1.0  # log-normal number of sessions per searcher


@dataclass(frozen=True)
class Events:
    """Searches or browsing in the order of time: arrays of one entry each. brand: the one in focus, -1 if unlinked."""

    searcher: np.ndarray  # int64
    time: np.ndarray  # int64, microseconds since 1970
    kind: np.ndarray  # int8, index into KINDS
    brand: np.ndarray  # int32
    product: np.ndarray  # int64, wanted or looked at

    def __len__(self) -> int:
        return len(self.searcher)


def draw_sessions(
    rng: np.random.Generator,
    catalogue: Catalogue,
    tastes: Tastes,
    num_searches: int,
    start: int,
    num_days: int,
    model: SessionModel,
) -> tuple[Events, Events]:
    """Searches, so many, and what was browsed between them, from `start` (microseconds) on for num_days."""
    searches = _session_sizes(rng, num_searches, model)
    num_sessions = len(searches)
    busy = np.cumsum(rng.lognormal(0.0, model.busyness_sigma, len(tastes)))
    searcher = np.searchsorted(busy, rng.random(num_sessions) * busy[-1], side="right")
    begins = rng.integers(0, num_days * DAY - HOUR, num_sessions)
    focus = _focus(rng, catalogue, tastes, searcher, begins, (model.project, model.project + model.interest))

    browsed = 1 + rng.poisson(model.browsed - 1, num_sessions)
    session = np.repeat(np.arange(num_sessions), browsed)
    offset = rng.integers(1, int(model.longest_min * MINUTE), len(session))
    offset[np.cumsum(browsed) - browsed] = 0  # the session begins with a product
    looked = choose_products(rng, catalogue, tastes, searcher[session], focus[0][session], focus[1][session])
    noise = rng.random(len(session)) < model.noise
    looked[noise] = rng.integers(0, len(catalogue), int(noise.sum()))
    kind = np.where(noise, KINDS.index("unlinked"), 0).astype(np.int8)
    browsing = Events(searcher[session], start + begins[session] + offset, kind, focus[1][session], looked)

    session = np.repeat(np.arange(num_sessions), searches)
    time = begins[session] + rng.integers(MINUTE, int(model.longest_min * MINUTE), len(session))
    kind = np.searchsorted(np.cumsum(model.kinds), rng.random(len(session)), side="right").clip(max=len(KINDS) - 1)
    leaf, brand = focus[0][session], focus[1][session]
    for number, shares in ((1, (1.0, 1.0)), (2, (0.0, 1.0)), (3, (0.0, 0.0))):  # (project, project + interest)
        rows = np.flatnonzero(kind == number)
        leaf[rows], brand[rows] = _focus(rng, catalogue, tastes, searcher[session[rows]], time[rows], shares)
    brand[kind == KINDS.index("unlinked")] = -1
    wanted = choose_products(rng, catalogue, tastes, searcher[session], leaf, brand)
    asked = Events(searcher[session], start + time, kind.astype(np.int8), brand, wanted)
    return _in_time(asked), _in_time(browsing)


def _session_sizes(rng: np.random.Generator, num_searches: int, model: SessionModel) -> np.ndarray:
    """Searches of each session, int64, that sum to num_searches."""
    sizes = 1 + rng.poisson(model.searches - 1, num_searches)
    last = int(np.searchsorted(np.cumsum(sizes), num_searches))
    sizes = sizes[: last + 1]
    sizes[-1] -= sizes.sum() - num_searches
    return sizes


def _focus(
    rng: np.random.Generator,
    catalogue: Catalogue,
    tastes: Tastes,
    searcher: np.ndarray,
    time: np.ndarray,
    shares: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Leaf and brand: of the project of the day, an interest of the month, or new. shares: ends of the first two."""
    leaf, brand = draw_focus(rng, tastes.age_group[searcher], tastes.department_shares, catalogue)
    chance, slot = rng.random(len(searcher)), rng.integers(0, tastes.model.interests, len(searcher))
    day = time // DAY
    rows = np.flatnonzero(chance < shares[0])
    leaf[rows] = tastes.project_leaf[searcher[rows], day[rows]]
    brand[rows] = tastes.project_brand[searcher[rows], day[rows]]
    rows = np.flatnonzero((chance >= shares[0]) & (chance < shares[1]))
    at = (searcher[rows], day[rows] // MONTH_DAYS, slot[rows])
    leaf[rows], brand[rows] = tastes.interest_leaf[at], tastes.interest_brand[at]
    return leaf, brand


def _in_time(events: Events) -> Events:
    order = np.lexsort((events.searcher, events.time))
    return Events(*(getattr(events, name)[order] for name in Events.__dataclass_fields__))
