"""What the pattern of words says of a text is what its tree says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alicorn.errors import QueryError
from alicorn.language import parse
from alicorn.language.prepared import Prepared, prepare
from alicorn.language.tree import Nn, walk

PARTS = (
    *("(nn x :k 10 ", "(nn x :k 10", ":filter ", " :filter  ", "(and ", "(or ", "(or", ")", "))", " ", '"', "(not c)"),
    *("tag:a", "b", "and", "10", "(range p :min 2)", ":recall 0.9", ":vector ", "(nn y :k 3 :filter (or a b))"),
    *("\ud800", "\\", "(phrase text", "(phrase text a b", " :slop 2", "(nn x :radius 1)"),
)
NAMES = ("words", "has_nn", "nearest_to", "named", "notices", "doubted")


def refusal(read: Callable[[str], object], text: str) -> tuple[str, int | None] | None:
    try:
        read(text)
    except QueryError as error:
        return str(error), error.offset
    return None


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
@example("(nn x :k 10 :filter tag:a)")
@example("(nn x :k 10 :filter (and tag:a b) :recall 0.9)")
@example('(nn x :k 10 :filter  a :vector "(and a b)")')
@example('(nn x :k 10 :filter  a :vector ":filter a b")')
@example("(nn x :radius 1 :filter a)")
@example("(and tag:b tag:a (nn x :radius 1))")
@example("(or (and tag:a b) (nn x :radius 1))")
@example("(or  (or tag:longer tag:a tag:a) (nn x :radius 1))")
@example("(or (and tag:a b) (nn x :k 10 ))")
@example("(or (nn x :radius 1) (and tag:a b))")
@example("(phrase text a and 10 :slop 12 )")
@example("(phrase text a :slop 101)")
@example("(and tag:a tag:a and)")
def test_a_text_is_prepared_as_its_tree_is(text: str) -> None:
    refused = refusal(parse, text)
    assert refusal(prepare, text) == refused
    if refused is not None:
        return
    root = parse(text)
    quick, whole = prepare(text), prepare(root)
    assert quick.root == root
    assert quick.words == whole.words
    if isinstance(root, Nn) and whole.nearest is not None:  # the words of `nearest.nn` are others
        assert quick.nearest.words == whole.nearest.words
        assert type(quick.nearest.nn.filter) is type(root.filter)
        options = ("key", "k", "radius", "nprobe", "scan", "recall", "vector", "offset")
        assert [getattr(quick.nearest.nn, name) for name in options] == [getattr(root, name) for name in options]
    else:
        assert quick.nearest == whole.nearest
        assert all(getattr(quick, name) == getattr(whole, name) for name in NAMES)
        assert [node.offset for node in walk(quick.root)] == [node.offset for node in walk(root)]


def test_usual_texts_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare("(nn x :k 10 :recall 0.9 :filter (and tag:a tag:b))")
    monkeypatch.setattr(Prepared, "root", property(lambda _: pytest.fail("it was parsed")))
    monkeypatch.setattr("alicorn.language.prepared.parse", lambda _: pytest.fail("it was parsed"))
    again = prepare("(nn x :k 10 :recall 0.9 :filter (and tag:c tag:d))")
    assert again.nearest.words.terms == ("tag:c", "tag:d")
    assert again.has_nn
    assert prepare("(or text:new text:york text:city)").words.all is False


def test_words_beside_an_nn_are_put_into_its_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare("(or (and tag:a tag:b) (nn x :radius 0.5 :nprobe 8))")
    text = "(or (and tag:other tag:c tag:c) (nn x :radius 0.5 :nprobe 8))"
    expected = parse(text)
    monkeypatch.setattr("alicorn.language.prepared.parse", lambda _: pytest.fail("it was parsed"))
    again = prepare(text)
    assert again.beside.words.terms == ("tag:c", "tag:other")
    assert again.has_nn
    assert again.root == expected
    assert [node.offset for node in again.named] == [expected.operands[1].offset]
    assert [node.offset for node in walk(again.root)] == [node.offset for node in walk(expected)]
