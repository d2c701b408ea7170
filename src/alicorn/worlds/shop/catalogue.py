"""What is sold in the shop world? Products with category, brand, shop, price, attributes and a style.

Product number = row of every array. titles.py puts products into words and pictures.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alicorn.worlds.shop.words import COLOURS, DEPARTMENTS, SIZES

STYLE_DIM = 16
LEAVES = [leaf for department in DEPARTMENTS for leaf in department.leaves]
DEPARTMENT_OF = np.repeat(np.arange(len(DEPARTMENTS)), [len(d.leaves) for d in DEPARTMENTS])
MATERIALS = sorted({material for department in DEPARTMENTS for material in department.materials})
_SYLLABLES = [
    "ba",
    "be",
    "bo",
    "da",
    "de",
    "do",
    "ka",
    "ke",
    "ko",
    "la",
    "le",
    "lo",
    "ma",
    "me",
    "mi",
    "mo",
    "na",
    "ne",
    "no",
    "ra",
    "re",
    "ri",
    "ro",
    "sa",
    "se",
    "so",
    "ta",
    "te",
    "to",
    "va",
    "ve",
    "vo",
    "zu",
]


@dataclass(frozen=True)
class CatalogueModel:
    """Numbers per product; rates in [0, 1]."""

    brands_per_product: float = 0.01
    shops_per_product: float = 0.02
    brand_skew: float = 0.8  # Zipf exponent of the number of products per brand of a department
    price_sigma: float = 0.45  # of the log price, around department and brand
    named: tuple[float, ...] = (0.85, 0.35)  # the title has the first name of the category, each of its other names
    department_named: float = 0.3
    brand_named: float = 0.7
    colour_named: float = 0.75
    material_named: float = 0.6
    size_named: float = 0.4
    styles: int = 2
    pile: int = 3
    stuffed: tuple[float, ...] = (
        0.25,
        0.10,
        0.15,
    )  # with another leaf of the department, brand, colour: not true of it
    image_noise: float = 0.5
    most_images: int = 4


@dataclass(frozen=True)
class Catalogue:
    """Arrays of one entry per product, unless said otherwise."""

    leaf: np.ndarray  # int16, index into LEAVES
    brand: np.ndarray  # int32
    shop: np.ndarray  # int32
    colour: np.ndarray  # int8
    material: np.ndarray  # int8, index into MATERIALS
    size: np.ndarray  # int8
    price: np.ndarray  # float32
    popularity: np.ndarray  # float32, log-normal
    style: np.ndarray  # float32 (products, STYLE_DIM), unit length; what an image shows
    brand_department: np.ndarray  # int16 (brands,)
    brand_names: list[str]
    shop_names: list[str]
    model: CatalogueModel

    def __len__(self) -> int:
        return len(self.leaf)

    @property
    def department(self) -> np.ndarray:
        result: np.ndarray = DEPARTMENT_OF[self.leaf]
        return result

    @cached_property
    def by_leaf(self) -> list[np.ndarray]:
        """The products of each leaf, ascending."""
        order = np.argsort(self.leaf, kind="stable")
        return np.split(order, np.searchsorted(self.leaf[order], np.arange(1, len(LEAVES))))


def draw_catalogue(rng: np.random.Generator, num_products: int, model: CatalogueModel) -> Catalogue:
    """Leaves are about equally large; a brand belongs to one department, a shop sells for up to two."""
    num_brands = max(3 * len(DEPARTMENTS), int(num_products * model.brands_per_product))
    num_shops = max(2 * len(DEPARTMENTS), int(num_products * model.shops_per_product))
    leaf = rng.integers(0, len(LEAVES), num_products).astype(np.int16)
    department = DEPARTMENT_OF[leaf]
    brand_department = (np.arange(num_brands) % len(DEPARTMENTS)).astype(np.int16)
    brand = _skewed_member(rng, department, brand_department, model.brand_skew)
    shop_department = (np.arange(num_shops) % len(DEPARTMENTS)).astype(np.int16)
    elsewhere = np.where(rng.random(num_products) < 0.8, department, (department + 1) % len(DEPARTMENTS))
    shop = _skewed_member(rng, elsewhere, shop_department, model.brand_skew)
    materials = [[MATERIALS.index(m) for m in d.materials] for d in DEPARTMENTS]
    chance = rng.random(num_products)
    material = [materials[d][int(c * len(materials[d]))] for d, c in zip(department.tolist(), chance, strict=True)]
    level = rng.normal(0.0, 0.4, num_brands)  # of a brand's prices
    median = np.log([d.price for d in DEPARTMENTS])[department]
    price = np.exp(median + level[brand] + rng.normal(0.0, model.price_sigma, num_products))
    colour = _zipf(rng, num_products, len(COLOURS), 0.7)
    return Catalogue(
        leaf=leaf,
        brand=brand,
        shop=shop,
        colour=colour.astype(np.int8),
        material=np.array(material, dtype=np.int8),
        size=rng.integers(0, len(SIZES), num_products).astype(np.int8),
        price=np.round(price, 2).astype(np.float32),
        popularity=np.exp(rng.normal(0.0, 1.0, num_products)).astype(np.float32),
        style=_styles(rng, leaf, brand, colour, num_brands),
        brand_department=brand_department,
        brand_names=_invented(rng, num_brands, 3),
        shop_names=[f"{name} store" for name in _invented(rng, num_shops, 2)],
        model=model,
    )


def _skewed_member(rng: np.random.Generator, wanted: np.ndarray, group: np.ndarray, skew: float) -> np.ndarray:
    """For each wanted group one of its members, int32, the first members far more often."""
    found = np.empty(len(wanted), dtype=np.int32)
    for number in np.unique(wanted):
        members, rows = np.flatnonzero(group == number), np.flatnonzero(wanted == number)
        found[rows] = members[_zipf(rng, len(rows), len(members), skew)]
    return found


def _zipf(rng: np.random.Generator, size: int, count: int, exponent: float) -> np.ndarray:
    """int64 (size,): numbers below `count`, number i in proportion to (i + 1) ** -exponent."""
    weights = np.cumsum(np.arange(1, count + 1) ** -exponent)
    result: np.ndarray = np.minimum(np.searchsorted(weights, rng.random(size) * weights[-1], side="right"), count - 1)
    return result


def _styles(
    rng: np.random.Generator, leaf: np.ndarray, brand: np.ndarray, colour: np.ndarray, num_brands: int
) -> np.ndarray:
    """A product looks like its kind, its brand and its colour, and a little like itself."""
    parts = [rng.normal(size=(count, STYLE_DIM)) for count in (len(LEAVES), num_brands, len(COLOURS))]
    own = rng.normal(size=(len(leaf), STYLE_DIM))
    mixed = 1.0 * parts[0][leaf] + 0.7 * parts[1][brand] + 0.5 * parts[2][colour] + 0.5 * own
    return unit(mixed).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    result: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return result


def _invented(rng: np.random.Generator, count: int, syllables: int) -> list[str]:
    """Distinct names of so many syllables, and one more where those run out."""
    found: dict[str, None] = {}
    while len(found) < count:
        length = syllables + (len(found) > len(_SYLLABLES) ** syllables // 2)
        found["".join(rng.choice(_SYLLABLES, length))] = None
    return list(found)
