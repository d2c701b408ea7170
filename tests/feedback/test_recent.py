"""The newest searches of a log come first, with their clicks, whether they are in parts or still in a journal."""

import pyarrow as pa

from alicorn.feedback import ServedEvent, ServedLog, ServedSearch
from alicorn.feedback.recent import LoggedSearch, recent_searches


def ask(log, search_id, searcher_id=None, **context):
    log.search(ServedSearch(search_id, log.now_us(), f"query {search_id}", searcher_id, context=context))


def test_parts_and_journals_are_read_the_newest_first(tmp_path):
    with ServedLog(tmp_path, context={"device": pa.string()}) as log, ServedLog(tmp_path) as other:
        assert recent_searches(tmp_path, 10) == []
        ask(log, "a", device="phone")
        log.flush()
        ask(log, "b", "s1")
        clicks = [
            ServedEvent("click", 1, search_id="a", doc_id="d1"),
            ServedEvent("seen", 1, search_id="b", doc_id="d2"),
        ]
        log.events(clicks)
        log.flush()
        ask(other, "c")
        ask(log, "d", device="desk")
        found = recent_searches(tmp_path, 10)
        assert sorted(search.search_id for search in found[:2]) == ["c", "d"]
        assert found[2:] == [
            LoggedSearch("b", "query b", "s1", {}, frozenset()),
            LoggedSearch("a", "query a", None, {"device": "phone"}, frozenset(["d1"])),
        ]
        assert found[:3] == recent_searches(tmp_path, 3)
