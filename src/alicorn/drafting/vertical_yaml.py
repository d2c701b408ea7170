"""What is known of the tables -> vertical.yaml, each guess with its reason."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from alicorn.config import flow_yaml
from alicorn.drafting.evidence import SEARCHED
from alicorn.drafting.names import POPULAR, plain_name
from alicorn.drafting.profiles import Profile, slug
from alicorn.drafting.seen import Seen

_PLACED = ("doc_id", "terms", "term_positions", "static_rank")
"""Columns that have their own place in an index."""
_LONG_VALUE = 60  # words from which a value is not stored
_RANKS = 0.2  # correlation from which a column of numbers is a static rank by its values alone
_WIDTH = 76  # of a line before its comment, at most
_FIELDS = 8  # of BM25, at most: each is tried with some weights
_GRADES = (
    (re.compile(r"purchase|order|buy|bought|book|checkout|convert|apply|hire"), 3),
    (re.compile(r"cart|basket|save|collect|favou?rite|like"), 2),
    (re.compile(r"click|open|visit"), 1),
)
TEXT = "text"
"""The prefix of all words."""
Line = tuple[str, str]
"""A line of YAML, and why it is so."""


def vertical_yaml(seen: Seen) -> str:
    """The text of the file."""
    sections = [_document(seen), _request(seen), _rest(seen)]
    return "\n".join([*_head(seen), *(text for section in sections for text in _aligned(list(section)))]) + "\n"


def _aligned(lines: Sequence[Line]) -> Iterator[str]:
    width = max((len(text) for text, why in lines if why and len(text) <= _WIDTH), default=0)
    for text, why in lines:
        yield f"{text:<{width}}  # {why}" if why else text


def _head(seen: Seen) -> Iterator[str]:
    yield "# Drafted by `alicorn init` from the tables: every line is a guess and says why. Change what is wrong;"
    yield "# docs/reference/vertical.md has every key. `alicorn tune` with --order finds the order of hits."
    yield from (f"# {sentence}" for sentence in seen.said)
    yield from (f"{key}: {flow_yaml(seen.name)}" for key in ("name", "embedding"))


def _document(seen: Seen) -> Iterator[Line]:
    yield "document:", ""
    yield "  features:", "what the towers read of a document"
    names = UniqueNames()
    for one in seen.documents:
        if not is_placed(one) and (found := _feature(one, seen)) is not None:
            yield f"    {names.of(one.name)}: {flow_yaml(found[0])}", found[1]
    yield "  terms:", "what words and filters find"
    yield from _terms(seen)
    if stored := [one.name for one in seen.documents if is_stored(one)]:
        yield f"  stored: {flow_yaml(stored)}", "shown with hits; for ranges, facets and orders"
    if (rank := static_rank(seen)) is not None:
        yield f"  static_rank: {flow_yaml(rank[0])}", rank[1]


class UniqueNames:
    """Names of features and prefixes, each given once."""

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)

    def of(self, column: str) -> str:
        """A name for a column."""
        name = slug(column) or "column"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _feature(one: Profile, seen: Seen) -> tuple[dict[str, Any], str] | None:
    """The feature that a column of documents is read as, and why; None: as none."""
    share = seen.evidence.matched.get(one.name, 0.0)
    is_read = one.name == _main_text(seen) or (one.kind == "text" and share >= SEARCHED)
    if one.kind in ("text", "long text", "code") and is_read:
        return {"kind": "text", "column": one.name}, f"{_length(one)}; {share:.0%} of the words of queries are in it"
    return None if one.kind == "code" else _value_feature(one, seen)


def _length(one: Profile) -> str:
    return f"texts of {one.words:.0f} words" if one.words >= 1.5 else "short texts"


def _value_feature(one: Profile, seen: Seen) -> tuple[dict[str, Any], str] | None:
    """The same for categories, lists and vectors, of documents and of searchers."""
    few = f"{one.distinct:,} values in {one.rows:,} rows"
    match one.kind:
        case "category" if one.distinct > 1:
            return {"kind": "id", "column": one.name}, few
        case "tags" if one.distinct * 2 <= one.rows:  # else they are names, such as of friends
            weights = seen.weights.get(one.name)
            return {"kind": "ids", "column": one.name, **({"weights": weights} if weights else {})}, few
        case "vector" if one.dim:
            return {"kind": "dense", "column": one.name, "dim": one.dim}, f"lists of {one.dim} numbers"
        case "vectors" if one.dim:
            return {"kind": "vectors", "column": one.name, "dim": one.dim}, f"lists of vectors of {one.dim} numbers"
    return None


def _main_text(seen: Seen) -> str | None:
    """The title or name; else the text that most words of queries are in, long ones last."""
    texts = [one for one in seen.documents if one.kind in ("text", "long text", "code") and not is_placed(one)]
    called = [one.name for one in texts if plain_name(one.name) in ("title", "name")]
    ranked = sorted(texts, key=lambda one: (one.kind == "text", seen.evidence.matched.get(one.name, 0.0)), reverse=True)
    return next(iter([*called, *(one.name for one in ranked)]), None)


def _terms(seen: Seen) -> Iterator[Line]:
    for column, share in seen.evidence.searched.items():
        yield _rule(TEXT, column, "words"), f"{share:.0%} of the words of queries"
    of_values, of_fields = _prefixes(seen)
    for column, prefix in of_fields.items():
        yield _rule(prefix, column, "words"), "a field, whose weight `alicorn tune` finds with --order"
    for column, prefix in of_values.items():
        yield _rule(prefix, column, "value"), f"the filter {prefix}:VALUE"


def _rule(prefix: str, column: str, kind: str) -> str:
    return f"    - {flow_yaml({'prefix': prefix, 'column': column, 'kind': kind})}"


def _prefixes(seen: Seen) -> tuple[dict[str, str], dict[str, str]]:
    """Of the columns whose values are filters, and of those whose words are fields of BM25, by column."""
    names = UniqueNames(TEXT)
    has_values = [one for one in seen.documents if one.kind in ("category", "tags", "code") and not is_placed(one)]
    of_values = {one.name: names.of(one.name) for one in has_values}
    return of_values, {column: names.of(column) for column in _weighed(seen)}


def _weighed(seen: Seen) -> list[str]:
    """The columns in which words have a weight of their own: those that are searched, where there are others too."""
    searched = seen.evidence.searched
    best = sorted(searched, key=lambda column: -searched[column])[:_FIELDS]
    return [column for column in searched if column in best and searched[column] >= SEARCHED and len(searched) > 1]


def fields(seen: Seen) -> list[str]:
    """The prefixes of terms that are fields of BM25."""
    return list(_prefixes(seen)[1].values())


def is_placed(one: Profile) -> bool:
    """Whether a column has its own place in an index."""
    return one.name in _PLACED or one.name.startswith("embedding:")


def is_stored(one: Profile) -> bool:
    """Whether the draft stores a column."""
    is_shown = one.kind not in ("vector", "vectors", "other") and one.words * one.length <= _LONG_VALUE
    return is_shown and not is_placed(one)


def static_rank(seen: Seen) -> tuple[str, str] | None:
    """The column of numbers that says which document is better when nothing else does; and why it is taken."""
    numbers = [one.name for one in seen.documents if one.kind == "number"]
    named = {name for name in numbers if POPULAR.search(plain_name(name))}
    ranked = sorted(numbers, key=lambda name: (name in named, round(seen.ranks[name], 2)), reverse=True)
    if not ranked or not (ranked[0] in named or seen.ranks[ranked[0]] >= _RANKS):
        return None
    log = f"log_{ranked[0]}"  # does not drown the other parts of an order
    rank = log if log in numbers else ranked[0]
    return (
        rank,
        f"decides between equals; rank correlation {seen.ranks[rank]:+.2f} with how often a document was chosen",
    )


def _request(seen: Seen) -> Iterator[Line]:
    yield "request:", ""
    yield "  features:", "what the towers read of a request"
    yield f"    text: {flow_yaml({'kind': 'text', 'column': 'query'})}", ""
    names = UniqueNames(TEXT)
    for place, columns in (("who searches", seen.searchers), ("the search", seen.context)):
        for one in columns:
            if (found := _value_feature(one, seen)) is not None:
                yield f"    {names.of(one.name)}: {flow_yaml(found[0])}", f"of {place}: {found[1]}"
    if seen.context:
        yield f"  context: {flow_yaml([one.name for one in seen.context])}", "columns of the log itself"


def _rest(seen: Seen) -> Iterator[Line]:
    yield f"split: {flow_yaml(dict(seen.split[0]))}", seen.split[1]
    if seen.unknown:
        yield "unknown_documents: leave_out", f"{seen.unknown:,} rows name documents that are not in the table"
    if grades := _grades(seen.actions):
        yield f"actions: {flow_yaml(grades)}", "the grade of a document by what was done; 0 for all else"
    if seen.evidence.language is not None:
        name, before, after = seen.evidence.language
        yield "analysis:", ""
        yield f"  {TEXT}: {flow_yaml({'stem': name})}", f"{before:.1%} -> {after:.1%} of the words of queries are found"
        yield from ((f"  {field}: {flow_yaml({'stem': name})}", f"as {TEXT}") for field in fields(seen))


def _grades(actions: Sequence[str]) -> dict[str, float]:
    found = ((action, [grade for said, grade in _GRADES if said.search(action.casefold())]) for action in actions)
    return {action: float(grades[0]) for action, grades in found if grades}
