"""What Lucene and Elasticsearch write, and what to write here: for messages and notices."""

import re

_HINTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"AND|&&|\+.*", "all of them is (and a b)"),
        (r"OR|\|\|", "any of them is (or a b)"),
        (r"NOT|![^:]*|-.*", "a without b is (difference a b)"),
        (r".*\^[0-9.]+", "weights belong to the order, such as order_by={'nn': 1, 'bm25': 0.1}, not to a term"),
        (
            r"[^~]*~[0-9]?",
            "similar terms are (fuzzy text:jon :edits 1); near words (phrase text a b :slop 2)",
        ),
        (r"\*:\*", "every document with a term of a prefix is (prefix text:)"),
        (r"[^*?]+\*", "terms that begin so are (prefix text:jo)"),
        (r".*:[<>\[{].*", "numbers and times are (range price :min 1 :max 5), both ends included"),
        (r"_exists_:.*", "documents with a value of a column are (range price)"),
        (r"/.*/", "there are no regular expressions: (prefix text:jo) or (fuzzy text:jon)"),
        (r"[^:]+:", "a field of several words is (or title:a title:b), or (phrase title a b) in this order"),
    )
)


def written_here(word: str) -> str | None:
    """What a word of another query language is here; None where it looks like none."""
    return next((hint for pattern, hint in _HINTS if pattern.fullmatch(word)), None)
