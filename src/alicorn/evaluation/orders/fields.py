"""Which weights should the fields of BM25F have? One weight after the other, each over a fixed list.

A field is a prefix of terms of words (docs/text.md, "Fields with weights"). Words alone order the hits then, so the
weights do not depend on a model, and hold for texts that are answered without `nn` too. The search begins with BM25 of
the terms as they are, and with all weights at 1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from alicorn.evaluation.metrics.bootstrap import Interval, paired_difference
from alicorn.evaluation.metrics.ranking import ndcg_at
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import any_word
from alicorn.language.order import OrderBy, Part
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Analysis, Vertical
from alicorn.vertical.expressions import BY_WORDS

K = 10
"""Of the NDCG that decides."""
TEXT = "text"
_CHOOSING = 300  # searches: each choice asks the collection again
_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # 0 leaves the field out
_ROUNDS = 2


class FieldTrial(NamedTuple):
    """weights: of the fields, none of them 0; empty for BM25 without fields. value: NDCG of those that choose."""

    weights: dict[str, float]
    value: float


@dataclass(frozen=True)
class FoundFields:
    """weights: the best ones. trials: all that were tried, in their order. order: of words alone, by these weights.

    before, after: NDCG@K of words alone without and with them, on searches that did not choose; gain: the paired
    difference.
    """

    weights: dict[str, float]
    trials: tuple[FieldTrial, ...]
    order: OrderBy
    before: float
    after: float
    gain: Interval

    @property
    def is_worth_having(self) -> bool:
        """Whether words alone are better in these fields beyond chance."""
        return self.gain.low > 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "weights": self.weights,
            "before": self.before,
            "after": self.after,
            "gain": [self.gain.mean, self.gain.low, self.gain.high],
            "trials": [{"weights": one.weights, "ndcg": round(one.value, 6)} for one in self.trials],
        }


def found_fields(retriever: Retriever, choosing: Searches, measuring: Searches) -> FoundFields | None:
    """None where the vertical has no fields, or where no weights are better than none on the searches that choose."""
    vertical = retriever.vertical
    assert vertical is not None, "a text is read by a vertical"
    fields = fields_of(vertical)
    if not fields:
        return None
    rows = np.arange(min(_CHOOSING, len(choosing)))
    some = choosing.take(rows, choosing.targets.take(rows))

    def order(weights: Mapping[str, float]) -> OrderBy:
        if not weights:
            return BY_WORDS
        in_fields = {"bm25": {"fields": dict(weights)}}
        return [in_fields, "static_rank"] if vertical.document.static_rank else in_fields

    def values(searches: Searches, weights: Mapping[str, float]) -> np.ndarray:
        run = any_word(retriever.collection, vertical, searches, K, order(weights)).run
        return ndcg_at(run, searches.targets, K)

    trials = tuple(search_fields(fields, lambda weights: float(np.nanmean(values(some, weights)))))
    best = max(trials, key=lambda one: one.value).weights
    if not best:
        return None
    before, after = values(measuring, {}), values(measuring, best)
    means = float(np.nanmean(before)), float(np.nanmean(after))
    return FoundFields(best, trials, order(best), *means, paired_difference(after, before))


def with_fields(parts: Sequence[Part], weights: Mapping[str, float]) -> tuple[Part, ...]:
    """BM25 of all terms in these fields, the other parts as they are."""
    fields = tuple(sorted(weights.items()))
    return tuple(replace(part, fields=fields) if str(part) == "bm25" else part for part in parts)


def fields_of(vertical: Vertical) -> tuple[str, ...]:
    """The prefixes of words in which the terms of a text can be looked for: those that `text` is analysed like; `text`
    itself where a column of it has no other. Empty where there is nothing to weigh."""
    rules = [rule for rule in vertical.document.terms if rule.kind == "words"]
    own = _of_documents(vertical, TEXT)
    alike = [rule for rule in rules if rule.prefix != TEXT and _of_documents(vertical, rule.prefix) == own]
    columns = {rule.column for rule in rules if rule.prefix == TEXT}
    fields = tuple(dict.fromkeys(rule.prefix for rule in alike))
    if columns - {rule.column for rule in alike}:
        fields += (TEXT,)
    return fields if columns and len(fields) > 1 else ()


def search_fields(fields: Sequence[str], value: Callable[[Mapping[str, float]], float]) -> Iterator[FieldTrial]:
    """Every choice that is tried, the first without fields. value: of weights, what is maximised."""
    yield FieldTrial({}, value({}))
    best = FieldTrial(dict.fromkeys(fields, 1.0), value(dict.fromkeys(fields, 1.0)))
    yield best
    for _ in range(_ROUNDS):
        before = best
        for field in fields:
            now = best.weights
            for weight in _WEIGHTS:
                weights = {name: one for name, one in {**now, field: weight}.items() if one}
                if weights and weight != now.get(field, 0.0):
                    trial = FieldTrial(weights, value(weights))
                    yield trial
                    best = max(best, trial, key=lambda one: one.value)
        if best is before:
            break


def _of_documents(vertical: Vertical, prefix: str) -> Analysis:
    """What decides which terms a document has."""
    of_queries = {"positions": False, "stop_words": (), "synonyms": ()}
    return vertical.analysis.get(prefix, Analysis()).model_copy(update=of_queries)
