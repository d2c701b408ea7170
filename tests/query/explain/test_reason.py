"""Why a document is in a result: every node says whether it holds the document, as the oracle does."""

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from oracle import Oracle
from random_trees import random_tree
from test_engine import World, fits

from alicorn.language import tree
from alicorn.query import Collection
from alicorn.query.explain.reason import Reason


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("reason") / "c", seed=21, codec="sq8")
    yield world
    world.collection.close()


def test_every_node_agrees_with_the_oracle(world: World) -> None:
    rng = random.Random(4)
    ids = sorted(world.documents)
    checked = 0
    while checked < 60:
        vectors = world.vectors(rng)
        oracle = world.oracle(vectors)
        root = random_tree(rng, world.words, depth=4)
        if not fits(root) or oracle.is_borderline(root):
            continue
        doc_id = rng.choice(ids)
        found = world.collection.explain(str(root), doc_id, vectors=vectors)
        assert found is not None
        check(found, root, oracle, doc_id)
        checked += 1


def check(found: Reason, node: tree.Node, oracle: Oracle, doc_id: str) -> None:
    assert found.expression == str(node)
    assert found.matches == (doc_id in oracle.evaluate(node)), found
    for child, operand in zip(found.children, tree.children(node), strict=True):
        check(child, operand, oracle, doc_id)


def test_reasons_name_what_decided(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c", {"x": 2}) as collection:
        collection.upsert(
            pa.table(
                {
                    "doc_id": ["near", "far", "bare"],
                    "terms": [["tag:a", "text:john"], ["tag:a"], []],
                    "price": [5, 50, None],
                    "embedding:x": pa.array([[1.0, 0.0], [0.0, 1.0], None], pa.list_(pa.float32())),
                }
            )
        )
        expression = "(and (or tag:a (prefix text:jo)) (range price :max 10) (nn x :radius 0.5))"
        far = collection.explain(expression, "far", vectors={"x": [1, 0]})
        assert far is not None
        assert not far.matches
        assert [child.matches for child in far.children] == [True, False, False]
        assert far.why == "1 of 3 operands hold it"
        assert far.children[1].why == "price is 50"
        assert far.children[2].why == "distance 1.0000, beyond the radius 0.5"
        near = collection.explain(expression, "near", vectors={"x": [1, 0]})
        assert near is not None
        assert near.matches
        assert near.children[0].children[1].why == "has text:john"
        bare = collection.explain("(nn x :k 1)", "bare", vectors={"x": [1, 0]})
        assert bare is not None
        assert bare.why == "has no embedding x"
        second = collection.explain("(nn x :k 1)", "far", vectors={"x": [1, 0]})
        assert second is not None
        assert second.why == "distance 1.0000; the last of the 1 nearest is at 0.0000"
        assert collection.explain("tag:a", "nobody") is None
        assert "no   (range price :max 10)  price is 50" in str(far)
        assert far.to_dict()["children"][2]["matches"] is False
