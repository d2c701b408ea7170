"""The title, description and pictures of a product.

A title is a list of keywords: names of the category, attributes (not all), the brand, styles, words that could be on
anything, and some that are not true of the product.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from alicorn.worlds.shop.catalogue import DEPARTMENT_OF, LEAVES, MATERIALS, STYLE_DIM, Catalogue, unit
from alicorn.worlds.shop.words import COLOURS, DEPARTMENTS, PILE, SIZES

T = TypeVar("T")


def titles(rng: np.random.Generator, catalogue: Catalogue) -> list[str]:
    """One title per product."""
    return [" ".join(_keywords(rng, catalogue, number)) for number in range(len(catalogue))]


def descriptions(rng: np.random.Generator, catalogue: Catalogue) -> list[str]:
    """A sentence that names the category by any of its names, the department, the material and styles."""
    found = []
    for leaf, material, chance in zip(
        catalogue.leaf.tolist(), catalogue.material.tolist(), rng.random((len(catalogue), 3)).tolist(), strict=True
    ):
        department = DEPARTMENTS[DEPARTMENT_OF[leaf]]
        name = _pick(LEAVES[leaf], chance[0])
        styles = f"{_pick(department.styles, chance[1])} and {_pick(department.styles, chance[2])}"
        found.append(f"{name} from our {department.name} range, {styles}, made of {MATERIALS[material]}")
    return found


def images(rng: np.random.Generator, catalogue: Catalogue) -> pa.ListArray:
    """list<list<float>>: one to four pictures of each product, its style with noise, unit length."""
    count = rng.integers(1, catalogue.model.most_images + 1, len(catalogue))
    of = np.repeat(np.arange(len(catalogue)), count)
    noise = rng.normal(0.0, catalogue.model.image_noise / np.sqrt(STYLE_DIM), (len(of), STYLE_DIM))
    vectors = unit(catalogue.style[of] + noise).astype(np.float32)
    rows = pa.ListArray.from_arrays(
        pa.array(np.arange(len(of) + 1, dtype=np.int32) * STYLE_DIM), pa.array(vectors.ravel())
    )
    return pa.ListArray.from_arrays(pa.array(np.r_[0, np.cumsum(count)].astype(np.int32)), rows)


def _keywords(rng: np.random.Generator, catalogue: Catalogue, number: int) -> list[str]:
    """The name of the category first, the rest in any order."""
    model, leaf = catalogue.model, LEAVES[catalogue.leaf[number]]
    department = DEPARTMENTS[DEPARTMENT_OF[catalogue.leaf[number]]]
    chance = rng.random(9 + len(leaf)).tolist()
    names = [name for i, name in enumerate(leaf) if chance[9 + i] < model.named[i > 0]] or [leaf[0]]
    rest = [
        *names[1:],
        *[department.name] * (chance[0] < model.department_named),
        *[catalogue.brand_names[catalogue.brand[number]]] * (chance[1] < model.brand_named),
        *[COLOURS[catalogue.colour[number]]] * (chance[2] < model.colour_named),
        *[MATERIALS[catalogue.material[number]]] * (chance[3] < model.material_named),
        *[SIZES[catalogue.size[number]]] * (chance[4] < model.size_named),
        *rng.choice(department.styles, model.styles, replace=False).tolist(),
        *rng.choice(PILE, model.pile, replace=False).tolist(),
        *[_pick(_pick(department.leaves, chance[8]), 0.0)] * (chance[5] < model.stuffed[0]),
        *[_pick(catalogue.brand_names, chance[8])] * (chance[6] < model.stuffed[1]),
        *[_pick(COLOURS, chance[8])] * (chance[7] < model.stuffed[2]),
    ]
    return [names[0], *(rest[i] for i in rng.permutation(len(rest)))]


def _pick(names: Sequence[T], chance: float) -> T:
    return names[int(chance * len(names))]
