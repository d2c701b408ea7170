"""What Lucene and Elasticsearch write, and what to write here: for messages and notices."""

import re

_REQUEST = (
    "an expression says which documents: (and text:a (range price :max 5)); limit and order_by are of the request"
)
_OPERATORS = {
    **dict.fromkeys(("match", "multi_match", "query_string", "terms"), "(or text:a text:b), and (and ...) for all"),
    **dict.fromkeys(("bool", "must", "all", "filter"), "(and a b); not is (difference a b)"),
    **dict.fromkeys(("should", "any", "dis_max", "equiv"), "(or a b)"),
    **dict.fromkeys(("must_not", "andnot", "rank_not"), "(difference a b)"),
    **dict.fromkeys(("knn", "nearest", "nearestneighbor", "vector", "ann"), "(nn {key} :k 100 :recall 0.95)"),
    **dict.fromkeys(("match_phrase", "near", "onear", "span_near", "sameelement"), "(phrase text a b :slop 2)"),
    **dict.fromkeys(("wildcard", "regexp", "match_phrase_prefix"), "(prefix text:jo) or (fuzzy text:jon)"),
    "exists": "(range price :min -1e300), for numbers",
    **dict.fromkeys(("gt", "gte", "lt", "lte", "between"), "(range price :min 1 :max 5), both ends included"),
    **dict.fromkeys(("weakand", "wand", "minimum_should_match"), "(weak-and a (b :optional-hits 20))"),
}
"""Operators of other query languages -> what to write here."""
_HINTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"AND|&&|\+.*", "all of them is (and a b)"),
        (r"OR|\|\|", "any of them is (or a b)"),
        (r"NOT|!.+|-.*", "a without b is (difference a b)"),
        (r".*\^[0-9.]+", "weights belong to the order, such as order_by={'nn': 1, 'bm25': 0.1}, not to a term"),
        (
            r"[^~]*~[0-9]?",
            "similar terms are (fuzzy text:jon :edits 1); near words (phrase text a b :slop 2)",
        ),
        (r"\*:\*", "every document with a term of a prefix is (prefix text:)"),
        (r"[^*?]+\*", "terms that begin so are (prefix text:jo)"),
        (r".*:[<>\[{].*", "numbers and times are (range price :min 1 :max 5), both ends included"),
        (r"_exists_:.*", "documents with a number in a column are (range price :min -1e300)"),
        (r"([^:/]+:)?/.*/", "there are no regular expressions: (prefix text:jo) or (fuzzy text:jon)"),
        (
            r"\{.*",
            "an expression is no JSON: it is written as (or text:a (range price :max 5)); docs/query-language.md",
        ),
        (r"(?i:select|from|where|contains|limit|sort|order|userquery|userinput)", _REQUEST),
        (r"[^:]+:", "a field of several words is (or title:a title:b), or (phrase title a b) in this order"),
    )
)


def operator_here(name: str) -> str | None:
    """What an operator of another query language is here; None where it looks like none."""
    return _OPERATORS.get(name.lower())


def written_here(word: str) -> str | None:
    """What a word of another query language is here; None where it looks like none."""
    return next((hint for pattern, hint in _HINTS if pattern.fullmatch(word)), None)
