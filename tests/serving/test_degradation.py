"""A busy server ranks fewer candidates, then none, then looks at fewer documents; it says so, and off is off."""

import pyarrow.parquet as pq
import pytest
from asgi_client import search
from ranked_people import save_ranker
from served_people import SEARCHERS, UNIFIED, make_collection

from alicorn.feedback import ServedLog
from alicorn.serving.limits.admission import Admission
from alicorn.serving.limits.degradation import step_of

DEGRADE_MS = 5.0
ASKED = {"text": "john", "searcher": "p3"}
LADDER = [[], ["candidates"], ["ranker"], ["ranker", "recall"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("degraded")
    make_collection(folder / "collection").close()
    save_ranker(folder / "ranker")
    (folder / "ranking.yaml").write_text("ranker: ranker\ncandidates: 4\nstages:\n  - {kind: forest}\n")
    return folder


@pytest.fixture
def start_busy(folder, monkeypatch, start):
    """Start a server where a request waits as long as is said -> the client, and what says it in milliseconds."""
    waits = [0.0]
    monkeypatch.setattr(Admission, "wait_s", property(lambda self: waits[0] / 1000.0))

    def started(collection, **options):
        ranking = {"searchers": SEARCHERS, "ranker": folder / "ranking.yaml"}
        return start(collection, [UNIFIED], **ranking, **options), lambda wait_ms: waits.__setitem__(0, wait_ms)

    return started


def test_the_steps_come_one_after_the_other_by_the_wait(collection, start_busy, tmp_path):
    with ServedLog(tmp_path / "served") as log:
        client, wait = start_busy(collection, degrade_ms=DEGRADE_MS, served_log=log)
        answers = []
        for step in range(len(LADDER)):
            wait(step * DEGRADE_MS)
            answers.append(search(client, **ASKED))
        assert [answer["degraded"] for answer in answers] == LADDER
        whole, few, unranked, cheapest = ([hit["doc_id"] for hit in answer["hits"]] for answer in answers)
        assert whole == ["p/4", "p3", "p2", "p1"]  # the forest says the opposite of the static rank
        assert few[1:] != whole[1:]  # one of four candidates is ranked
        assert [hit["score"] for hit in answers[1]["hits"]][1:] == [None] * 3
        assert unranked == [hit["doc_id"] for hit in search(client, **ASKED)["hits"]] != whole
        assert sorted(cheapest) == sorted(whole)
        recalls = [answer["expression"].partition(":recall ")[2][:4] for answer in answers]
        assert recalls == ["0.95", "0.95", "0.95", "0.8)"]
        counted = [line for line in client.get("/metrics").text.splitlines() if "degraded_total{" in line]
        assert 'alicorn_searches_degraded_total{step="candidates"} 1.0' in counted
        log.flush()
        parts = sorted((tmp_path / "served" / "searches").glob("*.parquet"))
        logged = [row for part in parts for row in pq.read_table(part)["degraded"].to_pylist()]
        assert logged[:4] == LADDER


def test_off_means_off(collection, start_busy):
    client, wait = start_busy(collection)
    wait(1000.0)
    assert search(client, **ASKED)["degraded"] == []


def test_an_expression_and_a_search_without_a_wait_are_answered_as_they_are(collection, start_busy):
    client, wait = start_busy(collection, degrade_ms=DEGRADE_MS)
    wait(1000.0)
    assert search(client, expression="text:john")["degraded"] == []
    assert [step_of(wait_s, 5.0) for wait_s in (0.0, 0.0049, 0.005, 0.012, 9.0)] == [0, 0, 1, 2, 3]
