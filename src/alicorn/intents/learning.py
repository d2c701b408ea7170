"""A classifier of intents from pairs: the terms of the documents that were chosen for a query.

An example is a query with the terms of one document that was clicked; what was reached after a failed search is often
of something else. Train teaches. Half of valid calibrates and chooses the
thresholds, the other half says what the classifier is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import ConfigError, TableError
from alicorn.features.kinds.text import text_bags
from alicorn.folders import check_file, whole_file
from alicorn.intents.classifier import SETTINGS, IntentClassifier, prefix_of
from alicorn.intents.thresholds import calibration, thresholds, wilson
from alicorn.intents.vectors import Examples, learned_vectors
from alicorn.pairs import PairsFolder
from alicorn.reporting.markdown import table
from alicorn.vertical import Vertical
from alicorn.vertical.indexing.terms import phrase_terms, value_terms

BUCKETS = 1 << 16
_MOST_TERMS = 5_000
_LEAST = 20  # chosen documents of train that have a term, or nothing is learned of it
_MOST_VALID = 20_000


@dataclass(frozen=True)
class IntentReport:
    """Of pairs of valid that chose nothing. precision: as asked for. terms: learned, of each prefix.

    understood: of each prefix, the pairs whose query has a confident term. allowed: of these, the share whose document
    has such a term, and Wilson's interval of 95 %.
    """

    precision: float
    train_pairs: int
    valid_pairs: int
    terms: dict[str, int]
    understood: dict[str, int]
    allowed: dict[str, tuple[float, float, float]]

    def markdown(self) -> str:
        rows = [
            [
                prefix,
                f"{self.terms[prefix]:,}",
                f"{self.understood[prefix] / self.valid_pairs:.1%}",
                "{:.3f} [{:.3f}, {:.3f}]".format(*self.allowed[prefix]) if self.understood[prefix] else "",
            ]
            for prefix in self.terms
        ]
        note = (
            f"Learned from {self.train_pairs:,} clicks of train; of {self.valid_pairs:,} of valid, which chose nothing,"
            " the share whose query is understood, and of these the share whose document has it (wanted:"
            f" {self.precision:g})."
        )
        return "\n\n".join([note, table(["prefix", "terms", "understood", "allowed"], rows)])

    def to_dict(self) -> dict[str, object]:
        of_prefixes = {
            prefix: {
                "terms": self.terms[prefix],
                "understood": self.understood[prefix],
                "allowed": [round(x, 6) for x in self.allowed[prefix]] if self.understood[prefix] else None,
            }
            for prefix in self.terms
        }
        facts = {"precision": self.precision, "train_pairs": self.train_pairs, "valid_pairs": self.valid_pairs}
        return {**facts, "prefixes": of_prefixes}


def learn_intents(
    pairs: str | Path,
    vertical: Vertical,
    out: str | Path,
    precision: float = 0.95,
    epochs: int = 5,
    seed: int = 0,
    *,
    overwrite: bool = False,
) -> IntentReport:
    """Write the classifier of the prefixes of the vertical's control into a file.

    precision: of the documents that are chosen where a term is confident, the share that has it.
    Raises ConfigError without a control or as `whole_file`, TableError where there is too little to learn from.
    """
    out = Path(out)
    if vertical.control is None:
        raise ConfigError("the vertical has no control: its intents are what is learned")
    check_file(out, overwrite=overwrite)
    folder = PairsFolder(pairs)
    documents = _terms_of_documents(folder, vertical, vertical.control.intents)
    names, train = _frequent(_examples(folder, "train", documents))
    valid = _of_terms(_examples(folder, "valid", documents, seed), names)
    prefixes = np.array([prefix_of(name) for name in names])
    vectors, weights, bias = learned_vectors(train, len(names), BUCKETS, epochs, seed)
    has = valid.dense_labels(np.arange(len(valid)), len(names))
    odds = valid.means(vectors) @ weights.T + bias
    first = np.random.default_rng(seed).permutation(len(valid)) % 2 == 0
    slope, offset = calibration(odds[first], has[first], prefixes)
    chances = 1.0 / (1.0 + np.exp(-(slope * odds + offset)))
    cuts = thresholds(chances[first], has[first], prefixes, precision)
    report = _report(chances[~first] >= cuts, has[~first], prefixes, precision, len(train))
    with whole_file(out, overwrite=overwrite) as place:
        IntentClassifier(tuple(names), vectors, weights, bias, slope, offset, cuts, report.to_dict()).save(place)
    return report


def _terms_of_documents(folder: PairsFolder, vertical: Vertical, prefixes: Sequence[str]) -> pa.Table:
    """doc_id and `terms`, the terms of some prefixes, a row for each document and term."""
    rules = [rule for rule in vertical.document.terms if rule.prefix in prefixes]
    documents = folder.read("documents", list(dict.fromkeys(["doc_id", *(rule.column for rule in rules)])))
    parts = [
        (phrase_terms if rule.kind == "phrase" else value_terms)(documents[rule.column], rule.prefix) for rule in rules
    ]
    return pa.concat_tables(
        [pa.table({"doc_id": documents["doc_id"].take(pa.array(rows)), "term": terms}) for rows, terms in parts]
    )


def _examples(folder: PairsFolder, split: str, documents: pa.Table, seed: int | None = None) -> pa.Table:
    """query and `terms` of each pair of a split. seed: of a sample of at most so many; None: all."""
    chosen = folder.read("pairs", ["query", "doc_id", "split", "source"])
    chosen = chosen.filter(pc.and_(pc.equal(chosen["split"], split), pc.equal(chosen["source"], "click")))
    if not len(chosen):
        raise TableError(f"{folder.folder}: no pair of {split} to learn intents from", table="pairs", column="split")
    if seed is not None and len(chosen) > _MOST_VALID:
        rows = np.random.default_rng(seed).choice(len(chosen), _MOST_VALID, replace=False)
        chosen = chosen.take(pa.array(np.sort(rows)))
    of_document = documents.group_by("doc_id").aggregate([("term", "list")])
    place = pc.index_in(chosen["doc_id"].combine_chunks(), of_document["doc_id"].combine_chunks())
    terms = of_document["term_list"].combine_chunks().take(place)
    return pa.table({"query": chosen["query"], "terms": terms})


def _frequent(pairs: pa.Table) -> tuple[list[str], Examples]:
    """The terms that enough chosen documents have, and the examples of them. Raises TableError where there is none."""
    counts = pc.value_counts(pairs["terms"].combine_chunks().flatten())
    often = counts.filter(pc.greater_equal(counts.field("counts"), _LEAST))
    names = often.field("values").take(pc.sort_indices(often.field("counts"), sort_keys=[("", "descending")]))
    names = sorted(names.to_pylist()[:_MOST_TERMS], key=lambda name: (prefix_of(name), name))
    if not names:
        message = f"no term of control.intents is one of {_LEAST} chosen documents: there is too little to learn from"
        raise TableError(message, table="pairs")
    return names, _of_terms(pairs, names)


def _of_terms(pairs: pa.Table, names: Sequence[str]) -> Examples:
    lists = pairs["terms"].combine_chunks()
    rows = np.asarray(pc.list_parent_indices(lists))
    number = np.asarray(pc.fill_null(pc.index_in(lists.flatten(), pa.array(names, pa.string())), -1))
    known = number >= 0
    starts = np.searchsorted(rows[known], np.arange(len(pairs) + 1))
    bags = text_bags(pairs["query"].combine_chunks().cast(pa.large_string()), BUCKETS, SETTINGS)
    return Examples(np.asarray(bags.indices), np.asarray(bags.offsets), number[known].astype(np.int64), starts)


def _report(
    confident: np.ndarray, has: np.ndarray, prefixes: np.ndarray, precision: float, train_pairs: int
) -> IntentReport:
    """confident, has: bool (pairs, terms)."""
    terms, understood, allowed = {}, {}, {}
    for prefix in dict.fromkeys(prefixes.tolist()):
        here = prefixes == prefix
        some = np.asarray(confident[:, here].any(axis=1))
        right = np.asarray((confident[:, here] & (has[:, here] > 0)).any(axis=1))
        terms[prefix], understood[prefix] = int(here.sum()), int(some.sum())
        share = float(right[some].mean()) if some.any() else float("nan")
        allowed[prefix] = (share, *wilson(share, max(1, int(some.sum())), 1.96))
    return IntentReport(precision, train_pairs, len(has), terms, understood, allowed)
