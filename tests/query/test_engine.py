"""The engine against the oracle: every operator, several segments, deletes, two embedding keys, every forced plan."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from oracle import Oracle, as_stored, unit
from random_documents import random_documents, table_of
from random_trees import random_tree, vocabulary

from alicorn.errors import ConfigError
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.quantization import STORED
from alicorn.quantization.coarse.probing import nearest
from alicorn.query import Collection
from alicorn.query.run import Execution
from alicorn.query.sets import docset

DIMS = {"first": 8, "second": 5}
PLANS = (None, "exact", "slice", "scan")


class World:
    """A collection in some state, and the same documents for the oracle."""

    def __init__(self, path: Path, seed: int, stored: str = "float32", **settings: str | int) -> None:
        rng = random.Random(seed)
        self.stored = stored
        declared = {key: {"dim": dim, "stored": stored} for key, dim in DIMS.items()}
        self.collection = Collection.create(path, declared, positions=["text"])
        self.documents: dict[str, dict] = {}
        first = random_documents(rng, 300 if settings.get("codec") == "opq" else 120, DIMS)  # OPQ trains on 256 or more
        self.upsert(first)
        self.collection.flush()
        self.collection.train(**{"num_clusters": 7, **settings})
        self.upsert(random_documents(rng, 60, DIMS, first=100))  # 20 replaced
        self.collection.flush()
        self.upsert(random_documents(rng, 30, DIMS, first=150))  # 10 replaced, in memory
        self.upsert(random_documents(rng, 1, DIMS, first=400))
        gone = [f"d{number}" for number in range(0, 180, 9)]
        self.collection.delete(gone)
        for doc_id in gone:
            self.documents.pop(doc_id, None)
        self.words = vocabulary(DIMS, (None, "other"))

    def oracle(self, vectors: dict[str, np.ndarray]) -> Oracle:
        return Oracle(self.documents.values(), vectors, self.clusters, self.stored)

    def upsert(self, documents: list[dict]) -> None:
        self.collection.upsert(table_of(documents))
        self.documents |= {document["doc_id"]: document for document in documents}

    def vectors(self, rng: random.Random) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(rng.randrange(2**32))
        named = {key: unit(generator.normal(size=dim)) for key, dim in DIMS.items()}
        return named | {"other": unit(generator.normal(size=DIMS["first"]))}

    def clusters(self, key: str, query: np.ndarray, nprobe: int) -> set[str]:
        coarse = self.collection.snapshot().quantizers[key].coarse
        probed = set(nearest(coarse.cosines(query), nprobe).tolist())
        kept = [d for d in self.documents.values() if d["embeddings"][key] is not None]
        assigned = coarse.assign(np.stack([as_stored(unit(d["embeddings"][key]), self.stored) for d in kept]))
        return {
            document["doc_id"] for document, cluster in zip(kept, assigned.tolist(), strict=True) if cluster in probed
        }


SETTINGS = [
    {"codec": "sq8"},
    {"codec": "opq"},
    {"codec": "none"},
    {"codec": "rabitq", "bits": 4},
    {"codec": "rabitq", "bits": 7, "coarse": "imi", "num_clusters": 9},
    {"stored": "float16", "codec": "sq8"},
    {"stored": "codes"},
]


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("engine") / "c", seed=5, **request.param)
    yield world
    world.collection.close()


def ids_of(snapshot: Snapshot, sets: list[docset.DocSet]) -> set[str]:
    return {
        view.segment.doc_ids[int(number)].as_py()
        for view, documents in zip(snapshot.segments, sets, strict=True)
        for number in docset.as_array(documents)
    }


def fits(node: tree.Node) -> bool:
    """`other` has the dimension of `first` only."""
    return not any(isinstance(n, tree.Nn) and n.key == "second" and n.vector == "other" for n in tree.walk(node))


def check_random_trees(world: World, count: int, seed: int) -> None:
    rng = random.Random(seed)
    snapshot = world.collection.snapshot()
    checked = 0
    while checked < count:
        vectors = world.vectors(rng)
        oracle = world.oracle(vectors)
        for _ in range(5):
            root = random_tree(rng, world.words, depth=rng.randint(1, 6))
            if not fits(root) or oracle.is_borderline(root):
                continue
            expected = oracle.evaluate(root)
            for plan in PLANS:
                found = ids_of(snapshot, Execution(snapshot, vectors, forced=plan).run(root))
                assert found == expected, f"plan {plan}: {root}"
            result = world.collection.search(str(root), vectors=vectors, limit=10)
            assert result.total == len(expected), root
            if not isinstance(root, tree.StrongOr):
                check_order(oracle, root, result.ids, expected)
            checked += 1


def check_order(oracle: Oracle, root: tree.Node, ids: list[str], expected: set[str]) -> None:
    """The first ten of the oracle's order; float32 rounding may swap near-equal distances."""
    wanted = oracle.order(expected, root)[:10]
    if ids == wanted:
        return
    nn = next(node for node in tree.walk(root) if isinstance(node, tree.Nn))
    for got, want in zip(ids, wanted, strict=True):
        assert oracle.distance(got, nn) == pytest.approx(oracle.distance(want, nn), abs=1e-6), root


def test_random_trees_equal_the_oracle_under_every_plan(world: World) -> None:
    check_random_trees(world, 150, seed=11)


@pytest.mark.slow
def test_thousands_of_random_trees(world: World) -> None:
    check_random_trees(world, 3000, seed=12)


def in_some_clusters(root: tree.Node) -> bool:
    return any(isinstance(node, tree.Nn) and (node.nprobe or node.scan) is not None for node in tree.walk(root))


@pytest.mark.parametrize("stored", STORED)
def test_answers_survive_flush_merge_train_and_reopening(stored: str, tmp_path: Path) -> None:
    world = World(tmp_path / "c", seed=8, stored=stored)
    rng = random.Random(2)
    trees = [root for root in (random_tree(rng, world.words, 4) for _ in range(60)) if fits(root)]
    vectors = world.vectors(rng)

    def answers(collection: Collection, complete: bool = False) -> list:
        asked = [root for root in trees if not complete or not in_some_clusters(root)]
        results = [collection.search(str(root), vectors=vectors, limit=500) for root in asked]
        return [(result.ids, result.total, result.scores.tolist()) for result in results]

    before = answers(world.collection)
    assert any(total for _, total, _ in before)
    world.collection.flush()
    assert answers(world.collection) == before
    world.collection.merge()
    assert answers(world.collection) == before
    world.collection.close()
    with Collection.open(tmp_path / "c", read_only=True) as reopened:
        assert answers(reopened) == before
        complete = answers(reopened, complete=True)
    with Collection.open(tmp_path / "c") as trained:
        for num_clusters in (5, 11):
            trained.train(num_clusters=num_clusters)
            assert answers(trained, complete=True) == complete


def test_laws(world: World) -> None:
    rng = random.Random(3)
    vectors = world.vectors(rng)

    def found(expression: str) -> set[str]:
        return set(world.collection.search(expression, vectors=vectors, limit=1000).ids)

    inner, outer = found("(nn first :radius 0.5)"), found("(nn first :radius 0.9)")
    ring = found("(difference (nn first :radius 0.9) (nn first :radius 0.5))")
    assert inner < outer  # monotone, and the example tells them apart
    assert inner | ring == outer
    assert not inner & ring
    narrowed = found("(and tag:1 (nn first :radius 0.9))")
    assert narrowed <= outer
    assert narrowed == found("tag:1") & outer
    assert found("(nn first :radius 0.9 :nprobe 2)") <= outer
    assert found("(nn first :radius 0.9 :nprobe 100)") == outer
    assert found("(nn first :radius 2)") == {
        doc_id for doc_id, document in world.documents.items() if document["embeddings"]["first"] is not None
    }


def test_operands_that_are_repeated_change_nothing(world: World) -> None:
    """Many operands are compared, so that each is evaluated once: also `not`, and lists that differ in place only."""
    rng = random.Random(5)
    vectors = world.vectors(rng)
    checked = 0
    while checked < 25:
        root = random_tree(rng, world.words, depth=3)
        if not fits(root) or type(root) not in (tree.And, tree.Or, tree.Difference) or not tree.children(root):
            continue
        first, *rest = map(str, tree.children(root))
        if type(root) is tree.Difference:
            operands = [first, *(rest * 20)]
        else:
            operands = [first, *rest] * 20
            rng.shuffle(operands)
        expected = world.collection.search(str(root), vectors, limit=500)
        result = world.collection.search(f"({root.operator} {' '.join(operands)})", vectors, limit=500)
        assert sorted(result.ids) == sorted(expected.ids), root
        checked += 1


def test_search_many_is_search_for_each(world: World) -> None:
    generator = np.random.default_rng(4)
    matrix = generator.normal(size=(20, DIMS["first"])).astype(np.float32)
    expressions = ["(nn first :k 5)", "(or tag:1 (nn first :radius 0.4))"] * 10
    many = world.collection.search_many(expressions, vectors={"first": matrix}, limit=7)
    for expression, vector, result in zip(expressions, matrix, many, strict=True):
        one = world.collection.search(expression, vectors={"first": vector}, limit=7)
        assert (result.ids, result.total) == (one.ids, one.total)
        assert result.scores.tolist() == one.scores.tolist()


def test_strong_or_keeps_shares_under_a_limit(world: World) -> None:
    expression = "(strong-or (tag:3 :optional-weight 0.7) tag:1 tag:2)"
    result = world.collection.search(expression, limit=10)
    third = {doc_id for doc_id, document in world.documents.items() if "tag:3" in document["terms"]}
    assert len(result.ids) == 10
    assert sum(doc_id in third for doc_id in result.ids) >= 7
    plain = world.collection.search("(or tag:3 tag:1 tag:2)", limit=10)
    assert result.total == plain.total
    assert sum(doc_id in third for doc_id in plain.ids) < 7  # or the test would show nothing


def test_lineage_names_the_operands_that_have_a_hit(world: World) -> None:
    rng = random.Random(21)
    checked = 0
    while checked < 20:
        vectors = world.vectors(rng)
        oracle = world.oracle(vectors)
        root = tree.Or(tuple(random_tree(rng, world.words, depth=rng.randint(1, 3)) for _ in range(3)))
        if not fits(root) or oracle.is_borderline(root):
            continue
        each = [oracle.evaluate(operand) for operand in root.operands]
        for order_by in ("static_rank", None):
            result = world.collection.search(root, vectors, 50, order_by, lineage=True)
            plain = world.collection.search(root, vectors, 50, order_by)
            assert (result.ids, result.total) == (plain.ids, plain.total)
            assert plain.found_by is None
            assert result.found_by is not None
            assert result.found_by.tolist() == [[doc_id in one for one in each] for doc_id in result.ids], root
            has_nn = [any(isinstance(node, tree.Nn) for node in tree.walk(operand)) for operand in root.operands]
            by_nn = set().union(*(one for one, has in zip(each, has_nn, strict=True) if has))
            assert (result.num_by_nn, plain.num_by_nn) == (len(by_nn), None)
        checked += bool(plain.total)
    shown = world.collection.search("(or tag:1 tag:2)", only=tree.Term("tag:3"), limit=50, lineage=True)
    terms = [world.documents[doc_id]["terms"] for doc_id in shown.ids]
    assert shown.found_by is not None
    assert shown.found_by.tolist() == [["tag:1" in of, "tag:2" in of] for of in terms]
    assert all("tag:3" in of for of in terms)
    with pytest.raises(ConfigError, match=r"operands of an \(or"):
        world.collection.search("(and tag:1 tag:2)", lineage=True)
