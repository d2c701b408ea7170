"""The practice data, the exact answers, and what users write by hand: the ground that every comparison stands on."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def data(tmp_path: Path):
    from harness.vectors import make

    return make(tmp_path, documents=3000, dim=16)


def test_data_are_unit_vectors_with_the_promised_shares(data) -> None:
    assert data.vectors.shape == (3000, 16)
    np.testing.assert_allclose(np.linalg.norm(data.vectors, axis=1), 1.0, rtol=1e-5)
    assert len(data.postings["c:10%"]) == 300
    assert 200 < len(data.postings["u:10%"]) < 400
    assert data.tags_of(7) == [name for name, documents in data.postings.items() if 7 in documents]
    zipf = [len(data.postings[f"z:{rank}"]) for rank in (0, 1, 9, 99)]
    assert zipf == sorted(zipf, reverse=True)


def test_data_are_seeded_and_kept(data, tmp_path: Path) -> None:
    from harness.vectors import make

    again = make(tmp_path / "again", documents=3000, dim=16)
    np.testing.assert_array_equal(again.vectors, data.vectors)
    assert {name: list_.tolist() for name, list_ in again.postings.items()} == {
        name: list_.tolist() for name, list_ in data.postings.items()
    }
    before = (data.folder / "vectors.npy").stat().st_mtime_ns
    make(data.folder.parent, documents=3000, dim=16)
    assert (data.folder / "vectors.npy").stat().st_mtime_ns == before


def test_correlated_tags_lie_on_one_side_and_the_others_do_not(data) -> None:
    def spread(tag: str) -> float:
        return float(np.linalg.norm(data.vectors[data.postings[tag]].mean(axis=0)))

    assert spread("c:10%") > 2 * spread("u:10%")


def test_filters_and_truth_are_their_definitions(data) -> None:
    from harness.posting_lists import PostingLists
    from harness.workload import Filter, Filters, Request, truth

    filters, lists = Filters(data), PostingLists(data.postings, len(data))
    query = np.array(data.vectors[5])
    scores = data.vectors @ query
    for filter in (
        Filter(all_of=("half",)),
        Filter(all_of=("half", "u:10%")),
        Filter(all_of=("half",), none_of=("u:30%", "z:50")),
        Filter(any_of=("z:1", "t:3", "z:4000")),
    ):
        wanted = [
            document
            for document in range(len(data))
            if (tags := set(data.tags_of(document))) >= set(filter.all_of)
            and not tags & set(filter.none_of)
            and (not filter.any_of or tags & set(filter.any_of))
        ]
        assert filters.documents(filter).tolist() == wanted
        assert lists.documents(filter).tolist() == wanted
        bits = np.unpackbits(lists.combined(filter), bitorder="little")[: len(data)]
        assert np.flatnonzero(bits).tolist() == wanted
        near, within = truth(data, filters, [Request(query, filter, k=5), Request(query, filter, radius=0.6)])
        assert near.tolist() == sorted(wanted, key=lambda document: -scores[document])[:5]
        assert within.tolist() == [document for document in wanted if scores[document] >= 0.4]


def test_tuning_takes_the_cheapest_setting_that_is_good_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import measure
    from harness.measure import tune

    class Ladder:
        """Finds the first `setting` of 10 documents, in as many microseconds more than one."""

        now = 0
        tried: list[int] = []  # noqa: RUF012
        documents = staticmethod(np.arange)

        def ladders(self, requests, exact):
            return [list(range(11))]

        def bind(self, requests, setting):
            self.tried.append(setting)

            def search(i: int) -> int:
                self.now += 1000 * (1 + setting)
                return setting

            return search

    system = Ladder()
    monkeypatch.setattr(measure.time, "process_time_ns", lambda: system.now)
    found = tune(system, [None] * 4, [np.arange(10)] * 4, exact=False, target=0.7)
    assert found is not None
    assert (found.setting, found.recall) == (7, 0.7)
    assert len(system.tried) <= 5
    out_of_reach = tune(system, [None] * 4, [np.arange(20)] * 4, exact=False, target=0.7)
    assert out_of_reach is not None
    assert (out_of_reach.setting, out_of_reach.recall) == (10, 0.5)


def test_in_turns_every_system_answers_every_request_once() -> None:
    from harness.measure import in_turns

    calls = {name: (lambda i, name=name: (name, i)) for name in "abc"}
    for in_a_row in (1, 7):
        measured = in_turns(calls, 20, dict.fromkeys("abc", 1.0), in_a_row)
        for name, one in measured.items():
            assert sorted(one.requests) == list(range(20))
            assert one.answers == [(name, i) for i in one.requests]
    slow = in_turns(calls, 20, {"a": 1.0, "b": 1.0, "c": 1000.0})
    assert len(slow["c"].us) == 2
