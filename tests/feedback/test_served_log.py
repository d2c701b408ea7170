"""What was served and clicked is in the log once, in the contract's columns, whatever ends the process."""

import datetime
import gc
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forked import in_child

from alicorn.errors import AlicornError, CorruptionError
from alicorn.feedback import ServedLog, served_log
from alicorn.logs import read_logs
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


def rows(folder):
    files = sorted((folder / "impressions").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def shown(folder):
    return [(row["query"], row["doc_id"], row["clicked"]) for row in rows(folder)]


def crash(log):
    """What the end of the process does: nothing is written, descriptors are closed."""
    log._lock_file.release()
    log._journal._file.close()


def test_a_search_is_one_row_per_shown_document_with_its_clicks(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search_id = log.search("s1", "john", ["b", "a"], "hybrid")
        assert log.click(search_id, "a")
        assert log.click(search_id, "a")
    common = {"search_id": search_id, "searcher_id": "s1", "time": TIME, "query": "john", "source": "hybrid"}
    assert rows(tmp_path) == [
        {**common, "doc_id": "b", "position": 1, "clicked": False},
        {**common, "doc_id": "a", "position": 2, "clicked": True},
    ]


def test_a_search_that_showed_nothing_is_one_row_without_document(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        log.search(None, "", [], "boolean")
    (row,) = rows(tmp_path)
    assert (row["searcher_id"], row["doc_id"], row["position"], row["clicked"]) == (None, None, None, False)


@pytest.mark.parametrize("wrong", [("nobody", "a"), ("", "z")])
def test_a_click_on_what_was_not_shown_is_not_logged(tmp_path, clock, wrong):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search_id = log.search("s1", "john", ["a"], "hybrid")
        assert not log.click(wrong[0] or search_id, wrong[1])
    assert shown(tmp_path) == [("john", "a", False)]


def test_without_a_search_nothing_is_written_but_the_empty_journal(tmp_path, clock):
    ServedLog(tmp_path, clock, clock.elapsed_s).close()
    assert rows(tmp_path) == []


def test_a_part_holds_the_searches_whose_time_for_clicks_is_over(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        log.search("s1", "old", ["a"], "hybrid")
        clock.advance(served_log.CLICK_WINDOW_S - 60)
        late = log.search("s1", "late", ["a"], "hybrid")
        assert rows(tmp_path) == []
        clock.advance(served_log.PART_S + 1)
        log.search("s1", "new", ["a"], "hybrid")
        assert shown(tmp_path) == [("old", "a", False)]
        assert log.click(late, "a")
    assert shown(tmp_path) == [("old", "a", False), ("late", "a", True), ("new", "a", False)]


@pytest.mark.parametrize("jump_s", [10 * 365 * 86_400, -10 * 365 * 86_400])
def test_a_clock_that_is_set_closes_no_search_early_and_keeps_none_open_longer(tmp_path, clock, jump_s):
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        search_id = log.search("s1", "john", ["a"], "hybrid")
        clock.set(jump_s)
        clock.advance(served_log.PART_S + 1)
        log.search("s1", "mary", ["b"], "hybrid")
        assert rows(tmp_path) == []
        assert log.click(search_id, "a")
        clock.set(-jump_s)
        clock.advance(served_log.CLICK_WINDOW_S)
        log.search("s1", "new", ["c"], "hybrid")
        assert shown(tmp_path) == [("john", "a", True), ("mary", "b", False)]


@pytest.mark.parametrize("jump_s", [86_400, -86_400])
def test_what_an_earlier_process_left_open_waits_anew_whatever_the_clock_says(tmp_path, clock, jump_s):
    log = ServedLog(tmp_path, clock, clock.elapsed_s)
    search_id = log.search("s1", "john", ["a"], "hybrid")
    crash(log)
    clock.set(jump_s)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        clock.advance(served_log.PART_S + 1)
        log.search("s1", "mary", ["b"], "hybrid")
        assert log.click(search_id, "a")


def test_choices_that_seem_old_by_a_clock_set_forward_are_known_when_it_is_set_back(tmp_path, clock):
    year_s = 365 * 86_400
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        log.remember(30)
        log.click(log.search("s1", "john", ["a"], "hybrid"), "a")
        clock.set(year_s)
        clock.advance(served_log.CLICK_WINDOW_S)
        log.search("s1", "mary", ["b"], "hybrid")
        assert rows(tmp_path) != []
        assert log.chosen("s1", "john", 30) == []
        clock.set(-year_s)
        assert log.chosen("s1", "john", 30) == ["a"]


def test_open_rows_are_bounded(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(served_log, "MAX_OPEN_ROWS", 5)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        for query in "abcd":
            log.search("s1", query, ["x", "y"], "hybrid")
            assert log._num_open_rows <= 5
        assert [query for query, _, _ in shown(tmp_path)] == ["a", "a", "b", "b"]
    assert [query for query, _, _ in shown(tmp_path)] == [query for query in "abcd" for _ in range(2)]


def test_a_crash_loses_no_search_and_no_click(tmp_path, clock):
    log = ServedLog(tmp_path, clock, clock.elapsed_s)
    search_id = log.search("s1", "jöhn\n\u2028 smith", ["a", "b"], "hybrid")
    log.click(search_id, "b")
    crash(log)
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        assert log.click(search_id, "a")
        log.search("s1", "next", ["c"], "hybrid")
    query = "jöhn\n\u2028 smith"
    assert shown(tmp_path) == [(query, "a", True), (query, "b", True), ("next", "c", False)]


def test_a_torn_last_event_is_dropped_and_a_damaged_one_is_an_error(tmp_path, clock):
    log = ServedLog(tmp_path, clock, clock.elapsed_s)
    log.search("s1", "whole", ["a"], "hybrid")
    crash(log)
    (journal,) = tmp_path.glob("open-*.jsonl")
    with journal.open("ab") as file:
        file.write(b'["search", "x", null, 5, "to')
    ServedLog(tmp_path, clock, clock.elapsed_s).close()
    assert shown(tmp_path) == [("whole", "a", False)]
    (journal,) = tmp_path.glob("open-*.jsonl")
    journal.write_bytes(b'["click", "nobody", "a"]\n')
    with pytest.raises(CorruptionError, match=r"open-\d+\.jsonl line 1 is no event"):
        ServedLog(tmp_path, clock, clock.elapsed_s)


@pytest.mark.parametrize("point", ["part written", "new journal written"])
def test_a_crash_while_a_part_is_written_doubles_nothing(tmp_path, clock, point):
    folder, copy = tmp_path / "log", tmp_path / "copy"
    log = ServedLog(folder, clock, clock.elapsed_s)
    log.search("s1", "one", ["a"], "hybrid")
    log.search("s1", "two", ["b"], "hybrid")
    shutil.copytree(folder, copy)
    (journal,) = copy.glob("open-*.jsonl")
    old = journal.read_bytes()
    log.flush()
    log.search("s1", "three", ["c"], "hybrid")
    crash(log)
    if point == "part written":
        for path in folder.glob("open-*.jsonl"):
            path.unlink()
    (folder / journal.name).write_bytes(old)
    ServedLog(folder, clock, clock.elapsed_s).close()
    expected = ["one", "two"] if point == "part written" else ["one", "two", "three"]
    assert [query for query, _, _ in shown(folder)] == expected


def test_one_process_writes_a_folder(tmp_path, clock):
    with ServedLog(tmp_path, clock, clock.elapsed_s), pytest.raises(AlicornError, match="another server is writing it"):
        ServedLog(tmp_path, clock, clock.elapsed_s)
    ServedLog(tmp_path, clock, clock.elapsed_s).close()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, clock):
    (tmp_path / "file").write_text("")
    with pytest.raises(AlicornError, match="cannot be written"):
        ServedLog(tmp_path / "file", clock, clock.elapsed_s)


def test_the_mining_of_logs_reads_what_was_served(tmp_path, clock):
    vertical = Vertical.model_validate(
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
    with ServedLog(tmp_path, clock, clock.elapsed_s) as log:
        log.click(log.search("s1", "alien", ["a", "b"], "hybrid"), "a")
        log.flush()
        clock.advance(5)
        log.search(None, "nothing like it", [], "hybrid")
    pq.write_table(pa.table({"doc_id": ["a", "b"], "title": ["Alien", "Brazil"]}), tmp_path / "documents.parquet")
    with read_logs(tmp_path, vertical) as logs:
        assert logs.counts["impressions"] == 3
        assert logs.impressions.filter(logs.impressions.clicked).doc_id.to_pyarrow().to_pylist() == ["a"]


def test_a_forked_child_neither_writes_nor_unlocks_the_log(tmp_path, clock):
    with ServedLog(tmp_path / "log", clock, clock.elapsed_s) as log:
        search_id = log.search("s1", "john", ["a"], "hybrid")
        for use in (lambda: log.search("s1", "x", ["b"], "hybrid"), lambda: log.click(search_id, "a"), log.flush):
            assert "opened by the process that forked this one" in in_child(use)
        assert in_child(log.close) == "None"
        with pytest.raises(AlicornError, match="another server is writing it"):
            ServedLog(tmp_path / "log", clock, clock.elapsed_s)
        assert log.click(search_id, "a")
    assert shown(tmp_path / "log") == [("john", "a", True)]


def test_a_log_that_is_dropped_or_given_by_a_relative_path_loses_nothing(tmp_path, clock, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    log = ServedLog("log", clock, clock.elapsed_s)
    monkeypatch.chdir(tmp_path / "elsewhere")
    log.search("s1", "john", ["a"], "hybrid")
    log.flush()
    log.search("s1", "mary", ["b"], "hybrid")
    del log
    gc.collect()
    with ServedLog(tmp_path / "log", clock, clock.elapsed_s):
        pass
    assert shown(tmp_path / "log") == [("john", "a", False), ("mary", "b", False)]
    assert list((tmp_path / "elsewhere").iterdir()) == []
