"""A search over a part of the documents: its answer is that of a collection without the others, whatever is asked."""

import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from oracle import Oracle
from random_documents import random_documents, table_of
from random_trees import random_tree
from test_engine import DIMS, World

from alicorn.errors import ConfigError, QueryError
from alicorn.language import tree
from alicorn.language.parse import parse
from alicorn.query import Collection, Facet
from alicorn.query.restrict import check_only, document_of, restricted

ALLOWED = [
    "tag:1",
    "(or tag:2 text:john friend:d3)",
    "(and (range price :min 20) (not tag:3) (not (phrase text john smith)))",
    "(difference (range year :max 2010) tag:4 tag:5)",
    "tag:nobody",
]
ORDERS = [None, "bm25", "static_rank", ["bm25", "static_rank"], "price desc", {"bm25": 1, "phrase:text": 2}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("restrict") / "c", seed=17)
    yield world
    world.collection.close()


@pytest.fixture(scope="module")
def allowed(world: World) -> dict[str, set[str]]:
    """By the oracle, whose documents are all."""
    return {only: Oracle(world.documents.values(), {}).evaluate(parse(only)) for only in ALLOWED}


@pytest.fixture(scope="module")
def alone(
    world: World, allowed: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Collection]]:
    """Of each expression, a collection that has its documents only."""
    with ExitStack() as opened:
        collections = {}
        for at, (only, ids) in enumerate(allowed.items()):
            path = tmp_path_factory.mktemp("alone") / str(at)
            collection = opened.enter_context(Collection.create(path, DIMS, positions=["text"]))
            collection.upsert(table_of(list(world.documents.values())))
            collection.delete(list(world.documents.keys() - ids))
            collection.flush()
            collection.merge()
            collections[only] = collection
        yield collections


def vectors_of(world: World, rng: random.Random, node: tree.Node) -> dict:
    vectors = world.vectors(rng)
    wrong = [n for n in tree.walk(node) if isinstance(n, tree.Nn) and n.key == "second" and n.vector == "other"]
    return vectors | ({"other": None} if wrong else {})


def answer(collection: Collection, node: tree.Node, vectors: dict, arguments: dict) -> dict:
    """Whatever is said of the documents."""
    found = collection.search(node, vectors, **arguments)
    facets = {name: [(one.value, one.count) for one in counts.buckets] for name, counts in found.facets.items()}
    others = {name: (counts.num_values, counts.missing or 0) for name, counts in found.facets.items()}
    scores = [None if score == float("-inf") else pytest.approx(score, rel=1e-6, abs=1e-9) for score in found.scores]
    notices = [notice for notice in found.notices if " cut to " not in notice]
    return {"ids": found.ids, "scores": scores, "total": found.total, "facets": facets, "counts": others} | {
        "notices": notices
    }


def check(world: World, allowed: dict[str, set[str]], alone: dict[str, Collection], seed: int) -> None:
    rng = random.Random(seed)
    node, only = random_tree(rng, world.words), rng.choice(ALLOWED)
    vectors = vectors_of(world, rng, node)
    if vectors["other"] is None:
        return
    limit = rng.choice([0, 5, 1000])
    facets = {"tags": Facet(prefix="tag:", top=5), "years": Facet(column="year", top=1000)}
    arguments = {"order_by": rng.choice(ORDERS), "facets": rng.choice([{}, facets]), "limit": limit}
    found = world.collection.search(node, vectors, **arguments, only=parse(only))
    assert set(found.ids) <= allowed[only], str(node)
    assert found.total <= len(allowed[only])
    assert not any(" cut to " in notice for notice in found.notices)  # which are told follows from estimates
    asked = tree.exactly(node)  # as the clusters are of all documents
    expected = answer(alone[only], asked, vectors, arguments)
    assert answer(world.collection, asked, vectors, arguments | {"only": parse(only)}) == expected, (str(asked), only)


def test_an_answer_is_that_of_a_collection_of_the_allowed_documents(world, allowed, alone):
    """Its hits, scores, totals, facets and notices: nothing tells of another document."""
    for seed in range(1_000):
        check(world, allowed, alone, seed)


@pytest.mark.slow
def test_ten_thousand_answers_are_those_of_a_collection_of_the_allowed_documents(world, allowed, alone):
    for seed in range(1_000, 11_000):
        check(world, allowed, alone, seed)


def test_a_misspelling_is_decided_by_the_allowed_documents(world):
    """Elsewhere a document has the term: that must not be seen."""
    snapshot = world.collection.snapshot()
    for only in map(parse, ALLOWED):
        count = world.collection.search("text:john", limit=0, only=only).total
        whole = world.collection.search("(fuzzy text:john :edits 2)", limit=0, only=only).total
        for below in (1, count, count + 1):
            found = world.collection.search(f"(fuzzy text:john :edits 2 :below {max(below, 1)})", limit=0, only=only)
            assert found.total == (count if count >= max(below, 1) else whole)
    assert snapshot is world.collection.snapshot()


def test_one_document_is_allowed_or_not(world, allowed):
    snapshot = world.collection.snapshot()
    for only, ids in allowed.items():
        for doc_id in world.documents:
            found = document_of(snapshot, doc_id, parse(only))
            assert (found is not None) == (doc_id in ids)


def test_the_documents_are_found_once_for_each_segment(world):
    """A write makes a new snapshot, whose old segments are not looked through again."""
    only = parse("tag:1")
    first = restricted(world.collection.snapshot(), only)
    assert restricted(world.collection.snapshot(), only) is first
    world.upsert(random_documents(random.Random(1), 1, DIMS, first=900))
    second = restricted(world.collection.snapshot(), only)
    assert set(first.segments) < set(second.segments)


def test_what_counts_all_documents_is_refused(world):
    with pytest.raises(ConfigError, match="explain estimates by documents of the whole collection"):
        world.collection.search("tag:1", explain=True, only=parse("tag:2"))
    with pytest.raises(QueryError, match="column"):
        world.collection.search("(fuzzy tag:1 :below 2)", only=parse("(range nothing :min 1)"))


@pytest.mark.parametrize(
    "only",
    [
        "(prefix tag:)",
        "(and tag:1 (not (fuzzy tag:2)))",
        "(nn first :k 2)",
        "(apply friend: tag:1)",
        "(weak-and tag:1)",
    ],
)
def test_allowed_documents_are_told_by_each_document_alone(only):
    with pytest.raises(QueryError, match="an expression of allowed documents"):
        check_only(parse(only))
    check_only(parse(ALLOWED[2]))
