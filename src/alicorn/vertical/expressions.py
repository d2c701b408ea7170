"""The expressions that a text becomes and the orders of their hits, checked against what the vertical's documents have.

expressions:
  boolean: "(and {terms})"
  hybrid: "(or {terms} (nn {key} :k 100))"
order:                             # each as `order_by` of a search (language/order.py)
  boolean: [bm25, static_rank]
  hybrid: {nn: 1, bm25: {weight: 0.3, half_at: 8}}

Instead of one template, `hybrid` may be several with names: channels, whose `or` it is. Every hit then says which of
them found it.

  hybrid:
    words:   "(and {terms})"
    nearest: "(nn {key} :k 100 :recall 0.95)"
    related: "(extract related (or {searcher:realtime_item:id}))"
    regions: "(or {regions})"
control:                             # the nn of the hybrid expression finds what the query names
  intents: [category, brand]         # prefixes of terms
  filter: while_searching            # or afterwards
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from alicorn.config import Config, did_you_mean
from alicorn.errors import ConfigError, QueryError
from alicorn.language.order import SCORES, ByColumn, OrderBy, Part, parts_of, read_order
from alicorn.language.templates import KEY, SearcherHole, Template, TermsHole
from alicorn.language.tree import Apply, Extract, Fuzzy, Nn, Node, Phrase, Prefix, Range, Term, walk

_CHANNEL = re.compile("[A-Za-z][A-Za-z0-9_-]*")

BY_WORDS: OrderBy = ("bm25", "static_rank")
"""The order of a text's hits where its expression has no `nn`."""
BY_NN_AND_WORDS: Mapping[str, Any] = {"nn": 1, "bm25": {"weight": 2, "half_at": 16}}
"""The order of a text's hits where its expression has an `nn` and words (decision 069 has its numbers)."""


def _template(value: Any) -> Template:
    """Raises ValueError."""
    if isinstance(value, Template):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a template is a string, got {value!r:.80}")
    try:
        return Template.parse(value)
    except QueryError as error:
        raise ValueError(f"{error}, in {value!r}") from None


def _template_or_channels(value: Any) -> Template:
    if not isinstance(value, Mapping):
        return _template(value)
    if len(value) < 2 or not all(isinstance(name, str) and _CHANNEL.fullmatch(name) for name in value):
        raise ValueError(
            "channels are at least two templates, each with a name of letters, digits, '_' and '-' that begins with a"
            f" letter; got {', '.join(map(str, value)) or 'none'}"
        )
    channels: dict[str, Template] = {}
    for name, written in value.items():
        try:
            channels[name] = _template(written)
        except ValueError as error:
            raise ValueError(f"channel {name}: {error}") from None
    return Template.of_channels(channels)


def _written(template: Template) -> str | dict[str, str]:
    return {name: str(one) for name, one in template.channels.items()} or str(template)


def _order(value: Any) -> Any:
    if value is not None:
        try:
            read_order(value, "an order")
        except ConfigError as error:
            raise ValueError(str(error)) from None
    return value


ParsedTemplate = Annotated[
    Template, PlainValidator(_template), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
ParsedChannels = Annotated[
    Template,
    PlainValidator(_template_or_channels),
    PlainSerializer(_written),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}),
]
CheckedOrder = Annotated[Any, PlainValidator(_order), WithJsonSchema({"type": ["string", "object", "array", "null"]})]


class Expressions(Config):
    """Templates of the two expressions that a text request becomes (language/templates.py), parsed when loaded.

    hybrid: one template, or the channels whose `or` it is.
    """

    boolean: ParsedTemplate = Template.parse("(and {terms})")
    hybrid: ParsedChannels = Template.parse("(or {terms} (nn {key} :k 100 :recall 0.95))")


class RelevanceControl(Config):
    """Around each `nn` of the hybrid expression, what the query is sure to ask for (MGDSPR, section 3.1).

    intents: prefixes of terms of kind value or phrase. Values of them that the query names are understood.
    filter: the nearest of the documents that have such a value, of each prefix that is understood; or the nearest
    first, of which those stay that have it.
    """

    intents: Annotated[tuple[str, ...], Field(min_length=1)]
    filter: Literal["while_searching", "afterwards"] = "while_searching"


class HitOrders(Config):
    """The order of the hits of each expression, as `order_by` of a search. None: the default (Vertical.order_of)."""

    boolean: CheckedOrder = None
    hybrid: CheckedOrder = None


@dataclass(frozen=True)
class Known:
    """The names that expressions and orders may use.

    prefixes: of terms; word_prefixes: of those of words; positions: of those whose positions are kept. columns: stored.
    keys: of embeddings. asker: columns of the searcher and the context.
    """

    prefixes: Sequence[str]
    word_prefixes: Sequence[str]
    positions: Sequence[str]
    columns: Sequence[str]
    keys: Sequence[str]
    asker: Sequence[str]
    has_static_rank: bool

    @property
    def value_prefixes(self) -> Sequence[str]:
        """Those of kind value or phrase."""
        return [prefix for prefix in self.prefixes if prefix not in self.word_prefixes]


def check_expressions(expressions: Expressions, known: Known) -> None:
    """Raise ValueError for a prefix of terms, a column or a key that the vertical does not have."""
    for which, template in _each(expressions):
        for node in walk(template.root):
            if problem := _problem(node, known):
                raise ValueError(f"expressions.{which}: {problem}")


def check_control(control: RelevanceControl, known: Known) -> None:
    """Raise ValueError for an intent that is no prefix of values."""
    for prefix in control.intents:
        if prefix not in known.value_prefixes:
            near = _near(prefix, known.value_prefixes)
            listed = ", ".join(known.value_prefixes) or "none"
            raise ValueError(f"control.intents: {prefix}: {near}prefixes of kind value or phrase: {listed}")


def check_orders(orders: HitOrders, expressions: Expressions, known: Known) -> None:
    """The same for the parts of orders, and for an order by nn of an expression without one."""
    for which, template in _each(expressions):
        written = getattr(orders, which)
        if written is not None and (problem := order_problem(written, template, known)):
            raise ValueError(f"order.{which}: {problem}")


def order_problem(order_by: OrderBy, template: Template, known: Known) -> str | None:
    """What an order names that the vertical, or its template, does not have."""
    order = read_order(order_by)
    named = [_part_problem(part, template, known) for part in parts_of(order)]
    named += [_column_problem(key.name, known) for key in order if isinstance(key, ByColumn)]
    return next(filter(None, named), None)


def _each(expressions: Expressions) -> Iterator[tuple[str, Template]]:
    for which in type(expressions).model_fields:
        yield which, getattr(expressions, which)


def _problem(node: Node, known: Known) -> str | None:
    match node:
        case TermsHole(prefix=prefix) if prefix not in known.word_prefixes:
            hole = "{terms}" if prefix == "text" else f"{{terms:{prefix}}}"
            near = _near(prefix, known.word_prefixes)
            return (
                f"{hole} is replaced by {prefix}:<word>, but no document has such terms: {near}"
                f"add {{prefix: {prefix}, column: ..., kind: words}} to document.terms"
            )
        case SearcherHole():
            return _searcher_problem(node, known)
        case Term(term=term) | Fuzzy(term=term):
            return _term_problem(term, known)
        case Phrase(prefix=prefix):
            return _phrase_problem(prefix, known)
        case Prefix(prefix=prefix):
            return _prefix_problem(prefix, known)
        case Apply(prefix=prefix):
            return _prefix_problem(prefix, known)
        case Range(column=column) | Extract(column=column) if column not in known.columns:
            listed = ", ".join(known.columns) or "none"
            return f"({node.operator} {column} ...): {_near(column, known.columns)}document.stored has: {listed}"
        case Nn(key=key) if key != KEY:
            return _key_problem(key, known)
    return None


def _searcher_problem(hole: SearcherHole, known: Known) -> str | None:
    if hole.column not in known.asker:
        listed = ", ".join(known.asker) or "none"
        near = _near(hole.column, known.asker)
        return f"{{searcher:{hole.column}:{hole.prefix}}}: {near}columns of the searcher and the context: {listed}"
    if hole.prefix not in known.value_prefixes:
        near = _near(hole.prefix, known.value_prefixes)
        return (
            f"{{searcher:{hole.column}:{hole.prefix}}}: {near}prefixes of kind value or phrase in document.terms: "
            f"{', '.join(known.value_prefixes) or 'none'}"
        )
    return None


def _term_problem(term: str, known: Known) -> str | None:
    prefix, colon, _ = term.partition(":")
    if colon and prefix in known.prefixes:
        return None
    listed = ", ".join(f"{one}:" for one in known.prefixes) or "none"
    return f"no document has the term {term!r}: {_near(prefix, known.prefixes)}prefixes of document.terms: {listed}"


def _phrase_problem(prefix: str, known: Known) -> str | None:
    if prefix in known.positions:
        return None
    if prefix in known.word_prefixes:
        return f"(phrase {prefix} ...) needs the positions of these terms: set `positions: true` in analysis.{prefix}"
    listed = ", ".join(known.word_prefixes) or "none"
    return f"(phrase {prefix} ...): {_near(prefix, known.word_prefixes)}prefixes of words in document.terms: {listed}"


def _prefix_problem(beginning: str, known: Known) -> str | None:
    """Of the beginning of a term, which may end within its prefix."""
    if ":" in beginning:
        return _term_problem(beginning, known)
    if any(prefix.startswith(beginning) for prefix in known.prefixes):
        return None
    return _term_problem(f"{beginning}:", known)


def _key_problem(key: str, known: Known) -> str | None:
    if key in known.keys:
        return None
    return (
        f"unknown embedding key {key!r}: {_near(key, known.keys)}the vertical has {', '.join(known.keys)}; write {KEY}"
        " for the key in use, or add a key of another model to further_embeddings"
    )


def _part_problem(part: Part, template: Template, known: Known) -> str | None:
    match part.kind:
        case "nn" if not template.keys:
            return f"{part} needs an (nn ...), and the expression {str(template)!r} has none"
        case "nn" if part.of:
            keys = [known.keys[0] if key == KEY else key for key in template.keys]
            absent = None if part.of in keys else f"{part} needs an (nn {part.of} ...) in {str(template)!r}"
            return _key_problem(part.of, known) or absent
        case "bm25":
            prefixes = [part.of] if part.of else [prefix for prefix, _ in part.fields]
            return next(filter(None, (_term_problem(f"{prefix}:", known) for prefix in prefixes)), None)
        case "phrase" if problem := _phrase_problem(part.of, known):
            return f"{part}: {problem}"
        case "static_rank" if not known.has_static_rank:
            return "static_rank: document.static_rank names no column"
        case "column":
            return _column_problem(part.of, known)
    return None


def _column_problem(name: str, known: Known) -> str | None:
    if name in known.columns:
        return None
    near = _near(name, [*SCORES, *known.columns])
    listed = ", ".join(known.columns) or "no column"
    return f"unknown part {name!r}: {near}parts are {', '.join(SCORES)} and document.stored: {listed}"


def _near(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, list(known))
