"""The logs on disk: the contract of the tables, documented rates, streaming, and wrong engines."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lab.people_properties import clicks_by_rank, log_properties

from alicorn.errors import ConfigError
from alicorn.worlds import PeopleWorld
from alicorn.worlds.people import log_writer
from alicorn.worlds.people.searching.activity import HOUR, ActivityModel
from alicorn.worlds.people.searching.clicks import ClickModel
from alicorn.worlds.people.searching.sessions import PAGE, ask

NUM_SEARCHES = 20_000  # as in conftest.py


def test_impressions_keep_the_contract(world: PeopleWorld, logs: Path) -> None:
    impressions = pq.read_table(logs / "impressions")
    assert impressions.schema == pa.schema(
        [
            ("search_id", pa.string()),
            ("searcher_id", pa.string()),
            ("time", pa.timestamp("us")),
            ("query", pa.string()),
            ("doc_id", pa.string()),
            ("position", pa.int32()),
            ("clicked", pa.bool_()),
        ]
    )
    known = set(world.doc_ids.to_pylist())
    searches: dict[str, list[dict]] = {}
    for row in impressions.to_pylist():
        searches.setdefault(row["search_id"], []).append(row)
    assert len(searches) == NUM_SEARCHES
    for rows in searches.values():
        assert len({(row["searcher_id"], row["time"], row["query"]) for row in rows}) == 1
        assert rows[0]["searcher_id"] in known
        if rows[0]["doc_id"] is None:
            assert [(row["position"], row["clicked"]) for row in rows] == [(None, False)]
        else:
            assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
            assert {row["doc_id"] for row in rows} <= known
            assert len(rows) <= PAGE
    time = impressions["time"].cast(pa.int64()).to_numpy()
    assert (np.diff(time) >= 0).all()
    assert 29.9 * 24 * HOUR < time[-1] - time[0] < 30 * 24 * HOUR


def test_what_was_shown_is_the_answer_of_the_engine(logs: Path, engine: Callable) -> None:
    impressions = pq.read_table(logs / "impressions").slice(0, 2000).to_pylist()
    shown: dict[str, list[str]] = {}
    query: dict[str, str] = {}
    for row in impressions[:-PAGE]:
        query[row["search_id"]] = row["query"]
        shown.setdefault(row["search_id"], []).extend([row["doc_id"]] if row["doc_id"] else [])
    complete = list(shown)[:-1]
    answers = engine([query[search_id] for search_id in complete])
    assert [shown[search_id] for search_id in complete] == [answer[:PAGE] for answer in answers]


def test_segments_and_truth_describe_every_search(world: PeopleWorld, logs: Path) -> None:
    segments, truth = pq.read_table(logs / "segments"), pq.read_table(logs / "truth")
    search_ids = pq.read_table(logs / "impressions")["search_id"].unique()
    assert segments["search_id"].to_pylist() == truth["search_id"].to_pylist() == search_ids.to_pylist()
    shared = world.identities.namesakes() > 0
    number = {doc_id: n for n, doc_id in enumerate(world.doc_ids.to_pylist())}
    for doc_id, segment in zip(truth["doc_id"].to_pylist(), segments["segment"].to_pylist(), strict=True):
        assert ("ambiguous" in segment) == shared[number[doc_id]]
        errors = {"misspelled", "nickname", "missing_word", "extra_word", "swapped"} & set(segment)
        assert ("exact" in segment) == (not errors)
        assert len(set(segment) - errors - {"exact", "ambiguous"}) == 1


def test_failed_searches_are_followed_by_activity(logs: Path) -> None:
    impressions, truth = pq.read_table(logs / "impressions"), pq.read_table(logs / "truth")
    wanted = dict(zip(truth["search_id"].to_pylist(), truth["doc_id"].to_pylist(), strict=True))
    searches = {row["search_id"]: (row["searcher_id"], row["time"]) for row in impressions.to_pylist()}
    clicked = set(impressions.filter(impressions["clicked"])["search_id"].to_pylist())
    activity = pq.read_table(logs / "activity")
    assert set(activity["kind"].to_pylist()) == {"visited", "added"}
    assert (np.diff(activity["time"].cast(pa.int64()).to_numpy()) >= 0).all()
    reached: dict[tuple[str, str], list] = {}
    for row in activity.to_pylist():
        reached.setdefault((row["searcher_id"], row["doc_id"]), []).append(row["time"])

    def later_found(search_id: str) -> bool:
        searcher, time = searches[search_id]
        return any(0 < (t - time).total_seconds() < 86_400 for t in reached.get((searcher, wanted[search_id]), []))

    failed = [search_id for search_id in searches if search_id not in clicked]
    rate = np.mean([later_found(search_id) for search_id in failed])
    assert rate == pytest.approx(ActivityModel().reached, abs=0.03)
    assert np.mean([later_found(search_id) for search_id in clicked]) < 0.05


def test_measured_properties_lie_in_their_bands(world: PeopleWorld, logs: Path) -> None:
    measured = log_properties(world, logs)
    assert 0.55 < measured["searches: exact"] < 0.65
    assert 0.25 < measured["searches without a click (failed)"] < 0.5
    assert measured["searches that showed nothing"] > 0.1
    assert measured["clicks on somebody else"] < 0.03
    chance = measured["wanted among namesakes: by chance"]
    assert measured["wanted among namesakes: nearest social vector"] > chance + 0.15


def test_position_bias_shows_in_the_logs(logs: Path) -> None:
    rate = clicks_by_rank(logs)
    model = ClickModel()
    assert rate[:3] == pytest.approx(model.recognised * model.examination(3), abs=0.08)


def test_the_same_seed_writes_the_same_bytes(engine: Callable, world: PeopleWorld, logs: Path, tmp_path: Path) -> None:
    world.write_logs(tmp_path, NUM_SEARCHES, engine)
    for table in log_writer.TABLES:
        files = sorted(path.name for path in (logs / table).iterdir())
        assert files == sorted(path.name for path in (tmp_path / table).iterdir())
        for name in files:
            assert (logs / table / name).read_bytes() == (tmp_path / table / name).read_bytes()


def test_long_logs_stream_in_parts(
    world: PeopleWorld, engine: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "SEARCHES_PER_SLICE", 300)
    progress: list[tuple[int, int]] = []
    counts = world.write_logs(tmp_path, 1000, engine, progress=lambda done, of: progress.append((done, of)))
    assert progress == [(300, 1000), (600, 1000), (900, 1000), (1000, 1000)]
    assert len(list((tmp_path / "impressions").iterdir())) == 4
    impressions = pq.read_table(tmp_path / "impressions")
    assert (np.diff(impressions["time"].cast(pa.int64()).to_numpy()) >= 0).all()
    assert impressions["search_id"].unique().to_pylist() == [f"s{n:09d}" for n in range(1000)]
    assert counts["searches"] == 1000
    assert counts["shown"] == impressions["position"].drop_null().length()
    assert counts["clicks"] == Counter(impressions["clicked"].to_pylist())[True]
    assert counts["empty"] == impressions["position"].null_count
    activity = pq.read_table(tmp_path / "activity")
    assert counts["follow_ups"] + counts["background"] == activity.num_rows


def test_an_engine_that_breaks_its_contract_is_named() -> None:
    with pytest.raises(ConfigError, match="one answer per query, 2, got 1"):
        ask(lambda queries: [[]], ["a", "b"], 10)
    with pytest.raises(ConfigError, match="'p0000010'"):
        ask(lambda queries: [["p0000003"], ["p0000010"]], ["a", "b"], 10)
    with pytest.raises(ConfigError, match="'someone'"):
        ask(lambda queries: [["p0000003", "someone"]], ["a"], 10)


def test_no_searches_are_refused(world: PeopleWorld, engine: Callable, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        world.write_logs(tmp_path, 0, engine)
    assert not list(tmp_path.iterdir())


def test_logs_are_not_mixed_with_older_ones(world: PeopleWorld, engine: Callable, logs: Path) -> None:
    with pytest.raises(ConfigError, match="documents exists: remove the old logs"):
        world.write_logs(logs, 10, engine)
