"""The scores of given documents by one key of an order: a weighted sum of parts, each on its scale, or a fusion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from alicorn.index import EmbeddingBlock, SegmentView
from alicorn.language import tree
from alicorn.language.order import Part, RankFusion, Sum
from alicorn.language.prepared import Prepared, nearest_to
from alicorn.query.nn.nearest import exact_cosines
from alicorn.query.order.neighbours import shares
from alicorn.query.order.ordinals import ordinals_of
from alicorn.query.run import Execution
from alicorn.query.text.bm25 import scores_of
from alicorn.query.text.bm25f import scores_by_fields
from alicorn.query.text.spellings import add_spellings

_LARGEST = 1e300  # of a part: sums of them stay finite


def scores_by(
    evaluation: Execution, prepared: Prepared, key: Sum | RankFusion, numbers: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """(n,) float64 of each segment. numbers: ascending, of each segment; of a fusion, all hits.

    For a document without the embedding, nn alone is -inf; in a sum it is -1, since -inf would hide the other scores.
    A number that a document does not have counts as 0.
    """
    if isinstance(key, RankFusion):
        return _fused(evaluation, prepared, key, numbers)
    scores = [np.zeros(len(part), dtype=np.float64) for part in numbers]
    for part in key.parts:
        missing = 0.0 if part.kind != "nn" else -np.inf if key.parts == (Part("nn", part.of),) else -1.0
        for at, own in enumerate(_parts(evaluation, prepared, part, numbers)):
            with np.errstate(over="ignore"):  # what is too large is cut
                weighted = part.weight * part.on_scale(np.where(np.isnan(own), missing, own))
            if missing != -np.inf:
                weighted = np.minimum(np.maximum(weighted, -_LARGEST), _LARGEST)  # in less time than np.clip
            scores[at] += weighted
    return scores


def terms_of(part: Part, prepared: Prepared) -> list[str]:
    """The terms of a BM25 part, sorted: all that the expression scores, or those of one prefix."""
    terms = prepared.scored_terms
    return [term for term in terms if term.startswith(f"{part.of}:")] if part.of else terms


def fuzzy_of(part: Part, prepared: Prepared) -> list[tree.Fuzzy]:
    """The fuzzy terms of a BM25 part."""
    fuzzy = prepared.scored_fuzzy
    return [node for node in fuzzy if node.term.startswith(f"{part.of}:")] if part.of else fuzzy


def nns_of(part: Part, prepared: Prepared) -> tuple[tree.Nn, ...]:
    """Those whose vectors an nn part compares with."""
    return nearest_to(prepared, part.of) if part.of else prepared.nearest_to


def _fused(
    evaluation: Execution, prepared: Prepared, fusion: RankFusion, numbers: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """weight / (k + rank), summed; the rank is 1 and the number of given documents that have more of the part."""
    if not numbers:
        return []
    scores = np.zeros(sum(map(len, numbers)))
    for part in fusion.parts:
        own, has = _of_hits(evaluation, prepared, part, numbers)
        rising = evaluation.of_all_hits(part, np.sort(own[has]))
        ranks = 1 + len(rising) - np.searchsorted(rising, own[has], side="right")
        scores[has] += part.weight / (fusion.k + ranks)
    return np.split(scores, np.cumsum(list(map(len, numbers)))[:-1])


def rising_of(evaluation: Execution, prepared: Prepared, part: Part, numbers: Sequence[np.ndarray]) -> np.ndarray:
    """What the hits that have any have of a part of a fusion, ascending: (n,) float64."""
    own, has = _of_hits(evaluation, prepared, part, numbers)
    return np.sort(own[has])


def _of_hits(
    evaluation: Execution, prepared: Prepared, part: Part, numbers: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """What each hit of all segments has of a part, and the places of those that have any."""
    own = np.concatenate([np.empty(0), *_parts(evaluation, prepared, part, numbers)])
    return own, np.flatnonzero((own > 0.0) if part.kind in ("bm25", "phrase") else ~np.isnan(own))


def _parts(evaluation: Execution, prepared: Prepared, part: Part, numbers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What each document has of one part, before weight and scale; NaN where it has none."""
    views = evaluation.snapshot.segments
    match part.kind:
        case "static_rank":
            return [view.segment.static_rank[own].astype(np.float64) for view, own in zip(views, numbers, strict=True)]
        case "bm25":
            return _bm25(evaluation, prepared, part, numbers)
        case "phrase":
            return shares(evaluation.snapshot, prepared.root, part, numbers)
        case "column":
            kind = evaluation.snapshot.columns[part.of]
            return [_values(view, part.of, kind)[own] for view, own in zip(views, numbers, strict=True)]
    nns = nns_of(part, prepared)
    probes = [evaluation.complete_probe(nn) for nn in nns]
    return [
        np.max([_cosines(view.segment.embeddings.get(nns[0].key), probe.query, own) for probe in probes], axis=0)
        for view, own in zip(views, numbers, strict=True)
    ]


def _bm25(evaluation: Execution, prepared: Prepared, part: Part, numbers: Sequence[np.ndarray]) -> list[np.ndarray]:
    snapshot, terms = evaluation.snapshot, terms_of(part, prepared)
    if part.fields:
        scores = scores_by_fields(snapshot, terms, part.fields, numbers)
    else:
        scores = scores_of(snapshot, terms, numbers)
    for node in fuzzy_of(part, prepared):
        add_spellings(snapshot, node, evaluation.expansion(node), part.fields, numbers, scores)
    return scores


def _values(view: SegmentView, name: str, kind: pa.DataType) -> np.ndarray:
    """A stored column of numbers, for all documents of a segment: (n,) float64, cut to what sums can hold."""
    ordinals = ordinals_of(view.segment, name, kind)
    known = ordinals.values.cast(pa.float32()) if pa.types.is_float16(ordinals.values.type) else ordinals.values
    values = np.append(known.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.nan)
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST)[ordinals.numbers])


def _cosines(block: EmbeddingBlock | None, query: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Exact cosines (n,) float64; NaN without the embedding."""
    cosines = np.full(len(numbers), np.nan)
    if block is None:
        return cosines
    rows = block.rows_of[numbers]
    has = rows >= 0
    cosines[has] = exact_cosines(block, query, rows[has])
    return cosines
