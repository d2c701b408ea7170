"""A search over a part of the documents: its answer is that of a collection without the others, whatever is asked."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from oracle import Oracle
from random_trees import random_tree
from test_engine import World

from alicorn.errors import ConfigError, QueryError
from alicorn.language import tree
from alicorn.language.parse import parse
from alicorn.query import Facet
from alicorn.query.restrict import check_only, holds

ALLOWED = [
    "tag:1",
    "(or tag:2 text:john friend:d3)",
    "(and (range price :min 20) (not tag:3) (not (phrase text john smith)))",
    "(difference (range year :max 2010) tag:4 tag:5)",
    "tag:nobody",
]
ORDERS = [None, "bm25", "static_rank", ["bm25", "static_rank"], "price desc"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("restrict") / "c", seed=17)
    yield world
    world.collection.close()


@pytest.fixture(scope="module")
def allowed(world: World) -> dict[str, set[str]]:
    """By the oracle, whose documents are all."""
    return {only: Oracle(world.documents.values(), {}).evaluate(parse(only)) for only in ALLOWED}


def uncut(node: tree.Node) -> tree.Node:
    """The same tree without what depends on statistics of all documents: which terms it expands to, which clusters."""
    if isinstance(node, tree.Prefix | tree.Fuzzy):
        node = replace(node, terms=10_000)
    if isinstance(node, tree.Nn):
        node = replace(node, nprobe=None, scan=None, recall=None)
        return node if node.filter is None else replace(node, filter=uncut(node.filter))
    if isinstance(node, tree.Apply | tree.Extract):
        return replace(node, inner=uncut(node.inner))
    if isinstance(node, tree.Not):
        return tree.Not(uncut(node.operand))
    operands = tree.children(node)
    return replace(node, operands=tuple(map(uncut, operands))) if operands else node


def vectors_of(world: World, rng: random.Random, node: tree.Node) -> dict:
    vectors = world.vectors(rng)
    wrong = [n for n in tree.walk(node) if isinstance(n, tree.Nn) and n.key == "second" and n.vector == "other"]
    return vectors | ({"other": None} if wrong else {})


def check(world: World, allowed: dict[str, set[str]], seed: int, oracle: bool) -> None:
    rng = random.Random(seed)
    node, only = random_tree(rng, world.words), rng.choice(ALLOWED)
    vectors = vectors_of(world, rng, node)
    if vectors["other"] is None:
        return
    order = rng.choice(ORDERS)
    facets = {"tags": Facet(prefix="tag:", top=1000), "years": Facet(column="year", top=1000)}
    shares = isinstance(node, tree.StrongOr) and any(node.optional_weight)
    limit = 1000 if shares or rng.random() < 0.5 else 5
    arguments = {"order_by": order, "facets": facets, "only": parse(only)}
    found = world.collection.search(node, vectors, limit, **arguments)
    assert set(found.ids) <= allowed[only], str(node)
    assert found.total <= len(allowed[only])
    assert not any("no document has" in notice or "terms fit" in notice for notice in found.notices)
    if oracle:
        asked = uncut(node)
        inside = [document for doc_id, document in world.documents.items() if doc_id in allowed[only]]
        expected = Oracle(inside, vectors).evaluate(asked)
        found = world.collection.search(asked, vectors, 1000, **arguments)
        assert (set(found.ids), found.total) == (expected, len(expected)), str(asked)
        counted = {bucket.value: bucket.count for bucket in found.facets["tags"].buckets}
        terms = [term for doc_id in expected for term in set(world.documents[doc_id]["terms"])]
        tags = [term.removeprefix("tag:") for term in terms if term.startswith("tag:")]
        assert counted == {tag: tags.count(tag) for tag in tags}


def test_no_answer_has_a_document_or_a_count_of_one_that_is_not_allowed(world, allowed):
    for seed in range(2_000):
        check(world, allowed, seed, oracle=seed % 8 == 0)


@pytest.mark.slow
def test_ten_thousand_answers_are_those_of_a_collection_of_the_allowed_documents(world, allowed):
    for seed in range(2_000, 12_000):
        check(world, allowed, seed, oracle=True)


def test_the_score_is_of_the_words_that_were_asked_for(world):
    only = parse("(or tag:1 text:smith)")
    asked = world.collection.search("text:john", limit=1000, order_by="bm25")
    known = dict(zip(asked.ids, asked.scores.tolist(), strict=True))
    found = world.collection.search("text:john", limit=1000, order_by="bm25", only=only)
    assert 0 < len(found.ids) < len(known)
    assert dict(zip(found.ids, found.scores.tolist(), strict=True)).items() <= known.items()


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
            assert holds(snapshot, parse(only), *snapshot.find(doc_id)) == (doc_id in ids)


def test_what_counts_all_documents_is_refused(world):
    with pytest.raises(ConfigError, match="explain counts documents of the whole collection"):
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
