"""A filled template is the expression that filling its text would spell; and what its writer is told of a mistake."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.errors import QueryError
from alicorn.language.parse import parse
from alicorn.language.templates import Reading, Template, interest_names
from alicorn.language.tree import And, Nn, Or, Phrase, Term
from alicorn.language.well_formed import check_tree
from alicorn.text import phrase, query_terms

TEXTS = [
    "(and {terms})",
    "(or (and {terms}) (nn {key} :k 100 :recall 0.95))",
    "(or {terms} (nn {key} :radius 0.2))",
    '(or "name:{query}" (nn {key} :k 9))',
    "(or {terms} tag:x {terms})",
    "(and {terms} (not tag:x))",
    "(and tag:x (or {terms}) (nn {key} :k 3 :filter (and {terms})))",
    "(nn {key} :k 3 :filter (or a (nn {key} :k 4)))",
    "(or (nn {key} :radius 1 :vector mine) (nn other :k 2))",
    "(weak-and {terms} (tag:x :optional-hits 2))",
    "(weak-and (tag:x :optional-hits 2) {terms} {terms})",
    "(strong-or (tag:x :optional-weight 0.2) {terms})",
    "(strong-or {terms})",
    "(difference (or {terms}) (and {terms}))",
    '(apply friend: (and {terms} "name:{query}") :limit 7)',
    "(extract friends (or {terms}))",
    "(and {terms} (range year :min 3))",
    "tag:x",
]


def spelled(template: str, query: str, key: str, vectors: tuple[str, ...]) -> str:
    """The oracle: the expression as text, by nested lists of words, as templates were once filled."""
    stack: list[list] = [[]]
    for token in re.findall(r'[()]|"(?:\\.|[^"\\])*"|[^\s()"]+', template):
        if token == "(":
            stack.append([])
        elif token == ")":
            stack[-2].append(stack.pop())
        else:
            stack[-1].append(token)

    def for_each(form):
        if isinstance(form, str) or not vectors:
            return form
        parts = [for_each(part) for part in form]
        if parts[:2] == ["nn", "{key}"] and ":vector" not in parts:
            return ["or", *([*parts, ":vector", name] for name in vectors)]
        return parts

    terms = [f"text:{term}" for term in query_terms(query)]

    def fill(form):
        if isinstance(form, str):
            return key if form == "{key}" else form.replace("{query}", phrase(query))
        if "{terms}" in form and not terms and (form[0] in ("and", "weak-and") or len(form) == 2):
            return "(or)"
        parts = [filled for part in form for filled in (terms if part == "{terms}" else [fill(part)])]
        return f"({' '.join(parts)})"

    return fill(for_each(stack[0][0]))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(TEXTS),
    st.text(max_size=12) | st.sampled_from(["John Smith", "Saint-Étienne, Loire", "", "--", "a a", '")(']),
    st.sampled_from([(), ("interest-1",), interest_names(3)]),
)
def test_a_filled_template_is_the_tree_of_the_text_that_filling_spells(template, query, vectors):
    tree = Template.parse(template).fill(query, "people", vectors)
    assert tree == parse(spelled(template, query, "people", vectors))
    assert parse(str(tree)) == tree
    check_tree(tree)


def test_filling_makes_nodes_and_leaves_the_template_as_it_was():
    template = Template.parse("(or (and {terms}) (nn {key} :k 5))")
    assert template.fill("John", "people") == Or((And((Term("text:john"),)), Nn("people", k=5)))
    assert template.fill("Jane", "shop") == Or((And((Term("text:jane"),)), Nn("shop", k=5)))
    assert str(template) == "(or (and {terms}) (nn {key} :k 5))"
    assert template.prefixes == {"text"}
    assert not Template.parse('(or "name:{query}" (nn {key} :k 5))').prefixes


def test_the_words_of_a_phrase_are_read_in_their_order_by_its_prefix():
    template = Template.parse("(or (and {terms}) (phrase title the {terms} :slop 2))")
    assert template.prefixes == {"text", "title"}
    filled = template.fill("New York", "people")
    assert filled == Or((And((Term("text:new"), Term("text:york"))), Phrase("title", ("the", "new", "york"), 2)))
    reading = Reading(lambda prefix, _: [Term(prefix)], lambda prefix, query: [prefix, *query])
    assert template.fill("ab", "people", reads=reading) == Or(
        (And((Term("text"),)), Phrase("title", ("the", "title", "a", "b"), 2))
    )
    assert Template.parse("(phrase text {terms})").fill("--", "people") == Or(())


def test_a_fuzzy_of_the_terms_is_one_for_each_of_them():
    template = Template.parse("(or (fuzzy {terms:title} :below 2) (and (fuzzy {terms} :edits 2)))")
    assert template.prefixes == {"title", "text"}
    filled = template.fill("New York", "people")
    text = "(or (fuzzy title:new :below 2) (fuzzy title:york :below 2) (and (fuzzy text:new :edits 2) "
    assert str(filled) == text + "(fuzzy text:york :edits 2)))"
    synonyms = Reading(lambda prefix, _: [Or((Term(f"{prefix}:tv"), And((Term("a:b"), Term("c:d")))))], lambda *_: [])
    filled = Template.parse("(and (fuzzy {terms}))").fill("tv", "people", reads=synonyms)
    assert str(filled) == "(and (or (fuzzy text:tv) (and (fuzzy a:b) (fuzzy c:d))))"
    assert template.fill("--", "people") == Or((Or(()),))


def test_values_of_the_searcher_are_terms_of_their_prefix():
    template = Template.parse("(or (and {terms} {searcher:likes:tag}) (extract near (or {searcher:likes:id})))")
    assert template.searcher_columns == ("likes",)
    likes = Reading(lambda *_: [Term("text:a")], lambda *_: [], lambda column, prefix: [Term(f"{prefix}:{column}")])
    filled = template.fill("a", "people", reads=likes)
    assert str(filled) == "(or (and text:a tag:likes) (extract near (or id:likes)))"
    assert str(template.fill("a", "people")) == "(or (and text:a) (extract near (or)))"
    assert str(Template.parse("(and {searcher:likes:tag})").fill("a", "people")) == "(or)"


def test_channels_are_operands_with_names():
    channels = {"words": Template.parse("(or {terms})"), "near": Template.parse("(nn {key} :k 5)")}
    template = Template.of_channels(channels)
    assert template.channels == channels
    assert str(template) == "(or (or {terms}) (nn {key} :k 5))"
    filled = template.fill("--", "people", vectors=("a", "b"))
    assert str(filled) == "(or (or) (or (nn people :k 5 :vector a) (nn people :k 5 :vector b)))"


@pytest.mark.parametrize("text", ['"{query}"', '(prefix "{query}")', "(term '{query}')"])
def test_a_term_of_an_empty_query_matches_nothing(text):
    template = Template.parse(text.replace("'", '"'))
    assert template.fill("--", "people") == Or(())
    assert str(template.fill("New York", "people")).count("new york") == 1


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("(and {term})", 5, "unknown placeholder '{term}'; allowed: {terms}"),
        ("(and {terms}", 0, "never closed"),
        ("(and {terms}))", 13, "one expression is expected"),
        ("(adn {terms})", 1, "unknown operator adn; did you mean and?"),
        ("{terms}", 0, "directly inside and, or, weak-and or strong-or"),
        ("(and a (not {terms}))", 12, "directly inside and, or"),
        ("(difference a {terms})", 14, "directly inside and, or"),
        ("(nn {key} :k 3 :filter {terms})", 23, "directly inside and, or"),
        ("(fuzzy {terms})", 0, "directly inside and, or"),
        ("(or (fuzzy x{terms}))", 4, "unknown placeholder '{terms}'"),
        ("(weak-and a ({terms} :optional-hits 3))", 13, "without an option"),
        ("(or x{terms})", 4, "unknown placeholder '{terms}'"),
        ('(or "{terms}")', 4, "unknown placeholder '{terms}'"),
        ("(or (term {terms}))", 4, "unknown placeholder '{terms}'"),
        ("(or {query})", 4, "unknown placeholder '{query}'"),
        ("(or {key})", 4, "unknown placeholder '{key}'"),
        ("(nn {query} :k 3)", 0, "unknown placeholder '{query}'"),
        ("(nn m :k 3 :vector {key})", 0, "unknown placeholder '{key}'"),
        ('(or "a{b}c")', 4, "unknown placeholder '{b}'"),
        ("(or a} b)", 4, "unknown placeholder '}'"),
        ("(or {a b)", 4, "unknown placeholder '{a'"),
        ("(phrase text x{terms})", 0, "unknown placeholder '{terms}'"),
        ("(phrase text {terms:title})", 0, "(or of a phrase or fuzzy)"),
        ("(phrase text {query})", 0, "unknown placeholder '{query}'"),
        ("(nn {key} :k {terms})", 13, "needs k as an integer"),
    ],
)
def test_a_mistake_is_told_when_the_template_is_parsed_with_its_offset(text, offset, message):
    with pytest.raises(QueryError) as caught:
        Template.parse(text)
    assert caught.value.offset == offset
    assert message in str(caught.value)
