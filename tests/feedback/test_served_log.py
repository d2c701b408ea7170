"""What was served and reported is in the log once, in the contract's columns, whatever ends the process."""

import datetime
import gc
import os
import shutil
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forked import in_child

from alicorn.errors import AlicornError, CorruptionError
from alicorn.feedback import ServedEvent, ServedLog, ServedSearch, served_log
from alicorn.feedback.served import SEARCHES, SHOWN, packed
from alicorn.logs import mine
from alicorn.vertical import Vertical

START = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)
TIME = START.replace(tzinfo=None)


class Clock:
    """The machine's clock, which may be set, and the seconds that really passed."""

    def __init__(self):
        self.time = START
        self.passed_s = 0.0

    def __call__(self):
        return self.time

    def elapsed_s(self):
        return self.passed_s

    def advance(self, seconds):
        self.set(seconds)
        self.passed_s += seconds

    def set(self, seconds):
        self.time += datetime.timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


def rows(folder, name="searches"):
    files = sorted((folder / name).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def queries(folder):
    return [row["query"] for row in rows(folder)]


def search(log, query, doc_ids=("a",), searcher_id="s1", **further):
    """Log a search that is called by its query."""
    scores = {"order": [0.5] * len(doc_ids)}
    log.search(ServedSearch(query, log.now_us(), query, searcher_id, shown=doc_ids, scores=scores, **further))
    for thread in threading.enumerate():  # that writes parts
        if thread.name == served_log.WRITING:
            thread.join()


def click(log, search_id, doc_id):
    log.events([ServedEvent("click", log.now_us(), search_id=search_id, doc_id=doc_id)])


def clicks(folder):
    return [(row["search_id"], row["doc_id"]) for row in rows(folder, "events")]


def crash(log):
    """What the end of the process does: nothing is written, descriptors are closed."""
    log._journal.release()


def test_a_search_is_a_row_with_one_of_shown_for_each_document(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search(log, "john", ["b", "a"], session_id="v", mode="hybrid", total=7, snapshot=3, first_position=11)
    (asked,) = rows(tmp_path)
    expected = {"search_id": "john", "session_id": "v", "searcher_id": "s1", "time": TIME, "query": "john"}
    assert asked == dict.fromkeys(SEARCHES.names) | expected | {"mode": "hybrid", "total": 7, "snapshot": 3}
    always = dict.fromkeys(SHOWN.names) | {"search_id": "john", "probability": 1.0, "scores": [("order", 0.5)]}
    assert rows(tmp_path, "shown") == [
        always | {"doc_id": "b", "position": 11, "rank": 11},
        always | {"doc_id": "a", "position": 12, "rank": 12},
    ]


def test_what_a_ranker_read_is_logged_to_the_last_bit(tmp_path, clock):
    matrix, vector = np.array([[0.1, np.nan], [1 / 3, -0.0]]), np.array([[0.6, 0.8]], dtype=np.float32)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search(log, "john", ["b", "a"], features=packed(matrix), feature_set="f", vectors={"people": packed(vector)})
        search(log, "mary", ["b"], ranks=[2], probabilities=[0.05], segments=["s"])
        log.describe_ranker("r", lambda: "features: {}")
    first, second, swapped = rows(tmp_path, "shown")
    assert np.array([first["features"], second["features"]]).tobytes() == matrix.tobytes()
    assert rows(tmp_path)[0]["vectors"] == [("people", vector[0].tolist())]
    assert (swapped["features"], swapped["rank"], swapped["probability"], swapped["segment"]) == (None, 2, 0.05, "s")
    assert (tmp_path / "rankers" / "r.yaml").read_text() == "features: {}"


def test_a_search_that_showed_nothing_is_a_row_of_searches_alone(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search(log, "", [], None)
    assert len(rows(tmp_path)) == 1
    assert not (tmp_path / "shown").exists()


def test_an_event_has_what_its_sender_says_whenever_it_comes(tmp_path, clock):
    event = ServedEvent("cart", 5, "e1", "of nobody", "v", "s1", "z", 9.5, 3)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        log.events([event, event])
    written = rows(tmp_path, "events")
    assert written == 2 * [vars(event) | {"time": datetime.datetime(1970, 1, 1, microsecond=5)}]


def test_without_a_search_nothing_is_written_and_nothing_is_left(tmp_path, clock):
    ServedLog(tmp_path, clock, clock.elapsed_s).close()
    assert list(tmp_path.iterdir()) == []


def test_parts_are_written_every_so_often_by_the_clock_that_nobody_sets(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search(log, "old")
        clock.set(10 * 365 * 86_400)
        search(log, "late")
        assert rows(tmp_path) == []
        clock.advance(served_log.PART_S + 1)
        search(log, "new")
        assert queries(tmp_path) == ["old", "late", "new"]
        click(log, "old", "a")
        search(log, "newer")
        assert queries(tmp_path) == ["old", "late", "new"]
    assert queries(tmp_path) == ["old", "late", "new", "newer"]
    assert clicks(tmp_path) == [("old", "a")]


def test_a_part_is_written_when_the_journal_has_many_rows(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(served_log, "PART_ROWS", 5)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        for query in "abc":
            search(log, query, ["x", "y"])
        assert queries(tmp_path) == ["a", "b"]


def test_choices_that_seem_old_by_a_clock_set_forward_are_known_when_it_is_set_back(tmp_path, clock):
    year_s = 365 * 86_400
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        log.remember(30)
        search(log, "john")
        click(log, "john", "a")
        clock.set(year_s)
        clock.advance(served_log.PART_S + 1)
        search(log, "mary")
        assert rows(tmp_path) != []
        assert log.chosen("s1", "john", 30) == []
        clock.set(-year_s)
        assert log.chosen("s1", "john", 30) == ["a"]


def test_choices_of_the_log_that_is_there_are_remembered(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search(log, "John")
        click(log, "John", "a")
        search(log, "none", searcher_id=None)
        click(log, "none", "a")
        click(log, "of nobody", "a")
    clock.advance(86_400)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        assert list(log.chosen("s1", "john", 30)) == []
        log.remember(30)
        assert log.chosen("s1", "john", 30) == ["a"]
        assert log.chosen("s1", "john", 0.5) == []
        log.remember(0.5)
        assert log.chosen("s1", "john", 30) == []


def test_a_crash_loses_no_search_and_no_event(tmp_path, clock):
    query = "jöhn\n\u2028 smith"
    log = ServedLog(tmp_path, clock, clock.elapsed_s)
    search(log, query, ["a", "b"])
    click(log, query, "b")
    crash(log)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        assert (queries(tmp_path), clicks(tmp_path)) == ([query], [(query, "b")])
        click(log, query, "a")
    assert clicks(tmp_path) == [(query, "b"), (query, "a")]
    assert not list(tmp_path.glob("journal-*"))


def test_a_torn_last_line_is_dropped_and_a_damaged_one_is_an_error(tmp_path, clock):
    log = ServedLog(tmp_path, clock, clock.elapsed_s)
    search(log, "whole")
    crash(log)
    (journal,) = tmp_path.glob("journal-*.jsonl")
    with journal.open("ab") as file:
        file.write(b'["search", {"search_id": "x", "to')
    ServedLog(tmp_path, clock, clock.elapsed_s).close()
    assert queries(tmp_path) == ["whole"]
    journal.write_bytes(b'["event", {"doc_id": "a"}]\n')
    for _ in range(2):  # the one that was refused holds nothing
        with pytest.raises(CorruptionError, match=r"journal-\S+ line 1 is neither a search nor an event"):
            ServedLog(tmp_path, clock, clock.elapsed_s)
        gc.collect()


def test_a_crash_while_parts_are_written_doubles_nothing(tmp_path, clock):
    log = ServedLog(tmp_path / "log", clock, clock.elapsed_s)
    search(log, "one")
    click(log, "one", "a")
    (journal,) = (tmp_path / "log").glob("journal-*.jsonl")
    shutil.copy(journal, tmp_path / "kept")
    log.flush()
    search(log, "two")
    crash(log)
    (tmp_path / "kept").rename(journal)  # as if it had not been removed yet
    (tmp_path / "log" / "searches" / f"part-{journal.stem.removeprefix('journal-')}.parquet").unlink()
    ServedLog(tmp_path / "log", clock, clock.elapsed_s).close()
    assert queries(tmp_path / "log") == ["one", "two"]
    assert clicks(tmp_path / "log") == [("one", "a")]


def test_parts_that_cannot_be_written_stay_in_the_journal(tmp_path, clock, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search(log, "one")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            log.flush()
        assert "No space left on device; it stays in the journal" in caplog.text
        assert rows(tmp_path) == []
        search(log, "two")
    assert queries(tmp_path) == ["one", "two"]


def test_several_processes_write_a_folder_and_take_over_what_one_left(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as first:
        search(first, "of the first")
        with ServedLog(tmp_path, clock, clock.elapsed_s) as second:
            search(second, "of the second")
            click(second, "of the first", "a")
        assert queries(tmp_path) == ["of the second"]
        left = ServedLog(tmp_path, clock, clock.elapsed_s)
        search(left, "of one that crashed")
        crash(left)
        ServedLog(tmp_path, clock, clock.elapsed_s).close()
        assert sorted(queries(tmp_path)) == ["of one that crashed", "of the second"]
    assert len(queries(tmp_path)) == 3
    assert clicks(tmp_path) == [("of the first", "a")]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, clock):
    (tmp_path / "file").write_text("")
    with pytest.raises(AlicornError, match="cannot be written"):
        ServedLog(tmp_path / "file", clock, clock.elapsed_s)


FILMS = Vertical.model_validate(
    {
        "name": "films",
        "embedding": "films",
        "document": {
            "features": {"title": {"kind": "text", "column": "title"}},
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {"features": {"text": {"kind": "text", "column": "query"}}},
        "split": {"valid": 0.5},
    }
)


def test_the_mining_of_logs_reads_what_was_served(tmp_path, clock):
    with ServedLog(tmp_path / "log", clock, clock.elapsed_s) as log:
        features = {"features": packed(np.array([[0.1, np.nan], [1 / 3, 2.0]])), "feature_set": "f"}
        search(log, "alien", ["a", "b"], **features)
        clock.advance(5)
        click(log, "alien", "a")
        log.flush()
        search(log, "nothing like it", [], None)
    documents = pa.table({"doc_id": ["a", "b"], "title": ["Alien", "Brazil"]})
    pq.write_table(documents, tmp_path / "log" / "documents.parquet")
    counts = mine(tmp_path / "log", FILMS, tmp_path / "pairs")
    wanted = {"searches": 2, "pairs": 1, "impressions": 2, "non_clicks": 1, "searches_showing_nothing": 1}
    assert {name: counts[name] for name in wanted} == wanted
    assert [name for name in counts if name.startswith(("events_", "shown_of"))] == ["events_read"]
    logged = pq.read_table(tmp_path / "pairs" / "features.parquet")
    assert logged["doc_id"].to_pylist() == ["a", "b"]
    assert logged["features"].to_pylist() == [[0.1, pytest.approx(np.nan, nan_ok=True)], [1 / 3, 2.0]]


def test_odd_events_are_logged_as_they_come_and_counted_by_mine(tmp_path, clock):
    """Of unknown searches, from the future, sent again, before their search, of what was not shown, of nothing."""
    with ServedLog(tmp_path / "log", clock, clock.elapsed_s) as log:
        now = log.now_us()
        future = now + 100 * 365 * 86_400_000_000
        odd = [
            ServedEvent("click", now, "e1", "unknown", searcher_id="s1", doc_id="a"),
            ServedEvent("click", future, "e2", "alien", doc_id="a"),
            ServedEvent("click", future, "e2", "alien", doc_id="a"),
            ServedEvent("click", now - 1, "e3", "alien", doc_id="b"),
            ServedEvent("click", now, "e4", "brazil", doc_id="a"),
            ServedEvent("click", now, "e5", "alien"),
        ]
        log.events(odd)  # before the searches
        search(log, "brazil", ["b"])
        search(log, "alien", ["a", "b"])
    assert len(rows(tmp_path / "log", "events")) == len(odd)
    pq.write_table(pa.table({"doc_id": ["a", "b"], "title": ["Alien", "Brazil"]}), tmp_path / "log/documents.parquet")
    pq.write_table(pa.table({"searcher_id": ["s1"]}), tmp_path / "log/searchers.parquet")
    counts = mine(tmp_path / "log", FILMS, tmp_path / "pairs")
    assert {name: count for name, count in counts.items() if name.startswith("events_")} == {
        "events_read": 6,
        "events_repeated": 1,
        "events_of_unknown_searches": 1,
        "events_of_documents_not_shown": 1,
        "events_before_their_search": 1,
        "events_from_the_future": 1,
        "events_without_document": 1,
    }
    assert sum(count for name, count in counts.items() if name.startswith("pairs_click")) == 2  # a and b of alien


def test_a_forked_child_neither_writes_nor_unlocks_the_log(tmp_path, clock):
    with ServedLog(tmp_path / "log", clock, clock.elapsed_s) as log:
        search(log, "john")
        for use in (lambda: search(log, "x"), lambda: click(log, "john", "a"), log.flush):
            assert "opened by the process that forked this one" in in_child(use)
        assert in_child(log.close) == "None"
        ServedLog(tmp_path / "log", clock, clock.elapsed_s).close()  # would take over a journal without a lock
        assert rows(tmp_path / "log") == []
        click(log, "john", "a")
    assert (queries(tmp_path / "log"), clicks(tmp_path / "log")) == (["john"], [("john", "a")])


def test_a_log_that_is_dropped_or_given_by_a_relative_path_loses_nothing(tmp_path, clock, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    log = ServedLog("log", clock, clock.elapsed_s)
    monkeypatch.chdir(tmp_path / "elsewhere")
    search(log, "john")
    log.flush()
    search(log, "mary")
    del log
    gc.collect()
    with ServedLog(tmp_path / "log", clock, clock.elapsed_s):
        pass
    assert queries(tmp_path / "log") == ["john", "mary"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
