"""What did a searcher choose for which words? Remembered for some days, to know an easy repeat (vertical/selection.py).

Filled from tables of `impressions` and, click by click, by served_log.py; asked by serving/.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.text import words

_DAY_US = 86_400_000_000


class Choices:
    """Chosen documents by searcher and words. Times are microseconds since 1970, UTC. One thread at a time."""

    def __init__(self, days: float) -> None:
        """days: how long a choice is remembered."""
        self.days = days
        self._chosen: dict[tuple[str, str], dict[str, int]] = {}  # (searcher, words) -> doc_id -> when last chosen

    def add(self, searcher_id: str | None, query: str, doc_id: str, time_us: int) -> None:
        """A searcher chose a document. Nobody's choices are not remembered."""
        if searcher_id is not None:
            chosen = self._chosen.setdefault((searcher_id, _key(query)), {})
            chosen[doc_id] = max(time_us, chosen.get(doc_id, time_us))

    def add_table(self, impressions: pa.Table, since_us: int) -> None:
        """The clicks of a table of impressions from a time on."""
        times = impressions["time"].cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        rows = impressions.filter(pc.and_(impressions["clicked"], pc.greater_equal(times, since_us)))
        columns = [rows[name].to_pylist() for name in ("searcher_id", "query", "doc_id")]
        clicked = rows["time"].cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
        for searcher_id, query, doc_id, time_us in zip(*columns, clicked, strict=True):
            self.add(searcher_id, query or "", doc_id, time_us)

    def of(self, searcher_id: str | None, query: str, now_us: int, days: float | None = None) -> Sequence[str]:
        """The documents that the searcher chose for these words in the last `days`, at most those remembered."""
        if searcher_id is None:
            return ()
        since = now_us - int((self.days if days is None else min(days, self.days)) * _DAY_US)
        chosen = self._chosen.get((searcher_id, _key(query)), {})
        return [doc_id for doc_id, time_us in chosen.items() if time_us >= since]

    def forget(self, now_us: int) -> None:
        """Drop what is older than `days`."""
        since = now_us - int(self.days * _DAY_US)
        for key, chosen in list(self._chosen.items()):
            kept = {doc_id: time_us for doc_id, time_us in chosen.items() if time_us >= since}
            if kept:
                self._chosen[key] = kept
            else:
                del self._chosen[key]


def _key(query: str) -> str:
    """Case, punctuation and blanks make no other search."""
    return " ".join(words(query))
