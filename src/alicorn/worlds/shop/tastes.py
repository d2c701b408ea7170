"""Who shops, and what do they like, on which day? Tastes on three time scales, all of which drift.

months    a few interests, each a leaf with a brand; at the end of a month some are given up for others
days      one project, a leaf with a brand, followed for some days, then another
session   a focus, drawn when a session begins (sessions.py): the project, an interest, or something new

Beside these, a searcher has a colour, a price level and a style of their own, which do not drift.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alicorn.worlds.shop.catalogue import DEPARTMENT_OF, LEAVES, STYLE_DIM, Catalogue
from alicorn.worlds.shop.words import COLOURS, DEPARTMENTS

AGE_GROUPS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
MONTH_DAYS = 30


@dataclass(frozen=True)
class TasteModel:
    """interest_kept: probability per month; project_days: mean. The weights are of the utility of a product, in nats;
    price: per unit of the distance of log prices."""

    interests: int = 4
    interest_kept: float = 0.7
    project_days: float = 6.0
    department_evenness: float = 0.5  # Dirichlet parameter of an age group's departments
    brand: float = 4.0
    colour: float = 1.0
    style: float = 1.5
    price: float = 1.0
    popularity: float = 0.5


@dataclass(frozen=True)
class Tastes:
    """Arrays of one row per searcher; a focus is (leaf, brand)."""

    age_group: np.ndarray  # int8
    colour: np.ndarray  # int8
    price_level: np.ndarray  # float32, added to the log of a department's price
    style: np.ndarray  # float32 (searchers, STYLE_DIM), unit length
    interest_leaf: np.ndarray  # int16 (searchers, months, interests)
    interest_brand: np.ndarray  # int32, same shape
    project_leaf: np.ndarray  # int16 (searchers, days)
    project_brand: np.ndarray  # int32, same shape
    department_shares: np.ndarray  # float64 (age groups, departments)
    model: TasteModel

    def __len__(self) -> int:
        return len(self.age_group)


def draw_tastes(
    rng: np.random.Generator, num_searchers: int, num_days: int, catalogue: Catalogue, model: TasteModel
) -> Tastes:
    """Tastes of every day from 0 to num_days."""
    months = -(-num_days // MONTH_DAYS)
    age_group = rng.integers(0, len(AGE_GROUPS), num_searchers).astype(np.int8)
    shares = rng.dirichlet(np.full(len(DEPARTMENTS), model.department_evenness), len(AGE_GROUPS))
    style = rng.normal(size=(num_searchers, STYLE_DIM))
    interests = _drifting(
        rng,
        age_group,
        shares,
        catalogue,
        (months, model.interests),
        lambda shape: rng.random(shape) > model.interest_kept,
    )
    projects = _drifting(
        rng, age_group, shares, catalogue, (num_days, 1), lambda shape: rng.random(shape) < 1 / model.project_days
    )
    return Tastes(
        age_group=age_group,
        colour=rng.integers(0, len(COLOURS), num_searchers).astype(np.int8),
        price_level=rng.normal(0.0, 0.4, num_searchers).astype(np.float32),
        style=(style / np.linalg.norm(style, axis=1, keepdims=True)).astype(np.float32),
        interest_leaf=interests[0],
        interest_brand=interests[1],
        project_leaf=projects[0][:, :, 0],
        project_brand=projects[1][:, :, 0],
        department_shares=shares,
        model=model,
    )


def draw_focus(
    rng: np.random.Generator, age_group: np.ndarray, shares: np.ndarray, catalogue: Catalogue
) -> tuple[np.ndarray, np.ndarray]:
    """Something new for each searcher of these age groups: leaf int16 and brand int32, both (n,).

    The department is one of the age group's, the leaf any of it, the brand that of a product of the leaf.
    """
    cumulative = np.cumsum(shares, axis=1)[age_group]  # (n, departments)
    department = np.minimum((cumulative < rng.random((len(age_group), 1))).sum(axis=1), len(DEPARTMENTS) - 1)
    leaf = np.empty(len(age_group), dtype=np.int16)
    for number in range(len(DEPARTMENTS)):
        rows = np.flatnonzero(department == number)
        leaf[rows] = rng.choice(np.flatnonzero(number == DEPARTMENT_OF), len(rows))
    brand = np.empty(len(age_group), dtype=np.int32)
    for number in range(len(LEAVES)):
        rows = np.flatnonzero(leaf == number)
        brand[rows] = catalogue.brand[rng.choice(catalogue.by_leaf[number], len(rows))]
    return leaf, brand


def choose_products(
    rng: np.random.Generator,
    catalogue: Catalogue,
    tastes: Tastes,
    searcher: np.ndarray,
    leaf: np.ndarray,
    brand: np.ndarray,
) -> np.ndarray:
    """A product of each leaf, int64 (n,), with probability in proportion to exp(utility).

    brand: the brand in focus; -1 for a choice that has nothing to do with the searcher, by popularity alone.
    """
    found = np.empty(len(leaf), dtype=np.int64)
    for number, products in enumerate(catalogue.by_leaf):
        of_leaf = np.flatnonzero(leaf == number)
        for rows in np.array_split(of_leaf, max(1, len(of_leaf) * len(products) >> 22)):
            liked = utility(catalogue, tastes, searcher[rows], brand[rows], products)
            weights = np.cumsum(np.exp(liked - liked.max(axis=1, keepdims=True)), axis=1)
            at = (weights < rng.random((len(rows), 1)) * weights[:, -1:]).sum(axis=1)
            found[rows] = products[np.minimum(at, len(products) - 1)]
    return found


def utility(
    catalogue: Catalogue, tastes: Tastes, searcher: np.ndarray, brand: np.ndarray, products: np.ndarray
) -> np.ndarray:
    """How much each searcher likes products, float32 (n, k), in nats. products: int64 (n, k), or (k,) for all alike.

    searcher, brand: (n,); -1 for a brand takes the searcher's own taste away.
    """
    model = tastes.model
    median = np.log([d.price for d in DEPARTMENTS]).astype(np.float32)[catalogue.department[products]]
    distance = np.abs(np.log(catalogue.price[products]) - median - tastes.price_level[searcher, None])
    own = model.brand * (catalogue.brand[products] == brand[:, None])
    own = own + model.colour * (catalogue.colour[products] == tastes.colour[searcher, None])
    style, own_style = catalogue.style[products], tastes.style[searcher]
    alike = own_style @ style.T if products.ndim == 1 else np.einsum("nkd,nd->nk", style, own_style)
    own = own + model.style * alike
    own = own - model.price * distance
    common = model.popularity * np.log(catalogue.popularity[products])
    result: np.ndarray = (common + np.where(brand[:, None] >= 0, own, 0.0)).astype(np.float32)
    return result


def _drifting(
    rng: np.random.Generator,
    age_group: np.ndarray,
    shares: np.ndarray,
    catalogue: Catalogue,
    steps: tuple[int, int],
    changes: Callable[[tuple[int, ...]], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Leaf and brand, (searchers, *steps): drawn at the first step, and anew where `changes`, bool of
    this shape, says so."""
    shape = (len(age_group), *steps)
    everyone = np.repeat(age_group, steps[0] * steps[1])
    leaf, brand = draw_focus(rng, everyone, shares, catalogue)
    anew = changes(shape)
    anew[:, 0] = True
    number = np.where(anew, np.arange(steps[0])[None, :, None], 0)
    since = np.maximum.accumulate(number, axis=1)
    taken = [np.take_along_axis(values.reshape(shape), since, axis=1) for values in (leaf, brand)]
    return taken[0], taken[1]
