"""Does a feature of documents know what is chosen later? How much better each tells targets in train than in valid.

A count, a rate or a tag that was computed over the log knows the clicks that it was computed from. Such a feature looks
right for those and tells little of later ones. The test is on *first choices*, documents that were not chosen before,
where nothing from the past can tell:

    late train    chosen in a part of train, not in the rest of it
    valid         chosen in valid, not in train

The part is to train what valid is to the searches of both: as large a share, the last searches where the split is by
time, all searches of some queries or searchers where it is by these. Documents that few searches choose are others than
those that many do, and a greater part would have more of the second. Each choice is compared with documents that were
chosen neither before nor then. A feature gives each document a score: a number itself; what the values of an id were
worth before (choices for each document that has one); the likeness of a text to the query. Its AUC is the probability
that a target has the greater score. What is honest tells both alike.
"""

from collections.abc import Mapping
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from alicorn.logs.likeness import likeness
from alicorn.logs.tables import Logs
from alicorn.tables import note, one_chunk, read_table
from alicorn.vertical import Feature, IdFeature, IdsFeature, NumericFeature, Split, TextFeature

TARGETS = 1000
"""First choices of each part, at most."""
_OTHERS = 10  # documents that each of them is compared with
_FEWEST = 30  # first choices, below which nothing is said
_BETTER = 0.1  # in train than in valid
_CHANCE = 0.5
_PARTS = 1000  # of train, by hash
_TOO_WELL = 0.95  # an AUC that no number known before has, in valid


class FirstChoices(NamedTuple):
    """queries: of each choice. targets, others: rows of documents, int64 (n,) and (n, _OTHERS). before: float64, how
    often each document was chosen before."""

    queries: pa.ChunkedArray
    targets: np.ndarray
    others: np.ndarray
    before: np.ndarray


class Told(NamedTuple):
    """AUC of a feature on first choices. deviation: of their difference, at most."""

    train: float
    valid: float
    deviation: float

    @property
    def better(self) -> float:
        """In train than in valid. One that tells valid worse than chance tells it nothing: demand changed."""
        return self.train - max(self.valid, _CHANCE)


def check_leaks(
    logs: Logs, clicks: ibis.Table, searches: ibis.Table, features: Mapping[str, Feature], split: Split
) -> dict[str, Told]:
    """Of each feature of documents with a score, where either part has enough first choices. Notes what looks leaky.

    split: by which valid was held out.
    """
    scored = (NumericFeature, IdFeature, IdsFeature, TextFeature)
    tested = {name: feature for name, feature in features.items() if isinstance(feature, scored)}
    if not tested:
        return {}
    columns = dict.fromkeys(["doc_id", *(feature.column for feature in tested.values())])
    documents = read_table(logs.copies["documents"], "documents", list(columns))
    parts = _first_choices(clicks, searches, one_chunk(documents["doc_id"]), split)
    if any(len(part.targets) < _FEWEST for part in parts):
        return {}
    found = {name: _told(feature, documents, parts) for name, feature in tested.items()}
    for name, told in found.items():
        _note(name, told, isinstance(tested[name], NumericFeature))
    return found


def _note(name: str, told: Told, is_number: bool) -> None:
    if told.better > max(_BETTER, 3 * told.deviation):
        note(
            f"leak? document.features.{name} tells which documents are chosen for the first time with AUC "
            f"{told.train:.3f} in train and {told.valid:.3f} in valid, {told.better:.3f} better: as if it were made of "
            "the clicks of train that it tells (docs/leaks.md)"
        )
    elif is_number and told.valid > _TOO_WELL:
        note(
            f"leak? document.features.{name} tells which documents are chosen for the first time with AUC "
            f"{told.valid:.3f} in valid: as if it were made of the whole log, valid and test included (docs/leaks.md)"
        )


def _first_choices(
    clicks: ibis.Table, searches: ibis.Table, doc_ids: pa.Array, split: Split
) -> tuple[FirstChoices, FirstChoices]:
    """Those of late train and of valid."""
    asked = searches.select("search_id", "searcher_id", "time", "query", "split")
    rows = clicks.select("search_id", "doc_id").join(asked, "search_id")
    train, valid = rows.filter(_.split == "train"), rows.filter(_.split == "valid")
    counts = searches.aggregate(train=(_.split == "train").sum(), valid=(_.split == "valid").sum()).to_pyarrow()
    num_train, num_valid = (counts[name][0].as_py() or 0 for name in ("train", "valid"))
    is_late = _is_late(train, num_valid / max(num_train + num_valid, 1), split)
    late, early = train.filter(is_late), train.filter(~is_late)
    return _choices(late, early, doc_ids), _choices(valid, train, doc_ids)


def _is_late(train: ibis.Table, share: float, split: Split) -> ibis.Value:
    """Which rows of train are of such a share of its searches, held out as the split holds out."""
    if split.by == "time":
        return train.time >= train.aggregate(time=_.time.quantile(1 - share)).time.as_scalar()
    key = ibis.coalesce(train.searcher_id, train.search_id) if split.by == "searcher" else train.query
    return key.hash().abs() % _PARTS < round(share * _PARTS)


def _choices(chosen: ibis.Table, before: ibis.Table, doc_ids: pa.Array) -> FirstChoices:
    counted = before.group_by("doc_id").aggregate(count=_.count()).to_pyarrow()
    counts = np.zeros(len(doc_ids))
    counts[pc.index_in(counted["doc_id"], doc_ids).to_numpy()] = counted["count"].to_numpy()
    first = chosen.anti_join(before, "doc_id").order_by(_.search_id.hash(), "doc_id").limit(TARGETS).to_pyarrow()
    targets = pc.index_in(first["doc_id"], doc_ids).to_numpy().astype(np.int64)
    unchosen = counts == 0
    unchosen[pc.index_in(chosen.select("doc_id").distinct().to_pyarrow()["doc_id"], doc_ids).to_numpy()] = False
    others = np.flatnonzero(unchosen)
    drawn = np.random.default_rng(0).integers(0, max(len(others), 1), (len(targets), _OTHERS))
    targets = targets if len(others) else targets[:0]
    return FirstChoices(first["query"], targets, others[drawn] if len(targets) else drawn[:0], counts)


def _told(feature: Feature, documents: pa.Table, parts: tuple[FirstChoices, FirstChoices]) -> Told:
    """A feature that tells train the other way round, as a price may, is turned."""
    train, valid = (_auc(*_scores(feature, documents, part)) for part in parts)
    deviation = sum(_variance(auc, part) for auc, part in zip((train, valid), parts, strict=True)) ** 0.5
    return Told(train, valid, deviation) if train >= 0.5 else Told(1 - train, 1 - valid, deviation)


def _variance(auc: float, part: FirstChoices) -> float:
    """An upper bound, whatever the two distributions are (Bamber, 1975); of half a choice more on either side."""
    return (auc * (1 - auc) + 0.25 / len(part.targets)) / len(part.targets)


def _scores(feature: Feature, documents: pa.Table, part: FirstChoices) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the targets, (n,), and of the others, (n, _OTHERS)."""
    match feature:
        case NumericFeature():
            values = pc.fill_null(documents[feature.column].cast(pa.float64(), safe=False), -np.inf).to_numpy()
            return values[part.targets], values[part.others]
        case IdFeature() | IdsFeature():
            worth = _worth(one_chunk(documents[feature.column]), part.before)
            return worth[part.targets], worth[part.others]
        case TextFeature():
            return _likeness(documents.select(["doc_id", feature.column]), part)
    raise AssertionError(feature)


def _worth(column: pa.Array, before: np.ndarray) -> np.ndarray:
    """float64 (documents,): how often a document of the same value was chosen before; of several values the mean."""
    lists = pa.types.is_list(column.type)
    rows = pc.list_parent_indices(column).to_numpy() if lists else np.arange(len(column))
    values = pc.fill_null((column.flatten() if lists else column).dictionary_encode().indices, -1).to_numpy() + 1
    documents = np.bincount(values)
    rate = np.bincount(values, before[rows], len(documents)) / np.maximum(documents, 1)
    rate[0] = 0.0  # of no value
    worth: np.ndarray = np.bincount(rows, rate[values], len(column)) / np.maximum(
        np.bincount(rows, minlength=len(column)), 1
    )
    return worth


def _likeness(texts: pa.Table, part: FirstChoices) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate([part.targets[:, None], part.others], axis=1)
    queries = part.queries.take(pa.array(np.repeat(np.arange(len(rows)), rows.shape[1])))
    found = likeness(queries, texts["doc_id"].take(pa.array(rows.ravel())), texts).reshape(rows.shape)
    return found[:, 0], found[:, 1:]


def _auc(targets: np.ndarray, others: np.ndarray) -> float:
    """Probability that a target has the greater score than another document; a tie counts half."""
    ordered = np.sort(others, axis=None)
    below, up_to = (np.searchsorted(ordered, targets, side) for side in ("left", "right"))
    return float(np.mean(below + up_to) / (2 * len(ordered)))
