"""The expressions and orders of a vertical: what they may name, what is refused, and that neither is fingerprinted."""

import pytest
from yaml_text import parse_yaml

from alicorn.config import dump_yaml
from alicorn.errors import ConfigError
from alicorn.vertical import Vertical

SHOP = """
name: shop
embedding: shop
further_embeddings: [shop-text]
document:
  features:
    title: {kind: text, column: title}
  terms:
    - {prefix: text, column: title, kind: words}
    - {prefix: brand, column: brand, kind: value}
  stored: [title, price, friends]
  static_rank: sales
request:
  features:
    text: {kind: text, column: query}
split: {valid: 0.1}
"""


def shop(more: str = "") -> Vertical:
    return parse_yaml(SHOP + more, Vertical, where="vertical.yaml")


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        ("(and {terms} brnd:acme)", ["term 'brnd:acme'", "did you mean 'brand'", "text:, brand:"]),
        ("(and {terms} acme)", ["term 'acme'", "text:, brand:"]),
        ("(and {terms} (prefix bra:a))", ["term 'bra:a'", "did you mean 'brand'"]),
        ("(and {terms} (fuzzy brnd:acme))", ["term 'brnd:acme'", "did you mean 'brand'"]),
        ("(and {terms} (prefix bro))", ["term 'bro:'", "did you mean 'brand'"]),
        ("(and {terms} (apply frend: brand:acme))", ["term 'frend:'"]),
        ("(and {terms} (range prise :max 3))", ["(range prise ...)", "did you mean 'price'", "title, price, friends"]),
        ("(and {terms} (extract freinds brand:acme))", ["(extract freinds ...)", "did you mean 'friends'"]),
        ("(or {terms} (nn shop-txet :k 3))", ["key 'shop-txet'", "did you mean 'shop-text'", "further_embeddings"]),
        ("(or {terms:brand} (nn {key} :k 3))", ["{terms:brand}", "kind: words"]),
        ("(or {terms} (nn {key} :k 3 :filter colour:red))", ["term 'colour:red'"]),
        ("(orr {terms} (nn {key} :k 3))", ["unknown operator orr", "did you mean or?"]),
    ],
)
def test_a_template_with_an_unknown_name_is_refused_when_the_vertical_is_loaded(template, parts):
    with pytest.raises(ConfigError) as caught:
        shop(f"expressions: {{hybrid: '{template}'}}\n")
    for part in ["expressions.hybrid", *parts]:
        assert part in str(caught.value)


def test_a_template_may_name_what_the_vertical_has():
    template = (
        "(or (and {terms} (not brand:acme) (prefix text:a) (prefix br) (range price :max 3))"
        " (nn {key} :k 3) (nn shop-text :k 3) (extract friends brand:x))"
    )
    order = (
        "order: {hybrid: {'nn:shop': 1, 'nn:shop-text': 1, bm25: {weight: 0.1, fields: {text: 1, brand: 2}},"
        " 'bm25:brand': 1, static_rank: 1, price: -1}}\n"
    )
    loaded = shop(f"expressions: {{hybrid: '{template}'}}\n{order}")
    assert loaded.order_of("hybrid")["price"] == -1


@pytest.mark.parametrize(
    ("order", "parts"),
    [
        ("hybrid: {nn: 1, bm52: 0.1}", ["order.hybrid", "unknown part 'bm52'", "did you mean 'bm25'"]),
        ("hybrid: {nn: 1, prise: 0.1}", ["unknown part 'prise'", "did you mean 'price'"]),
        ("boolean: {bm25: {fields: {text: 1, brnd: 2}}}", ["order.boolean", "'brnd:'", "did you mean 'brand'"]),
        ("hybrid: {nn: 1, 'bm25:txt': 0.1}", ["'txt:'", "did you mean 'text'"]),
        ("hybrid: {'nn:sop': 1}", ["key 'sop'", "did you mean 'shop'"]),
        ("hybrid: {'nn:shop-text': 1}", ["needs an (nn shop-text ...)"]),
        ("hybrid: {rrf: [nn, bm52]}", ["unknown part 'bm52'"]),
        ("hybrid: [prise desc, nn]", ["unknown part 'prise'", "did you mean 'price'"]),
        ("hybrid: {rrf: [nn, bm25], k: 0}", ["order.hybrid", "k of rrf"]),
        ("hybrid: {}", ["order.hybrid", "at least one"]),
        ("boolean: nn", ["order.boolean", "nn needs an (nn ...)"]),
        ("hybrd: nn", ["'hybrd' at order", "did you mean 'hybrid'"]),
    ],
)
def test_an_order_with_unknown_parts_is_refused(order, parts):
    with pytest.raises(ConfigError) as caught:
        shop(f"order: {{{order}}}\n")
    for part in parts:
        assert part in str(caught.value)


def test_an_order_by_static_rank_needs_one():
    text = SHOP.replace("  static_rank: sales\n", "") + "order: {boolean: static_rank}\n"
    with pytest.raises(ConfigError, match="names no column"):
        parse_yaml(text, Vertical, where="vertical.yaml")


def test_without_an_nn_a_text_comes_by_bm25_and_then_static_rank():
    assert shop().order_of("boolean") == ("bm25", "static_rank")
    assert shop("expressions: {hybrid: '(or {terms})'}\n").order_of("hybrid") == ("bm25", "static_rank")
    assert shop("order: {boolean: static_rank}\n").order_of("boolean") == "static_rank"


def test_nn_and_words_are_summed_and_nn_alone_comes_by_cosine():
    assert shop().order_of("hybrid") == {"nn": 1, "bm25": {"weight": 2, "half_at": 16}}
    assert shop("expressions: {hybrid: '(or \"brand:{query}\" (nn {key} :k 9))'}\n").order_of("hybrid") is not None
    assert shop("expressions: {hybrid: '(nn {key} :k 9)'}\n").order_of("hybrid") is None
    assert shop("order: {hybrid: nn}\n").order_of("hybrid") == "nn"


def test_an_order_needs_no_new_training_and_is_kept_with_the_model():
    ordered = shop("order:\n  hybrid: {nn: 1, bm25: {weight: 0.2, half_at: 8}}\n  boolean: [bm25, price desc]\n")
    again = parse_yaml(dump_yaml(ordered), Vertical, where="vertical.yaml")
    assert again == ordered
    assert again.order_of("hybrid") == {"nn": 1, "bm25": {"weight": 0.2, "half_at": 8}}
