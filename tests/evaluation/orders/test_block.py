"""The block of an order in a vertical's file: everything else stays, comments too, or nothing is written."""

import pytest

from alicorn.errors import ConfigError
from alicorn.evaluation.orders.block import order_block
from alicorn.evaluation.vertical_block import with_block, write_block
from alicorn.vertical import Vertical

FILE = """# Shop.
name: shop
embedding: shop   # the key
document:
  features:
    title: {kind: text, column: title}
  terms:
    - {prefix: text, column: title, kind: words}
request:
  features:
    text: {kind: text, column: query}
split: {valid: 0.1}

order:   # by hand
  # old comment
  boolean: bm25
  hybrid:
    nn: 1

# what is asked
expressions:
  boolean: "(and {terms})"
"""
ORDER = {"nn": 1.0, "bm25:text": {"weight": 0.00001, "half_at": 8.0}}


@pytest.mark.parametrize("text", [FILE, FILE.replace("order:   # by hand", "other:"), FILE.rstrip("\n")])
def test_only_the_order_changes(text, tmp_path):
    block = order_block(ORDER, "bm25", "why: 'so' # and more")
    if "other:" in text:
        text = text[: text.index("other:")] + text[text.index("# what") :]
    path = tmp_path / "vertical.yaml"
    path.write_text(text)
    write_block(path, "order", block)
    changed = path.read_text()
    assert block in changed
    for line in ("# Shop.", "embedding: shop   # the key", "# what is asked", '  boolean: "(and {terms})"'):
        assert line in changed.splitlines()
    assert "old comment" not in changed
    loaded = Vertical.load(path)
    assert loaded.order_of("hybrid") == ORDER
    assert loaded.order_of("boolean") == "bm25"
    write_block(path, "order", block)
    assert path.read_text() == changed, "again changes nothing"
    assert [one.name for one in tmp_path.iterdir()] == ["vertical.yaml"]


def test_what_cannot_be_changed_line_by_line_is_left_alone(tmp_path):
    path = tmp_path / "vertical.yaml"
    text = "{name: shop,\norder: {hybrid: nn},\nembedding: shop}\n"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"put this into it:\n\norder:"):
        write_block(path, "order", order_block("nn", None, "c"))
    assert path.read_text() == text
    with pytest.raises(ConfigError, match="cannot be changed line by line"):
        with_block("a: 'x\norder: y'\n", "order", order_block("nn", None, "c"), "vertical.yaml")


def test_a_fusion_is_a_block_too():
    block = order_block({"rrf": ["nn", "bm25"]}, None, "c")
    assert block == "order:\n  # c\n  hybrid: {rrf: [nn, bm25]}\n"
