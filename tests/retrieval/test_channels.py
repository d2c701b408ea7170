"""The channels of a hybrid expression: what they find, with which score, for whom."""

import numpy as np
import pytest
from served_people import SEARCHERS, UNIFIED, VERTICAL, Model, make_collection

from alicorn.config import dump_yaml, parse_config, plain_yaml
from alicorn.errors import ConfigError
from alicorn.language import parse
from alicorn.query.check import check_vectors
from alicorn.retrieval.channels import found_by, lineage
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.vertical import Vertical

CHANNELS = {
    "words": "(and {terms})",
    "nearest": "(nn {key} :k 2)",
    "friends": "(extract friends (or {searcher:city:city}))",
}


def vertical_with(**expressions):
    plain = VERTICAL.model_dump(mode="json") | {"expressions": expressions}
    return parse_config(plain, Vertical, where="vertical.yaml")


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with make_collection(tmp_path_factory.mktemp("channels") / "collection") as opened:
        yield opened


@pytest.fixture(scope="module")
def retriever(collection):
    model = Model("people", personal=True)
    model.fingerprint = UNIFIED.fingerprint
    model.vertical = vertical_with(hybrid=CHANNELS)
    return Retriever(collection, [model], Searchers(VERTICAL, SEARCHERS))


def test_channels_are_the_operands_of_one_expression(retriever):
    request = retriever.request(text="Jane", searcher="p3")
    assert request.channels == ("words", "nearest", "friends")
    assert str(request.expression) == "(or (and text:jane) (nn people :k 2) (extract friends (or city:oslo)))"
    unknown = retriever.request(text="Jane")
    assert str(unknown.expression) == "(or (and text:jane) (nn people :k 2) (extract friends (or)))"
    assert retriever.request(text="Jane", mode="boolean").channels == ()
    assert retriever.request("text:jane", text="Jane").channels == ()


@pytest.mark.parametrize("searcher", ["p3", "p2", None])
def test_a_hit_says_which_channels_found_it_and_its_score_there(collection, retriever, searcher):
    request = retriever.request(text="john smith", searcher=searcher)
    result = retriever.search(request)
    hits = lineage(result, request)
    for name, operand, order in zip(CHANNELS, request.root.operands, ("bm25", "nn", None), strict=True):
        alone = collection.search(operand, request.vectors, order_by=order)
        of = {doc_id: hit[name] for doc_id, hit in zip(result.ids, hits, strict=True) if name in hit}
        assert of.keys() == set(alone.ids)
        if order is None:
            assert set(of.values()) <= {None}
        else:
            assert of == pytest.approx(dict(zip(alone.ids, alone.scores.tolist(), strict=True)))
    assert retriever.search(retriever.request(text="john smith", limit=0)).found_by.shape == (0, 3)


def test_only_what_may_be_seen_is_found_by_a_channel(retriever):
    allowed = parse("city:bergen")
    request = retriever.request(text="john", searcher="p3", only=allowed)
    hits = dict(zip(retriever.search(request).ids, lineage(retriever.search(request), request), strict=True))
    assert set(hits) == {"p2", "p/4"}
    assert {name for hit in hits.values() for name in hit} == {"words", "nearest"}, "p3's friends are in Oslo"


def test_words_of_the_searcher_do_not_count_as_words_of_the_query(retriever):
    order = retriever.request(text="john", searcher="p3").order_by
    assert order == {"nn": 1, "bm25:text": {"weight": 2, "half_at": 16}}


def test_documents_that_were_not_asked_for_are_found_too(collection, retriever):
    request = retriever.request(text="john", searcher="p3")
    snapshot = collection.snapshot()
    addresses = [snapshot.find(doc_id) for doc_id in ("p3", "p1")]
    numbers = np.array([number for _, number in addresses])
    found = found_by(snapshot, request.root, check_vectors(request.vectors), np.zeros(2, dtype=int), numbers)
    each = [collection.search(operand, request.vectors).ids for operand in request.root.operands]
    assert found.tolist() == [[doc_id in ids for ids in each] for doc_id in ("p3", "p1")]


def test_a_vertical_keeps_its_channels_when_it_is_written():
    vertical = vertical_with(hybrid=CHANNELS)
    again = parse_config(plain_yaml(dump_yaml(vertical), where="v"), Vertical, where="v")
    assert again.expressions.hybrid.channels.keys() == CHANNELS.keys()
    assert again == vertical


@pytest.mark.parametrize(
    ("hybrid", "problem"),
    [
        ({"words": "(and {terms})"}, "at least two templates"),
        ({"words": "(and {terms})", "2nd": "(nn {key} :k 2)"}, "a name of letters"),
        ({"words": "(and {terms})", "near": "(nn {key})"}, r"channel near: .*:radius"),
        ({"words": "{terms}", "near": "(nn {key} :k 2)"}, "channel words: .*{terms} is allowed directly inside and"),
        (
            {"words": "(or {searcher:ciity:city})", "n": "(nn {key} :k 2)"},
            "did you mean 'city'.*of the searcher",
        ),
        ({"words": "(or {searcher:city:text})", "n": "(nn {key} :k 2)"}, "prefixes of kind value or phrase.*: city"),
    ],
)
def test_channels_that_cannot_be_are_refused(hybrid, problem):
    with pytest.raises(ConfigError, match=problem):
        vertical_with(hybrid=hybrid)
