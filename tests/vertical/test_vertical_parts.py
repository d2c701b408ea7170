"""Each key of a vertical decides examples, vectors or documents, or none of them; a message names what differs."""

import pytest
from yaml_text import parse_yaml

from alicorn.vertical import Vertical
from alicorn.vertical.parts import differing, of_documents, of_examples, of_vectors

BASE = """
name: shop
embedding: shop
document:
  features:
    title: {kind: text, column: title}
    brand: {kind: id, column: brand}
  terms: [{prefix: text, column: title, kind: words}]
  stored: [title]
request:
  features:
    text: {kind: text, column: query}
    device: {kind: id, column: device}
split: {valid: 0.1}
"""


def shop(old: str = "", new: str = "", more: str = "") -> Vertical:
    assert old in BASE
    return parse_yaml(BASE.replace(old, new) + more, Vertical, where="vertical.yaml")


@pytest.mark.parametrize(
    ("changed", "examples", "vectors", "documents"),
    [
        (("valid: 0.1", "valid: 0.2"), ["split"], [], []),
        (("", "", "unknown_documents: leave_out\n"), ["unknown_documents"], [], []),
        (("", "", "failed_search_targets: {first: false}\n"), ["failed_search_targets"], [], []),
        (("device}\n", "device}\n  context: [device]\n"), ["request.context"], ["request.features.device"], []),
        (("column: brand", "column: maker"), [], ["document.features.brand"], []),
        (
            ("title: {kind: text, column: title}", "title: {kind: text, column: name}"),
            ["columns of text in document.features"],
            ["document.features.title"],
            [],
        ),
        (("    brand: {kind: id, column: brand}\n", ""), [], ["document.features.brand"], []),
        (("kind: words}]", "kind: words}, {prefix: b, column: brand, kind: value}]"), [], [], ["document.terms"]),
        (("stored: [title]", "stored: [title, price]"), [], [], ["document.stored"]),
        (("stored: [title]", "stored: [title]\n  static_rank: sold"), [], [], ["document.static_rank"]),
        (("", "", "analysis: {text: {stem: english}}\n"), [], [], ["analysis"]),
        (("", "", "analysis: {text: {stop_words: [the]}}\n"), [], [], []),
        (("", "", "order: {hybrid: {nn: 1, bm25: 0.1}}\n"), [], [], []),
        (("", "", "expressions: {boolean: '(or {terms})'}\n"), [], [], []),
        (("", "", "selection: {requests: [{kind: short, characters: 3}]}\n"), [], [], []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_key_is_of_the_part_that_it_decides(changed, examples, vectors, documents):
    before, after = shop(), shop(*changed)
    assert before != after
    assert differing(of_examples(before), of_examples(after)) == examples
    assert differing(of_vectors(before), of_vectors(after)) == vectors
    assert differing(of_documents(before), of_documents(after)) == documents


def test_features_that_a_model_does_not_read_may_differ():
    before, after = shop(), shop("column: brand", "column: maker")
    reads = {"requests": ["text", "device"], "documents": ["title"]}
    assert of_vectors(before, **reads) == of_vectors(after, **reads)
    assert differing(of_vectors(before, ["text"], ["brand"]), of_vectors(after, ["text"], ["brand"])) == [
        "document.features.brand"
    ]
