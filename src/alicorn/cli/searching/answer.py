"""An answer on standard output: how the text was read, hits, counts, explanations; for people or as JSON."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alicorn.query import Result
    from alicorn.query.any_collection import AnyCollection
    from alicorn.query.facets import Counts
    from alicorn.retrieval.channels import Lineage
    from alicorn.retrieval.highlighting import Place
    from alicorn.retrieval.request import Request

WIDEST = 80  # characters of a stored value in the list of hits


def print_reading(request: Request) -> None:
    """How the text was read."""
    for notice in request.notices:
        log.print(f"note: {notice}")
    for intent in request.intents:
        by = f"named by '{intent.words}'" if intent.words else f"learned, {intent.probability:.2f}"
        log.print(f"understood: {intent.term} ({by})")


def print_reason(collection: AnyCollection, request: Request, doc_id: str, as_json: bool) -> None:
    """Why a document is in the result, or not. Raises ConfigError for an id that the collection does not have."""
    found = collection.explain(request.expression, doc_id, vectors=request.vectors)
    if found is None:
        raise ConfigError(f"--why: the collection has no document {doc_id!r}")
    sys.stdout.write((to_json(found.to_dict()) if as_json else str(found)) + "\n")


def print_result(
    result: Result,
    stored: list[dict[str, Any]],
    places: list[dict[str, list[Place]]] | None,
    channels: list[Lineage] | None,
    notices: Sequence[str],
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
        answer["notices"] = list(notices)
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
    for notice in notices:
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
