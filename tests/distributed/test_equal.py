"""N shards answer as one collection: ids, order, scores, total, facets, pages and notices, on random trees."""

import random
from typing import Any

import numpy as np
import pytest
from random_trees import random_tree
from sharded_world import NUM_SHARDS, World

from alicorn.distributed.router.sharded import ShardedCollection
from alicorn.errors import AlicornError
from alicorn.language import tree
from alicorn.language.order import OrderBy
from alicorn.query import Collection, Facet

ORDERS: list[OrderBy | None] = [
    None,
    None,
    "static_rank",
    "bm25",
    {"bm25": 1.0, "static_rank": 0.1, "price": 0.01},
    {"bm25(text^2,tag)": 1.0},
    {"rrf": ["bm25", "static_rank", "price"]},
    "price desc",
    ["best", "year desc"],
    ["static_rank", "price"],
    ["bm25", "year"],
]
NN_ORDERS: list[OrderBy | None] = ["nn", {"nn": 1.0, "bm25": 0.3}, {"rrf": ["nn", "bm25"]}]
FACETS = {
    "best": Facet("best", top=3),
    "friends": Facet("friends", top=5),
    "tag": Facet(prefix="tag:"),
    "year": Facet("year", interval=5),
    "price": Facet("price", edges=(10, 50.5)),
}


def random_request(rng: random.Random, world: World) -> tuple[tree.Node, dict[str, Any]]:
    root = random_tree(rng, world.words, depth=rng.randint(1, 6))
    nns = [node for node in tree.walk(root) if isinstance(node, tree.Nn)]
    request: dict[str, Any] = {
        "vectors": world.vectors(rng),
        "limit": rng.choice([0, 1, 5, 10, 10, 50, 1000]),
        "order_by": rng.choice(ORDERS + NN_ORDERS if nns else ORDERS),
    }
    if rng.random() < 0.3:
        request["facets"] = FACETS
    if rng.random() < 0.2:
        request["offset"] = rng.choice([1, 7, 100])
    if rng.random() < 0.15:
        request["only"] = tree.Term(f"tag:{rng.randrange(12)}")
    return root, request


def answer_of(collection: Collection | ShardedCollection, root: tree.Node, request: dict[str, Any]) -> Any:
    """The result, or what is wrong with the request."""
    try:
        return collection.search(root, **request)
    except AlicornError as error:
        return type(error).__name__, str(error)


def check(world: World, root: tree.Node, request: dict[str, Any], counts: tuple[int, ...] = NUM_SHARDS) -> bool:
    """Whether it is a request that has an answer."""
    wanted = answer_of(world.whole, root, request)
    for count in counts:
        got = answer_of(world.sharded[count], root, request)
        about = f"{count} shards: {root} {request}"
        if isinstance(wanted, tuple):
            assert got == wanted, about
            continue
        assert not isinstance(got, tuple), f"{got}: {about}"
        assert got.total == wanted.total, about
        assert got.ids == wanted.ids, about
        assert np.array_equal(got.scores, wanted.scores), about
        assert got.facets == wanted.facets, about
        assert got.cursor == wanted.cursor, about
        assert set(got.notices) >= set(wanted.notices), about
        assert got.coverage.is_whole
    return not isinstance(wanted, tuple)


def check_random(world: World, count: int, seed: int) -> None:
    rng = random.Random(seed)
    answered = 0
    while answered < count:
        root, request = random_request(rng, world)
        answered += check(world, root, request)


def test_random_trees(world: World) -> None:
    check_random(world, 60, seed=1)


@pytest.mark.slow
def test_thousands_of_random_trees(world: World) -> None:
    check_random(world, 2500, seed=2)
