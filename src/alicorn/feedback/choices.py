"""What did a searcher choose for which words? Remembered for some days, to know an easy repeat (vertical/selection/).

Filled from the parts of a served log and, click by click, by served_log.py; asked by serving/.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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

    def add_log(self, folder: Path, since_us: int) -> None:
        """The clicks from a time on, in the part files of a served log."""
        since = pc.field("time") >= pa.scalar(since_us, pa.timestamp("us"))
        clicks = _rows(folder / "events", ["search_id", "doc_id", "time"], since & (pc.field("action") == "click"))
        if clicks is None or not len(clicks):
            return
        asked = pc.field("search_id").isin(clicks["search_id"].unique())
        searches = _rows(folder / "searches", ["search_id", "searcher_id", "query"], asked)
        if searches is None:
            return
        rows = clicks.join(searches, "search_id", join_type="inner")
        columns = [rows[name].to_pylist() for name in ("searcher_id", "query", "doc_id")]
        clicked = rows["time"].cast(pa.int64()).to_pylist()
        for searcher_id, query, doc_id, time_us in zip(*columns, clicked, strict=True):
            self.add(searcher_id, query, doc_id, time_us)

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


def _rows(folder: Path, columns: list[str], wanted: pc.Expression) -> pa.Table | None:
    parts = sorted(folder.glob("part-*.parquet"))
    if not parts:
        return None
    return pa.concat_tables([pq.read_table(path, columns=columns, filters=wanted) for path in parts])
