"""`alicorn evaluate` of a model fused by attention: how much each channel counts, also by the length of the query.

Que2Search reports about 0.64 for its transformer and 0.36 for trigrams over all queries, with trigrams
ahead for short queries. The weights are those of the softmax over channels: towers/fusions/.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alicorn.evaluation.searches import Searches
from alicorn.reporting.markdown import table
from alicorn.text import words
from alicorn.towers import AnyModel, Model

_LONGEST = 5  # words; a longer query counts as one of so many
_SAMPLE = 10_000  # documents


@dataclass(frozen=True)
class ChannelWeights:
    """Mean weights. requests: group of searches -> (how many, channel -> weight); the first group is all of them.
    documents: channel -> weight. A side that is not fused by attention is empty."""

    requests: Mapping[str, tuple[int, Mapping[str, float]]]
    documents: Mapping[str, float]

    def to_dict(self) -> dict[str, object]:
        groups = {name: {"searches": count, **means} for name, (count, means) in self.requests.items()}
        return {"requests": groups, "documents": dict(self.documents)}

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the requests' table."""
        channels = list(next(iter(self.requests.values()))[1])
        rows = [
            [name, f"{count:,}", *(f"{means[channel]:.3f}" for channel in channels)]
            for name, (count, means) in self.requests.items()
        ]
        return ["requests", "searches", *channels], rows

    def markdown(self) -> str:
        note = "Mean weight of each channel in the attention that fuses them; each row of weights sums to 1."
        parts = ["## Weights of the channels", note]
        if self.requests:
            parts.append(table(*self.rows()))
        if self.documents:
            parts.append(table(["", *self.documents], [["documents", *(f"{x:.3f}" for x in self.documents.values())]]))
        return "\n\n".join(parts) + "\n"


def channel_weights(model: AnyModel, searches: Searches) -> ChannelWeights | None:
    """Over the sampled searches and at most 10,000 documents of the corpus. None: the model has no such weights."""
    if not isinstance(model, Model):
        return None
    requests = model.request_weights(searches.requests)
    documents = model.document_weights(searches.documents.slice(0, _SAMPLE))
    if requests is None and documents is None:
        return None
    return ChannelWeights(
        {} if requests is None else _groups(requests, searches.queries),
        {} if documents is None else _means(documents, np.ones(min(len(searches.documents), _SAMPLE), dtype=bool)),
    )


def _groups(weights: Mapping[str, np.ndarray], queries: list[str]) -> dict[str, tuple[int, dict[str, float]]]:
    lengths = np.array([min(len(words(query)), _LONGEST) for query in queries])
    masks = {"all": np.ones(len(queries), dtype=bool)}
    for length in np.unique(lengths):
        name = f"{length} words or more" if length == _LONGEST else f"{length} word{'s' if length != 1 else ''}"
        masks[name] = lengths == length
    return {name: (int(mask.sum()), _means(weights, mask)) for name, mask in masks.items()}


def _means(weights: Mapping[str, np.ndarray], mask: np.ndarray) -> dict[str, float]:
    return {channel: round(float(values[mask].mean()), 6) for channel, values in weights.items()}
