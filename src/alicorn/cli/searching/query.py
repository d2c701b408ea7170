"""`alicorn query`: the answer to one expression, or to a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicorn.cli.option_groups import grouped
from alicorn.cli.options import (
    AskedShards,
    CollectionFolder,
    IntentsPath,
    Json,
    OtherVertical,
    RankerPath,
    json_columns,
    load_models,
    open_to_read,
    retriever_of,
)
from alicorn.cli.searching.answer import print_reading, print_reason, print_result
from alicorn.cli.searching.written import facets_of, order_key
from alicorn.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alicorn.language.tree import Node
    from alicorn.query import Result
    from alicorn.query.any_collection import AnyCollection
    from alicorn.retrieval.highlighting import Highlighter, Place
    from alicorn.retrieval.request import Request
    from alicorn.retrieval.retriever import Retriever


@dataclass(frozen=True)
class AskedText:
    """A text, who asks it and where, and the models that encode it."""

    text: Annotated[str | None, typer.Option(help="Query text for the model's query tower.")] = None
    searcher: Annotated[str, typer.Option(help="Columns of the searcher, as a JSON object.")] = "{}"
    context: Annotated[
        str, typer.Option(help="Columns of the vertical's request.context, as a JSON object: the device, the page.")
    ] = "{}"
    model: Annotated[list[Path] | None, typer.Option(help="Model folder; again for a further key.", exists=True)] = None

    def columns(self) -> dict[str, Any]:
        """What is known of the request beside its expression."""
        if self.text is None:
            return {}
        searcher, context = json_columns(self.searcher, "--searcher"), json_columns(self.context, "--context")
        return {"text": self.text, "searcher": searcher, "context": context}


@dataclass(frozen=True)
class AskedPage:
    """Which of the hits, in which order, and what is counted over all of them."""

    limit: Annotated[int, typer.Option(min=0)] = 10
    order_by: Annotated[
        list[str] | None,
        typer.Option(
            help="nn, static_rank, bm25, a sum of them such as nn=0.7,bm25=0.3, a stored column: 'price desc', or JSON:"
            ' \'{"rrf": ["nn", "bm25"]}\'. Again for a further key. Of a text, as the vertical says unless given.'
        ),
    ] = None
    offset: Annotated[int, typer.Option(min=0, help="Hits to leave out before the first.")] = 0
    after: Annotated[str | None, typer.Option(help="Cursor of the page before (in its --json answer).")] = None
    facet: Annotated[
        list[str] | None,
        typer.Option(
            help="Count over the whole result the values of a stored column, or the terms of a prefix such as tag:. The"
            " most frequent, brand:top=20 (or tag::top=20); ranges, price:edges=10,50; buckets of one width,"
            " price:interval=5, or of a day, week, month or year, sold:interval=month. Again for a further facet."
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        order_by = [order_key(text) for text in self.order_by] if self.order_by else None
        facets = facets_of(self.facet or ())
        return {
            "limit": self.limit,
            "order_by": order_by,
            "offset": self.offset,
            "after": self.after,
            "facets": facets,
        }


@dataclass(frozen=True)
class ShownHits:
    """What is said of each hit."""

    column: Annotated[
        list[str] | None, typer.Option(help="Show this stored column of a hit, not all. Again for a further one.")
    ] = None
    explain: Annotated[bool, typer.Option("--explain", help="Show plan, counts and times of every node.")] = False
    why: Annotated[str | None, typer.Option(help="Say node by node why this document is in the result, or not.")] = None
    highlight: Annotated[
        bool, typer.Option("--highlight", help="Mark the words that matched in the stored columns, **so**.")
    ] = False


@dataclass(frozen=True)
class AskedInterests:
    """A searcher whose interests stand in for an expression."""

    interests: Annotated[
        Path | None, typer.Option(help="File of `alicorn interests`: look for three interests of --of.", exists=True)
    ] = None
    of: Annotated[str | None, typer.Option(help="Id of the searcher in --interests.")] = None
    regions: Annotated[
        bool, typer.Option("--regions", help="All documents within the radius of each interest, not the 100 nearest.")
    ] = False


@grouped
def query(
    collection: CollectionFolder,
    expression: Annotated[
        str | None,
        typer.Argument(help="Expression; without one, the vertical's hybrid expression of --text and the first model."),
    ] = None,
    *,
    asked: AskedText,
    page: AskedPage,
    shown: ShownHits,
    vertical: OtherVertical = None,
    drawn: AskedInterests,
    ranker: RankerPath = None,
    intents: IntentsPath = None,
    shards: AskedShards,
    seed: Annotated[int, typer.Option(min=0, help="Of the interests that are drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Answer an expression, or a text by a model.

    Examples:

    alicorn query collection/ '(and text:john (range age :min 30))'

    alicorn query collection/ '(or (and text:john text:smithe) (nn people :radius 0.3))' --text 'john smithe'
    --searcher '{"city": "Seattle"}' --model model/

    alicorn query collection/ tag:red --order-by 'in_stock desc' --order-by price --limit 20

    alicorn query collection/ tag:red --column title --column price

    alicorn query collection/ tag:red --facet brand:top=20 --facet tag: --facet price:edges=10,50

    alicorn query collection/ --interests interests.parquet --of u17
    """
    _check_options(expression, asked, drawn)
    models = load_models(asked.model, vertical)
    with open_to_read(collection, shards.shard, shards.shard_secret) as opened:
        retriever = retriever_of(opened, models, ranker, intents)
        root, vectors = _root(expression, opened, drawn, seed)
        request = retriever.request(
            root,
            vectors=vectors,
            key=next(iter(retriever.models)) if root is None and len(models) > 1 else None,
            **asked.columns(),
            **page.arguments(),
        )
        print_reading(request)
        if shown.why is not None:
            print_reason(opened, request, shown.why, as_json)
        else:
            _answer(retriever, request, shown, as_json)


def _answer(retriever: Retriever, request: Request, shown: ShownHits, as_json: bool) -> None:
    """Search, and print the hits with what is asked of each."""
    from alicorn.query.result import checked_columns
    from alicorn.retrieval.channels import lineage
    from alicorn.retrieval.highlighting import Highlighter

    columns = retriever.collection.snapshot().columns
    wanted = None if shown.column is None else checked_columns(shown.column, columns)
    highlighter = Highlighter(retriever.vertical) if shown.highlight else None
    result = retriever.search(request, shown.explain)
    stored = [result.document(at) for at in range(len(result.ids))]
    places = None if highlighter is None else _places(highlighter, request, result, stored)
    if wanted is not None:
        stored = [{name: fields[name] for name in ("doc_id", *wanted)} for fields in stored]
        places = places and [{name: of[name] for name in of if name in wanted} for of in places]
    channels = lineage(result, request) if request.channels else None
    print_result(result, stored, places, channels, _notices(request, result), as_json)


def _notices(request: Request, result: Result) -> Sequence[str]:
    """Of an expression that somebody wrote, the terms that no document has are told beside hits, too."""
    is_told = result.total == 0 or not isinstance(request.expression, str)
    return result.notices if is_told else (*result.notices, *result.unknown_terms())


def _check_options(expression: str | None, asked: AskedText, drawn: AskedInterests) -> None:
    """Raise ConfigError unless the options together ask for something."""
    interests, model, text = drawn.interests, asked.model, asked.text
    if drawn.regions and (interests is None or expression is not None):
        raise ConfigError("--regions is the expression of --interests: give these, and no other expression")
    if (interests is None) != (drawn.of is None):
        raise ConfigError("--interests and --of belong together: a file of `alicorn interests`, and a searcher's id")
    if interests is None and expression is None and not (model and text is not None):
        raise ConfigError("give an expression, or --text with --model for the vertical's hybrid expression")
    if model and text is None:
        raise ConfigError("--model encodes a request: give its query with --text")
    if text is not None and not model:
        raise ConfigError("--text is encoded by a query tower: give its folder with --model")


def _root(
    expression: str | None, collection: AnyCollection, drawn: AskedInterests, seed: int
) -> tuple[str | Node | None, dict[str, Any]]:
    """The expression, if any, and the vectors of the interests."""
    if drawn.interests is None or drawn.of is None:
        return expression, {}
    near, vectors = _drawn_interests(collection, drawn.interests, drawn.of, seed, drawn.regions)
    return expression or near, vectors


def _drawn_interests(
    collection: AnyCollection, table: Path, searcher: str, seed: int, regions: bool
) -> tuple[Node, dict[str, Any]]:
    """An expression for three interests drawn by importance, and their vectors: the 100 nearest documents to each, or
    those within its radius."""
    import numpy as np

    from alicorn.interests import interest_regions
    from alicorn.language.tree import Nn, Or
    from alicorn.retrieval.reading.nearest import nearest
    from alicorn.retrieval.regions import key_of, read_interests

    read = read_interests(table)
    drawn = interest_regions(read, searcher, collection, 3, np.random.default_rng(seed))
    vectors: dict[str, Any] = {name: one.vector for name, one in drawn.items()}
    if regions:
        within = tuple(Nn(key_of(read), radius=one.radius, vector=name) for name, one in drawn.items())
        return Or(within), vectors
    return nearest(key_of(read), 100, vectors=tuple(vectors)), vectors


def _places(
    highlighter: Highlighter, request: Request, result: Result, stored: list[dict[str, Any]]
) -> list[dict[str, list[Place]]]:
    """Of each hit, where its columns have the words that matched."""
    from alicorn.query.explain.match import Matcher

    matcher = Matcher(request.root, result.snapshot, request.vectors)
    matches = (matcher.match(*result.address(at), document["terms"]) for at, document in enumerate(stored))
    return [highlighter.places(document, match.terms) for document, match in zip(stored, matches, strict=True)]
