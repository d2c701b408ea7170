"""`alicorn query`: the answer to one expression, or to a text."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicorn.cli.options import (
    CollectionFolder,
    IntentsPath,
    Json,
    OtherVertical,
    RankerPath,
    ShardAddresses,
    ShardSecret,
    json_columns,
    load_models,
    open_to_read,
    retriever_of,
)
from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json

WIDEST = 80  # characters of a stored value in the list of hits

if TYPE_CHECKING:
    from alicorn.language.tree import Node
    from alicorn.query import Facet, Result
    from alicorn.query.any_collection import AnyCollection
    from alicorn.query.facets import Counts
    from alicorn.retrieval.channels import Lineage
    from alicorn.retrieval.highlighting import Highlighter, Place
    from alicorn.retrieval.request import Request


def query(
    collection: CollectionFolder,
    expression: Annotated[
        str | None,
        typer.Argument(help="Expression; without one, the vertical's hybrid expression of --text and the first model."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Query text for the model's query tower.")] = None,
    searcher: Annotated[str, typer.Option(help="Columns of the searcher, as a JSON object.")] = "{}",
    context: Annotated[
        str, typer.Option(help="Columns of the vertical's request.context, as a JSON object: the device, the page.")
    ] = "{}",
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder; again for a further key.", exists=True)
    ] = None,
    limit: Annotated[int, typer.Option(min=0)] = 10,
    order_by: Annotated[
        list[str] | None,
        typer.Option(
            help="nn, static_rank, bm25, a sum of them such as nn=0.7,bm25=0.3, a stored column: 'price desc', or JSON:"
            ' \'{"rrf": ["nn", "bm25"]}\'. Again for a further key. Of a text, as the vertical says unless given.'
        ),
    ] = None,
    offset: Annotated[int, typer.Option(min=0, help="Hits to leave out before the first.")] = 0,
    after: Annotated[str | None, typer.Option(help="Cursor of the page before (in its --json answer).")] = None,
    facet: Annotated[
        list[str] | None,
        typer.Option(
            help="Count over the whole result the values of a stored column, or the terms of a prefix such as tag:. The"
            " most frequent, brand:top=20 (or tag::top=20); ranges, price:edges=10,50; buckets of one width,"
            " price:interval=5, or of a day, week, month or year, sold:interval=month. Again for a further facet."
        ),
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Show this stored column of a hit, not all. Again for a further one.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show plan, counts and times of every node.")] = False,
    why: Annotated[
        str | None, typer.Option(help="Say node by node why this document is in the result, or not.")
    ] = None,
    highlight: Annotated[
        bool, typer.Option("--highlight", help="Mark the words that matched in the stored columns, **so**.")
    ] = False,
    vertical: OtherVertical = None,
    interests: Annotated[
        Path | None, typer.Option(help="File of `alicorn interests`: look for three interests of --of.", exists=True)
    ] = None,
    of: Annotated[str | None, typer.Option(help="Id of the searcher in --interests.")] = None,
    regions: Annotated[
        bool, typer.Option("--regions", help="All documents within the radius of each interest, not the 100 nearest.")
    ] = False,
    ranker: RankerPath = None,
    intents: IntentsPath = None,
    shard: ShardAddresses = None,
    shard_secret: ShardSecret = None,
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
    from alicorn.query.result import checked_columns
    from alicorn.retrieval.channels import lineage
    from alicorn.retrieval.highlighting import Highlighter

    _check_options(expression, text, model, interests, of, regions)
    models = load_models(model, vertical)
    with open_to_read(collection, shard, shard_secret) as opened:
        retriever = retriever_of(opened, models, ranker, intents)
        drawn: dict[str, Any] = {}
        asked: str | Node | None = expression
        if interests is not None and of is not None:
            near, drawn = _drawn_interests(opened, interests, of, seed, regions)
            asked = expression or near
        request = retriever.request(
            asked,
            vectors=drawn,
            text=text,
            searcher=None if text is None else json_columns(searcher, "--searcher"),
            context=None if text is None else json_columns(context, "--context"),
            key=next(iter(retriever.models)) if asked is None and len(models) > 1 else None,
            limit=limit,
            order_by=[_key(text) for text in order_by] if order_by else None,
            offset=offset,
            after=after,
            facets=_facets(facet or ()),
        )
        _print_reading(request)
        if why is not None:
            _print_reason(opened, request, why, as_json)
            return
        shown = None if column is None else checked_columns(column, opened.snapshot().columns)
        highlighter = Highlighter(retriever.vertical) if highlight else None
        result = retriever.search(request, explain)
        stored = [result.document(at) for at in range(len(result.ids))]
        places = None if highlighter is None else _places(highlighter, request, result, stored)
        if shown is not None:
            stored = [{name: fields[name] for name in ("doc_id", *shown)} for fields in stored]
            places = places and [{name: of[name] for name in of if name in shown} for of in places]
        channels = lineage(result, request) if request.channels else None
    _print_result(result, stored, places, channels, as_json)


def _print_reading(request: Request) -> None:
    """How the text was read."""
    for notice in request.notices:
        log.print(f"note: {notice}")
    for intent in request.intents:
        by = f"named by '{intent.words}'" if intent.words else f"learned, {intent.probability:.2f}"
        log.print(f"understood: {intent.term} ({by})")


def _check_options(
    expression: str | None,
    text: str | None,
    model: list[Path] | None,
    interests: Path | None,
    of: str | None,
    regions: bool,
) -> None:
    """Raise ConfigError unless the options together ask for something."""
    if regions and (interests is None or expression is not None):
        raise ConfigError("--regions is the expression of --interests: give these, and no other expression")
    if (interests is None) != (of is None):
        raise ConfigError("--interests and --of belong together: a file of `alicorn interests`, and a searcher's id")
    if interests is None and expression is None and not (model and text is not None):
        raise ConfigError("give an expression, or --text with --model for the vertical's hybrid expression")
    if model and text is None:
        raise ConfigError("--model encodes a request: give its query with --text")
    if text is not None and not model:
        raise ConfigError("--text is encoded by a query tower: give its folder with --model")


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


def _key(text: str) -> str | dict[str, Any]:
    from alicorn.tables import JsonError, parse_json

    if text.lstrip().startswith("{"):
        try:
            written: dict[str, Any] = parse_json(text)
        except JsonError as error:
            raise ConfigError(f"--order-by: not valid JSON: {error}") from error
        return written
    if "=" not in text:
        return text
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            raise ConfigError(f"--order-by: expected name=weight, such as nn=0.7,bm25=0.3, got {part!r}") from None
    return weights


def _facets(texts: Sequence[str]) -> dict[str, Facet]:
    """The facets of --facet by column or prefix."""
    facets: dict[str, Facet] = {}
    for text in texts:
        name, facet = _facet(text)
        if name in facets:
            raise ConfigError(f"--facet: {name[:40]!r} is given twice; ask once for each column or prefix")
        facets[name] = facet
    return facets


def _edge(text: str) -> float | str:
    """A number, or what may be a time."""
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _facet(text: str) -> tuple[str, Facet]:
    """A facet and its column or prefix: NAME, NAME:top=20, NAME:edges=10,50 or NAME:interval=5."""
    from alicorn.query import Facet

    found = re.fullmatch(r"(.+?)(?::(top|edges|interval)=(.*))?", text, re.DOTALL)
    if found is None:
        raise ConfigError("--facet: give a column, or a prefix of terms such as tag:, got an empty text")
    name, option, given = found.groups()
    is_prefix = name.endswith(":")
    facet = Facet(prefix=name) if is_prefix else Facet(name)
    try:
        if option == "top":
            return name, dataclasses.replace(facet, top=int(given))
        if option == "edges":
            return name, dataclasses.replace(facet, edges=tuple(map(_edge, given.split(","))))
    except ValueError:
        raise ConfigError(
            f"--facet: expected a whole number after :top=, such as brand:top=20, got {text[:80]!r}"
        ) from None
    return name, facet if option is None else dataclasses.replace(facet, interval=_interval(given))


def _interval(text: str) -> Any:
    """A width, or a text for the unit of a calendar, which the facet checks."""
    try:
        return float(text)
    except ValueError:
        return text


def _print_reason(collection: AnyCollection, request: Request, doc_id: str, as_json: bool) -> None:
    """Why a document is in the result, or not. Raises ConfigError for an id that the collection does not have."""
    found = collection.explain(request.expression, doc_id, vectors=request.vectors)
    if found is None:
        raise ConfigError(f"--why: the collection has no document {doc_id!r}")
    sys.stdout.write((to_json(found.to_dict()) if as_json else str(found)) + "\n")


def _print_result(
    result: Result,
    stored: list[dict[str, Any]],
    places: list[dict[str, list[Place]]] | None,
    channels: list[Lineage] | None,
    as_json: bool,
) -> None:
    if as_json:
        hits = [
            {"doc_id": doc_id, "score": score, "stored": fields}
            for doc_id, score, fields in zip(result.ids, result.scores.tolist(), stored, strict=True)
        ]
        for hit, lineage in zip(hits, channels or [], strict=False):
            hit["channels"] = lineage
        for hit, of in zip(hits, places or [], strict=False):
            hit["highlights"] = {column: [place._asdict() for place in found] for column, found in of.items()}
        answer: dict[str, Any] = {"total": result.total, "took_ms": round(result.took_ms, 3), "hits": hits}
        answer["cursor"] = result.cursor
        answer["notices"] = list(result.notices)
        if result.facets:
            answer["facets"] = {name: dataclasses.asdict(counts) for name, counts in result.facets.items()}
        if result.explanation is not None:
            answer["explanation"] = result.explanation.to_dict()
        sys.stdout.write(to_json(answer) + "\n")
        return
    if places is not None:
        from alicorn.retrieval.highlighting import marked_values

        stored = [fields | marked_values(fields, of, "**", "**") for fields, of in zip(stored, places, strict=True)]
    for at, (doc_id, score, fields) in enumerate(zip(result.ids, result.scores.tolist(), stored, strict=True)):
        shown = "  ".join(f"{name}: {_short(value)}" for name, value in fields.items() if _is_shown(name, value))
        found_by = "" if channels is None else f"  [{', '.join(channels[at])}]"
        sys.stdout.write(f"{score:9.4f}  {doc_id}{found_by}  {shown}\n")
    sys.stdout.write(f"{len(result.ids)} of {result.total} in {result.took_ms:.2f} ms\n")
    for name, counts in result.facets.items():
        sys.stdout.write(f"{name}  {_counts_line(counts)}\n")
    for notice in result.notices:
        log.print(f"note: {notice}")
    if result.explanation is not None:
        sys.stdout.write(f"{result.explanation}\n")


def _counts_line(counts: Counts) -> str:
    """Such as: red: 12, blue: 3 (2 of 40 values, 5 without)."""
    shown = ", ".join(f"{_bucket_name(bucket.value)}: {bucket.count}" for bucket in counts.buckets)
    without = f", {counts.missing} without" if counts.missing else ""
    return f"{shown or '-'} ({len(counts.buckets)} of {counts.num_values} values{without})"


def _bucket_name(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    low, high = value
    if low is None:
        return "all" if high is None else f"below {_end(high)}"
    return f"from {_end(low)}" if high is None else f"{_end(low)} to below {_end(high)}"


def _end(end: Any) -> str:
    return f"{end:.15g}" if isinstance(end, float) else str(end)


def _is_shown(name: str, value: object) -> bool:
    return name not in ("doc_id", "terms") and value is not None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
