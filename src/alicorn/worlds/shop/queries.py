"""Queries of the shop world: keywords that name a category and state some attributes of the wanted product.

The attributes that a query states are its intent, which determines the relevance of every product.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.worlds.shop.catalogue import DEPARTMENT_OF, LEAVES, MATERIALS, Catalogue
from alicorn.worlds.shop.words import COLOURS, DEPARTMENTS, SIZES

STATED = ("brand", "colour", "material", "size")


@dataclass(frozen=True)
class ShopQueryModel:
    """Rates in [0, 1]. A query without a first name or a department has another name of the category."""

    first_name: float = 0.55
    department: float = 0.10
    stated: tuple[float, ...] = (0.20, 0.30, 0.20, 0.10)  # in the order of STATED


@dataclass(frozen=True)
class Intents:
    """What queries ask for; -1 where they do not say. One entry per query."""

    department: np.ndarray  # int64
    leaf: np.ndarray  # int64, -1 where only the department is named
    stated: dict[str, np.ndarray]  # of STATED, int64

    def relevant(self, catalogue: Catalogue, products: np.ndarray) -> np.ndarray:
        """bool (queries, k). products: int (queries, k), -1 for none: of the category, with everything stated."""
        found = (products >= 0) & (catalogue.department[products] == self.department[:, None])
        found &= (self.leaf[:, None] < 0) | (catalogue.leaf[products] == self.leaf[:, None])
        for name, values in self.stated.items():
            found &= (values[:, None] < 0) | (getattr(catalogue, name)[products] == values[:, None])
        result: np.ndarray = found
        return result


def type_queries(
    rng: np.random.Generator, catalogue: Catalogue, wanted: np.ndarray, model: ShopQueryModel
) -> tuple[list[str], Intents, list[list[str]]]:
    """For wanted products, int64 (n,): the text, the intent and the labels of each query."""
    how = rng.random(len(wanted))
    only_department = how > 1 - model.department
    leaf = np.where(only_department, -1, catalogue.leaf[wanted]).astype(np.int64)
    says = rng.random((len(wanted), len(STATED))) < np.array(model.stated)
    stated = {
        name: np.where(says[:, i], getattr(catalogue, name)[wanted], -1).astype(np.int64)
        for i, name in enumerate(STATED)
    }
    intents = Intents(DEPARTMENT_OF[catalogue.leaf[wanted]], leaf, stated)
    queries, labels = [], []
    for row, chance in enumerate(rng.random((len(wanted), 2)).tolist()):
        names = LEAVES[catalogue.leaf[wanted[row]]]
        if only_department[row]:
            name, label = DEPARTMENTS[intents.department[row]].name, "department"
        elif how[row] < model.first_name:
            name, label = names[0], "first_name"
        else:
            name, label = names[1 + int(chance[0] * (len(names) - 1))], "other_name"
        words = [_word(catalogue, key, int(values[row])) for key, values in stated.items() if values[row] >= 0]
        words.insert(int(chance[1] * (len(words) + 1)), name)
        queries.append(" ".join(words))
        labels.append([label, "attributes" if len(words) > 1 else "plain"])
    return queries, intents, labels


def _word(catalogue: Catalogue, name: str, number: int) -> str:
    names = {"brand": catalogue.brand_names, "colour": COLOURS, "material": MATERIALS, "size": SIZES}
    return names[name][number]
