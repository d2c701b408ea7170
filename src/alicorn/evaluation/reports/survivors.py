"""How many of the nearest documents survive later stages: MGDSPR's Num_prank and Num_rank.

    retrieved      (nn key :k K), for each vector of a request with several interests
    passed         those that a Boolean expression of the query lets through: the relevance control
    pre-ranked     those of them among the first N by BM25 of all candidates, with what the Boolean engine finds

MGDSPR's control once threw away 30 % of what embeddings retrieved.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alicorn.errors import ConfigError, QueryError
from alicorn.evaluation.metrics.bootstrap import Interval, mean_interval
from alicorn.evaluation.searches import Searches
from alicorn.language.templates import Template, interest_names
from alicorn.language.tree import And, Or
from alicorn.query import Collection
from alicorn.reporting.markdown import table
from alicorn.retrieval.encoder import named_vectors
from alicorn.retrieval.reading.nearest import RECALL, nearest
from alicorn.vertical import Vertical


@dataclass(frozen=True)
class Survivors:
    """Mean numbers of documents for one search, with intervals.

    k: retrieved at most, for each vector. cut: candidates kept."""

    retrieved: Interval
    passed: Interval
    pre_ranked: Interval
    control: str
    k: int
    cut: int

    def to_dict(self) -> dict[str, object]:
        counts = {"retrieved": self.retrieved, "passed": self.passed, "pre_ranked": self.pre_ranked}
        told = {name: [round(x, 6) for x in (i.mean, i.low, i.high)] for name, i in counts.items()}
        return {"control": self.control, "k": self.k, "cut": self.cut, **told}

    def markdown(self) -> str:
        lost = 1 - self.passed.mean / self.retrieved.mean if self.retrieved.mean else float("nan")
        note = (
            f"Documents of one search, means; `{self.control}` throws away {lost:.1%} of what is retrieved, and the"
            f" first {self.cut} candidates by BM25 are kept."
        )
        stages = {"retrieved": self.retrieved, "passed control": self.passed, "pre-ranked": self.pre_ranked}
        rows = [[name, f"{i.mean:.1f} [{i.low:.1f}, {i.high:.1f}]"] for name, i in stages.items()]
        return "\n\n".join(["## Later stages", note, table(["stage", "documents"], rows)]) + "\n"


def control_template(control: str) -> Template:
    """The control as a template (language/templates.py). Raises ConfigError where it is malformed."""
    try:
        return Template.parse(control)
    except QueryError as error:
        raise ConfigError(f"the control is no template of an expression: {error}") from None


def survivors(
    collection: Collection,
    key: str,
    vertical: Vertical,
    searches: Searches,
    request_vectors: np.ndarray,
    control: str,
    k: int = 100,
    cut: int = 100,
    recall: float = RECALL,
) -> Survivors:
    """request_vectors: float32 (searches, dim), or (searches, interests, dim), of unit length. k: retrieved for each.

    control: a template of the query, such as `(or {terms})`. cut: candidates kept by BM25. Raises ConfigError for a
    control that is no template, and QueryError for one that the collection cannot run.
    """
    template = control_template(control)
    interests = interest_names(request_vectors.shape[1]) if request_vectors.ndim == 3 else ()
    near = nearest(key, k, recall, interests)
    most = k * max(1, len(interests))
    passing = [And((vertical.fill(template, query, key), near)) for query in searches.queries]
    candidates = [
        Or((vertical.expression("boolean", query), passed))
        for query, passed in zip(searches.queries, passing, strict=True)
    ]
    vectors = named_vectors(key, request_vectors)
    retrieved = collection.search_many([near] * len(searches), vectors=vectors, limit=most)
    passed = collection.search_many(passing, vectors=vectors, limit=most)
    kept = collection.search_many(candidates, vectors=vectors, limit=cut, order_by="bm25")
    among = [len(set(few.ids) & set(first.ids)) for few, first in zip(passed, kept, strict=True)]
    counts: Mapping[str, list[int]] = {
        "retrieved": [len(result.ids) for result in retrieved],
        "passed": [len(result.ids) for result in passed],
        "pre_ranked": among,
    }
    means = {name: mean_interval(np.array(values, dtype=np.float64)) for name, values in counts.items()}
    return Survivors(**means, control=control, k=k, cut=cut)
