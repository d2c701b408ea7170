"""Which part of a vertical decides what? Only the part in use has to match: the others may change at any time.

    examples     what `mine` writes: splits, failed searches, context, behaviour, columns of text
    vectors      the features that a model reads, and how texts are read
    documents    what is published beside vectors: terms, the analysis of their words, stored columns, static rank

Expressions, order, control, selection, stop words and synonyms are of a request, and of no part: they act at once. A
part is its keys in the file, each with a fingerprint of its value, so that a message can say which of them differs.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import xxhash

from alicorn.config import Config
from alicorn.text import RULES
from alicorn.vertical.features import Feature, TextFeature
from alicorn.vertical.schema import Vertical

VerticalPart = Mapping[str, str]
"""Key of the file -> fingerprint of its value."""


def of_examples(vertical: Vertical) -> dict[str, str]:
    """Pairs that were mined with an equal part can be learned from."""
    texts = [one.column for one in vertical.document.features.values() if isinstance(one, TextFeature)]
    return _fingerprints(
        {
            "split": vertical.split,
            "unknown_documents": vertical.unknown_documents,
            "actions": vertical.actions,
            "failed_search_window_s": vertical.failed_search_window_s,
            "failed_search_targets": vertical.failed_search_targets,
            "request.context": vertical.request.context,
            "request.behaviour": vertical.request.behaviour,
            "columns of text in document.features": [RULES, *sorted(set(texts))],
        }
    )


def of_vectors(
    vertical: Vertical, requests: Iterable[str] | None = None, documents: Iterable[str] | None = None
) -> dict[str, str]:
    """A model whose part is equal gives the same vectors. requests, documents: the features that it reads; None: all.

    A feature that the vertical does not have is left out, and so differs from one that has it.
    """
    sides: tuple[tuple[str, Mapping[str, Feature], Iterable[str] | None], ...] = (
        ("request", vertical.request.features, requests),
        ("document", vertical.document.features, documents),
    )
    found = {
        f"{side}.features.{name}": features[name]
        for side, features, read in sides
        for name in (features if read is None else read)
        if name in features
    }
    context = {name: name in vertical.request.of_context() for name in vertical.request.features}
    placed = {key: [one, context.get(key.removeprefix("request.features."))] for key, one in found.items()}
    return _fingerprints({**placed, "rules of texts": RULES})


def of_documents(vertical: Vertical) -> dict[str, str]:
    """A collection whose part is equal has the terms and columns that the vertical asks for."""
    of_words = {"analysis": analysis} if (analysis := vertical.analysis_fingerprint()) else {}
    return of_words | _fingerprints(
        {
            "document.terms": vertical.document.terms,
            "document.stored": sorted(vertical.document.stored),
            "document.static_rank": vertical.document.static_rank,
        }
    )


def differing(first: VerticalPart, second: VerticalPart) -> list[str]:
    """The keys that one of them lacks, or whose values differ, sorted."""
    return [key for key in sorted({*first, *second}) if first.get(key) != second.get(key)]


def fingerprint_of(value: Any) -> str:
    """128 bits, as hex, of plain data and configurations."""
    text = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return xxhash.xxh3_128_hexdigest(text.encode())


def _fingerprints(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: fingerprint_of(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
