"""Which documents are indexed, and which requests need no `nn`: the `selection` of vertical.yaml (EBR 4.3).

    selection:
      documents:                                             # a document is indexed if it satisfies every rule
        - {kind: recent, column: last_active, days: 30}      # a time, at most so long before the time of publishing
        - {kind: range, column: popularity, min: 5}          # a number, or a date, time or duration (ISO 8601);
                                                             # both ends inclusive, either may be missing
        - {kind: one_of, column: country, values: [US, CA]}  # a string, or a list with any of the values
      requests:                                              # a text becomes `boolean`, not `hybrid`, by any rule
        - {kind: short, characters: 3}                       # fewer letters, marks and digits than that
        - {kind: repeat, days: 30}                           # this searcher chose a document for these words before,
                                                             # and the Boolean expression's first page still shows it
        - {kind: learned, at_most: 0.02, weights: {...}}     # words alone will do: `alicorn tune --gate` says so

Publishing applies the rules to documents and says how many each left out; retrieval applies those of requests. They are
of no part that has to match (parts.py): they may change without mining, training or publishing again.
"""

import datetime
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.config import Config
from alicorn.vertical.columns import Column, read_as
from alicorn.vertical.selection.documents import DocumentRule
from alicorn.vertical.selection.requests import LearnedRule, RepeatRule, RequestRule, Untried


class Selection(Config):
    """The `selection` of a vertical; without rules, every document is indexed and every text asks for neighbours."""

    documents: tuple[DocumentRule, ...] = ()
    requests: tuple[RequestRule, ...] = ()

    @property
    def repeat_days(self) -> float:
        """How long choices must be remembered for the rules; 0 without a rule that asks for them."""
        return max((rule.days for rule in self.requests if isinstance(rule, RepeatRule)), default=0.0)

    def without_learned(self) -> "Selection":
        """The same without the rules that are learned."""
        others = tuple(rule for rule in self.requests if not isinstance(rule, LearnedRule))
        return self.model_copy(update={"requests": others})

    def columns(self) -> Iterator[Column]:
        """The columns of documents that the rules read."""
        for rule in self.documents:
            yield Column(rule.column, rule.type, f"selection.documents, {rule.kind}")

    def refused(self, documents: pa.Table, now: datetime.datetime) -> np.ndarray:
        """int64 (documents,): the number of the first rule of `documents` that refuses it, -1 where all keep it.

        documents: with the columns above, checked. now: with its zone; what `recent` counts back from.
        """
        refused = np.full(len(documents), -1, dtype=np.int64)
        for number, (rule, asked) in enumerate(zip(self.documents, self.columns(), strict=True)):
            column = read_as(documents.select([rule.column]), [asked], "documents")[rule.column]
            satisfied = np.asarray(pc.fill_null(rule.keeps(column, now), False), dtype=bool)
            refused[(refused < 0) & ~satisfied] = number
        return refused

    def untriggered(self, text: str, untried: Untried) -> str | None:
        """The label of the first rule by which this text needs no `nn`; None: it does."""
        return next((rule.label for rule in self.requests if rule.holds(text, untried)), None)
