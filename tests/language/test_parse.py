"""Text to tree and back; and what a writer of expressions is told when one is malformed."""

import random
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import Vocabulary, random_tree, trees, vocabulary

from alicorn.errors import QueryError
from alicorn.language.parse import _and_or_or_of_words, _parse, parse
from alicorn.language.syntax import MAX_DEPTH, MAX_NODES
from alicorn.language.tokens import MAX_LENGTH
from alicorn.language.tree import (
    OPERATORS,
    And,
    Apply,
    Difference,
    Extract,
    Fuzzy,
    Nn,
    Not,
    Or,
    Phrase,
    Prefix,
    Range,
    StrongOr,
    Term,
    WeakAnd,
    walk,
)

A, B = Term("a"), Term("b")


@pytest.mark.parametrize(
    ("expression", "tree"),
    [
        ("text:john", Term("text:john")),
        ("  (term text:john)\n", Term("text:john")),
        ('"tag:new york"', Term("tag:new york")),
        (r'"tag:\"a\" \\ (b)"', Term('tag:"a" \\ (b)')),
        ('":radius"', Term(":radius")),
        ("(prefix text:joh)", Prefix("text:joh")),
        ("(fuzzy text:jon)", Fuzzy("text:jon")),
        ("(fuzzy text:jon :edits 2 :exact 1 :terms 9)", Fuzzy("text:jon", 2, 1, 9)),
        ("(fuzzy text:jon :below 2)", Fuzzy("text:jon", below=2)),
        ("(prefix text:joh :terms 50)", Prefix("text:joh", 50)),
        ("(phrase text new york :slop 1)", Phrase("text", ("new", "york"), 1)),
        ('(phrase text and "(" "" :slop 0)', None),
        ('(phrase text and ":slop" "a b")', Phrase("text", ("and", ":slop", "a b"))),
        ("(phrase text :slop 100 new)", Phrase("text", ("new",), 100)),
        ("(and a (not b))", And((A, Not(B)))),
        ("(and a)", And((A,))),
        ("(or)", Or(())),
        ("(or and 10 :)", None),
        ("(or and 10 -0.5)", Or((Term("and"), Term("10"), Term("-0.5")))),
        ("(difference a b a)", Difference((A, B, A))),
        ("(range price :min 10 :max 20.5)", Range("price", 10, 20.5)),
        ("(range :max -1e3 price)", Range("price", None, -1000.0)),
        ("(range price :max 0.1)", Range("price", None, 0.1)),
        ("(range price :min 18446744073709551616)", Range("price", 2**64)),
        ("(range price :min 12345678901234567890.12)", Range("price", Decimal("12345678901234567890.12"))),
        ("(range price :min 1e-300)", Range("price", 1e-300)),
        ("(range at :min 2024-05-01 :max 2024-05-01T13:05Z)", Range("at", "2024-05-01", "2024-05-01T13:05Z")),
        ('(range at :min "2024-05-01 13:05:00.25+09:00")', Range("at", "2024-05-01 13:05:00.25+09:00")),
        ("(range opens :min 08:30 :max 13:05:00)", Range("opens", "08:30", "13:05:00")),
        ("(range takes :min -PT1M :max P1DT2.5S)", Range("takes", "-PT1M", "P1DT2.5S")),
        ("(nn m-1 : radius 0.24 :nprobe 16)", Nn("m-1", radius=0.24, nprobe=16)),
        ("(nn m :\n\tradius 2)", Nn("m", radius=2.0)),
        ("(nn m :k 10 :filter (or a b) :vector v-2)", Nn("m", k=10, filter=Or((A, B)), vector="v-2")),
        ("(nn m :filter a :k 10 :nprobe 3)", Nn("m", k=10, nprobe=3, filter=A)),
        ("(nn m :filter a :k 10 :scan 300)", Nn("m", k=10, scan=300, filter=A)),
        ("(weak-and a (b :optional-hits 2))", WeakAnd((A, B), (None, 2))),
        ("(weak-and a (term b :optional-hits 2))", WeakAnd((A, B), (None, 2))),
        ("(weak-and ((and a b) :optional-hits 2) a)", WeakAnd((And((A, B)), A), (2, None))),
        ('(weak-and ("and" :optional-hits 2))', WeakAnd((Term("and"),), (2,))),
        ("(weak-and ((term b) : optional-hits 2))", WeakAnd((B,), (2,))),
        ("(strong-or (a :optional-weight 0.2) b)", StrongOr((A, B), (0.2, None))),
        ("(strong-or ((nn m :k 1) :optional-weight 1) b)", StrongOr((Nn("m", k=1), B), (1.0, None))),
        ("(apply friend: a)", Apply("friend:", A, 5000)),
        ('(apply "" a :limit 7)', Apply("", A, 7)),
        ("(extract friends (or a b) :limit 10)", Extract("friends", Or((A, B)), 10)),
    ],
)
def test_parse(expression, tree):
    if tree is None:
        with pytest.raises(QueryError):
            parse(expression)
        return
    assert parse(expression) == tree
    assert parse(str(tree)) == tree


def test_the_papers_example_prints_as_it_is_written_today():
    expression = (
        "(and (or (term location:seattle) (term location:menlo_park)) "
        "(or (and (term text:john) (term text:smithe)) (nn model-141709009 : radius 0.24 :nprobe 16)))"
    )
    assert str(parse(expression)) == (
        "(and (or location:seattle location:menlo_park) "
        "(or (and text:john text:smithe) (nn model-141709009 :radius 0.24 :nprobe 16)))"
    )


def test_nodes_keep_their_offset_and_equality_ignores_it():
    tree = parse("(or a  (and b a))")
    assert [node.offset for node in walk(tree)] == [0, 4, 7, 12, 14]
    assert parse("a") == parse("   a")
    assert hash(parse("(or a b)")) == hash(parse("(or  a b)"))


@pytest.mark.parametrize(
    ("expression", "offset", "message"),
    [
        ("", 0, "the expression is empty"),
        ("(and a b", 0, "never closed"),
        ("(and a (or b)", 0, "never closed"),
        ("(and a))", 7, "one expression is expected"),
        ("a b", 2, "join them with (and ...) or (or ...)"),
        (")", 0, "closes nothing"),
        ("()", 0, "() is no expression"),
        ("(and)", 0, "(and ...) takes one operand or more, got 0; (or) matches nothing"),
        ("(adn a b)", 1, "unknown operator adn; did you mean and?"),
        ("(AND a b)", 1, "unknown operator AND; did you mean and?"),
        ("(or x (rang price :min 3))", 7, "unknown operator rang; did you mean range?"),
        ("(text:john)", 1, "a term has no parentheses"),
        ("((and a b))", 0, "remove these parentheses"),
        ("(term a b)", 8, "(term ...) takes a term and no operand, got one more"),
        ("(term)", 0, "(term ...) needs a term"),
        ('(or "")', 4, "a term has at least one character"),
        ('(prefix "")', 8, "got an empty one"),
        ("(phrase text)", 0, "(phrase ...) takes a prefix of terms and from 1 to 1000 words, got no word"),
        ("(phrase)", 0, "(phrase ...) needs a prefix of terms"),
        ('(phrase text a "")', 15, "a word has at least one character"),
        ("(phrase text a (or b))", 15, "takes a prefix of terms and from 1 to 1000 words, got an expression"),
        (f"(phrase text{' a' * 1001})", 2013, "from 1 to 1000 words, got one more"),
        ("(phrase text a :slop -1)", 21, "(phrase ...) needs slop as an integer from 0 to 100, got -1"),
        ("(phrase text a :slop 101)", 21, "as an integer from 0 to 100, got 101"),
        ("(phrase text a :slop)", 15, "got no value"),
        ("(difference a)", 0, "(difference ...) takes two operands or more, got 1"),
        ("(not a)", 0, "(not ...) is allowed only inside (and ...)"),
        ("(or a (not b))", 6, "(difference a b) is a without b"),
        ("(weak-and a (not b))", 12, "is allowed only inside (and ...)"),
        ("(weak-and a ((not b) :optional-hits 3))", 13, "is allowed only inside (and ...)"),
        ("(nn m :k 3 :filter (not b))", 19, "is allowed only inside (and ...)"),
        ("(or a (and (not b) (not c)))", 6, "needs an operand that is no (not ...)"),
        ("(and a (not b c))", 14, "(not ...) takes one operand, got one more"),
        ("(nn)", 0, "(nn ...) needs an embedding key"),
        ("(nn (or a) :k 3)", 4, "(nn ...) needs an embedding key first, got an expression"),
        ("(nn m)", 0, "needs :radius (cosine distance, in (0, 2]) or :k"),
        ("(nn model-141709009   :radius -0.24)", 30, "(nn ...) needs radius in (0, 2] (cosine distance), got -0.24"),
        ("(nn m :radius 0)", 14, "needs radius in (0, 2] (cosine distance), got 0"),
        ("(nn m :radius 2.0001)", 14, "got 2.0001"),
        ("(nn m :radius nan)", 14, "got nan"),
        ('(nn m :radius "0.2")', 14, 'got "0.2"'),
        ("(nn m :radius (or a))", 14, "needs radius in (0, 2] (cosine distance), got an expression"),
        ("(nn m :radius)", 6, "needs radius in (0, 2] (cosine distance), got no value"),
        ("(nn m :radius :k 3)", 6, "got no value"),
        ("(nn m :k 0)", 9, "(nn ...) needs k as an integer from 1 to 1000000000, got 0"),
        ("(nn m :k 1000000001)", 9, "needs k as an integer from 1 to"),
        ("(nn m :k 1.5)", 9, "needs k as an integer"),
        ("(nn m :k 3 :nprobe -1)", 19, "needs nprobe as an integer"),
        ("(nn m :k 3 :scan 0)", 17, "needs scan as an integer from 1 to"),
        ("(nn m :k 3 :scan 9 :nprobe 2)", 19, "takes one of :nprobe (a number of clusters)"),
        ("(nn m :raduis 0.2)", 6, "(nn ...) has no option :raduis; did you mean :radius? options: :radius :k"),
        ("(nn m :k 3 :k 3)", 11, "(nn ...) has :k twice"),
        ("(nn m :k 3 :radius 1)", 11, "takes radius or k, not both"),
        ("(nn m :radius 1 :filter a)", 16, "takes :filter only with :k; with :radius write (and filter (nn ...))"),
        ("(nn m :k 3 :vector (or a))", 19, "needs vector as a name, got an expression"),
        ("(nn m :k 3 :filter)", 11, "needs filter as an expression, got no value"),
        ("(range price)", 0, "(range ...) needs :min or :max or both"),
        (
            "(range price :min ten)",
            18,
            "as a finite number, or a date, time or duration such as 2024-05-01T13:05:00Z, 13:05:00, P1D, got ten",
        ),
        ("(range at :min 2024-13-01)", 15, "as a finite number, or a date, time or duration"),
        ("(range at :min 25:00)", 15, "got 25:00"),
        ("(range at :min P)", 15, "got P"),
        ("(range at :min P1Y)", 15, "got P1Y"),
        ('(range at :min "10")', 15, 'got "10"'),
        ("(nn x :radius 13:05)", 14, "in (0, 2]"),
        ("(range price :max inf)", 18, "as a finite number"),
        ("(range price :max 1e999)", 18, "as a finite number"),
        ("(and a :limit 3)", 7, "(and ...) has no option :limit; it takes none"),
        ("(apply friend: a :limit 0)", 24, "(apply ...) needs limit as an integer from 1"),
        ("(apply friend: a :limit 100001)", 24, "(apply ...) needs limit as an integer from 1 to 100000, got 100001"),
        ("(apply friend:)", 0, "(apply ...) takes one operand, got 0"),
        ("(extract friends a b)", 19, "(extract ...) takes one operand, got one more"),
        ("(weak-and)", 0, "(weak-and ...) takes one operand or more, got 0"),
        ("(weak-and (a :optional-hits 0))", 28, "a marked operand needs optional-hits as an integer from 1"),
        ("(strong-or (a :optional-weight 1.5))", 31, "needs optional-weight in (0, 1], got 1.5"),
        ("(strong-or (a :optional-hits 2))", 14, ":optional-hits marks an operand of (weak-and ...)"),
        ("(weak-and (a :optional-weight 0.2))", 13, ":optional-weight marks an operand of (strong-or ...)"),
        ("(and a :optional-hits 2)", 7, ":optional-hits marks an operand of (weak-and ...)"),
        ("(a :optional-hits 2)", 3, ":optional-hits marks an operand of (weak-and ...)"),
        ("(nn m :k 2 :filter (a :optional-hits 2))", 22, ":optional-hits marks an operand of (weak-and ...)"),
        ("(weak-and (a :optional-hits 2 :optional-weight 1))", 30, "an operand has one mark"),
        ("(weak-and ((or a) b))", 18, "a marked operand is one expression and its option"),
        (":k", 0, "an option belongs inside parentheses"),
        ("(nn m :k \u202e)", 9, r"got \u202e"),
        ('("\x1b[2J" :k 3)', 8, r"a marked operand has no option :k"),
        ("(\x07 a)", 1, r"unknown operator \x07;"),
        ("(:k 3)", 1, "a list begins with an operator or an operand, got :k"),
        ("(or a ::b)", 6, "a colon here begins an option"),
        ("(or a :)", 6, "a colon here begins an option"),
        ('(or "a b)', 4, "this quote is never closed"),
        (r'(or "a\n")', 6, "inside quotes a backslash is allowed before"),
        ('(or "a"b)', 7, "after a closing quote comes a blank or a parenthesis"),
        ('(or tag:"new york")', 4, "quote the whole"),
        (r"(or tag:new\ york)", 4, "quote the whole"),
        (r"(or \a)", 4, "a backslash is allowed only inside quotes"),
        ("(or caf\u00e9 \ud800)", 9, "U+D800 is half of a surrogate pair"),
    ],
)
def test_an_error_names_the_place_and_what_to_do(expression, offset, message):
    with pytest.raises(QueryError) as caught:
        parse(expression)
    assert caught.value.offset == offset
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"offset {offset}: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", [None, b"(or)", 3, ["a"]])
def test_an_expression_that_is_no_string_is_refused(value):
    with pytest.raises(QueryError, match="an expression is a string"):
        parse(value)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
odd_words = st.lists(
    names | st.sampled_from([*sorted(OPERATORS), ":x", "(", '"', "\\", "a b", "\u3000", "10"]), min_size=3
)


@st.composite
def odd_vocabularies(draw):
    words = draw(odd_words)
    vectors, phrases = dict.fromkeys(words, words), {words[0]: words}
    return Vocabulary(words, words, dict.fromkeys(words, (-1e9, 1e9)), vectors, words, words, phrases)


@settings(max_examples=300, deadline=None)
@given(odd_vocabularies().flatmap(trees))
def test_every_tree_is_read_back_as_printed(tree):
    text = str(tree)
    assert parse(text) == tree
    assert str(parse(text)) == text


@pytest.mark.parametrize("number", [0.1 + 0.2, 1e-17, 5e-324, 1.0, 2, 1e16, 123456789012345678])
def test_numbers_are_read_back_exactly(number):
    for tree in (Range("c", minimum=number), Range("c", maximum=-number)):
        again = parse(str(tree))
        assert repr(again) == repr(tree)


operators = [
    "(nn ",
    "(and ",
    "(not ",
    "(weak-and ",
    "(range ",
    "(term ",
    " ",
    "(",
    ")",
    "))",
    '"',
    "\\",
    "a",
    "not",
    "-",
]
options = [":k ", ": ", ":", "::", ":radius ", ":filter ", ":min ", ":optional-hits 2", "0.2", "nan", "1e9", "\u2028"]
fragments = st.sampled_from([*operators, *options, "\x00", chr(0xD800)])


@settings(max_examples=2000, deadline=None)
@given(st.lists(fragments, max_size=20).map("".join) | st.text(max_size=30))
def test_any_text_is_a_tree_or_a_query_error(text):
    try:
        tree = parse(text)
    except QueryError as refused:
        error = refused
    else:
        assert parse(str(tree)) == tree
        return
    assert 0 <= error.offset <= len(text)


def test_valid_expressions_with_one_thing_broken_are_a_tree_or_a_query_error():
    rng = random.Random(3)
    num_refused = 0
    for _ in range(3000):
        text = str(random_tree(rng, vocabulary({"u": 2, "v": 2}), depth=4))
        start = rng.randrange(len(text))
        broken = text[:start] + rng.choice(["", "(", ")", ":", '"', " ", "not", "0"]) + text[start + rng.randrange(3) :]
        try:
            assert parse(str(parse(broken))) == parse(broken)
        except QueryError:
            num_refused += 1
    assert 1000 < num_refused < 3000


DEEP = "(or " * 100_000


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        ("a" * 100_000_000, "at most 1000000 characters"),
        (DEEP, "at most 64 parentheses"),
        (DEEP[: MAX_LENGTH // 2] + ")" * 100_000, "at most 64 parentheses"),
        ("(or " + "a " * 400_000 + ")", "at most 100000 words and lists"),
        ("(or " + "(or) " * 190_000 + ")", "at most 100000 words and lists"),
        ('"' + "\\" * 999_998, "this quote is never closed"),
        ('(or "' + 'a\\"' * 300_000, "this quote is never closed"),
        (" " * 1_000_000, "the expression is empty"),
        (":" * 1_000_000, "a colon here begins an option"),
        (": " * 500_000, "a colon here begins an option"),
        ("(nn m :k " + "9" * 900_000 + ")", "needs k as an integer"),
        ("(range m :min 0." + "9" * 900_000 + ")", "as a finite number"),
        ("(range m :min 1e" + "9" * 900_000 + ")", "as a finite number"),
        ("(" + "x" * 900_000 + " a b)", "unknown operator"),
        ("(and a :" + "x" * 900_000 + " b)", "has no option"),
        ("(nn m " + ":k 3 " * 190_000, "has :k twice"),
        (
            "(or " + "(nn m :k 3)" * 80_000,
            "at most 256 of fuzzy, phrase, nn, weak-and, apply, extract and marked operands of weak-and",
        ),
    ],
)
def test_hostile_text_is_refused_in_bounded_time_with_a_short_message(hostile, message):
    start = time.process_time()
    with pytest.raises(QueryError) as caught:
        parse(hostile)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.process_time() - start < 5  # about 0.2 s on one idle core


def test_what_is_just_within_the_bounds_is_read():
    deep = "(or " * MAX_DEPTH + ")" * MAX_DEPTH
    assert str(parse(deep)).replace(" ", "") == deep.replace(" ", "")
    wide = parse("(or " + "a " * (MAX_NODES - 2) + ")")
    assert isinstance(wide, Or)
    assert len(wide.operands) == MAX_NODES - 2
    assert parse("a" * MAX_LENGTH) == Term("a" * MAX_LENGTH)


_words = st.text(st.sampled_from('ab:\\"() \t\u2003\x1c.é\ud800'), max_size=6) | st.sampled_from(
    ["and", "or", "not", "x:y"]
)


@given(
    st.sampled_from(["(and ", "(or ", "(or\t", "(and"]),
    st.lists(_words, max_size=5),
    st.sampled_from([")", " )", ") "]),
)
def test_the_pattern_of_words_reads_what_the_parser_reads(head, words, tail):
    text = head + " ".join(words) + tail
    read = _and_or_or_of_words(text)
    if read is not None:
        assert read == _parse(text)
        assert [node.offset for node in walk(read)] == [node.offset for node in walk(_parse(text))]


def test_the_pattern_of_words_reads_usual_requests():
    for text in ("(and text:new text:york)", "(or text:a and (b)", "(or  a\tb )"):
        assert (_and_or_or_of_words(text) is None) == ("(b" in text)
