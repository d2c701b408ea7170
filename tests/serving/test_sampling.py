"""Some searches are answered again exactly, in the background and within a budget; the metrics show what was found."""

import time

from asgi_client import search
from served_people import SEARCHERS, UNIFIED

from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.serving import sampling
from alicorn.serving.api.messages import SearchRequest
from alicorn.serving.api.search_endpoint import AnsweredSearch
from alicorn.serving.background import Background
from alicorn.serving.metrics import Metrics
from alicorn.serving.sampling import RecallSample


def value(client, name):
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def until(client, name, expected):
    for _ in range(1000):
        if value(client, name) == expected:
            return
        time.sleep(0.005)
    raise AssertionError(f"{name} is {value(client, name)}, and not {expected}")


def test_recall_plans_and_work_of_sampled_searches_are_shown(client, monkeypatch):
    monkeypatch.setattr(sampling, "BUDGET", 1e9)  # no rest
    search(client, text="john", searcher="p3")
    until(client, "alicorn_sampled_recall_count", 1)
    until(client, "alicorn_sampled_documents_scanned_count", 1)
    assert value(client, "alicorn_sampled_recall_sum") == 1.0
    assert value(client, "alicorn_sampled_plans_total") >= 1
    search(client, expression="text:john")  # has nothing approximate
    search(client, text="smith", searcher="p3")
    until(client, "alicorn_sampled_recall_count", 2)


def test_the_thread_rests_after_a_sample(client, monkeypatch):
    monkeypatch.setattr(sampling, "BUDGET", 1e-9)
    search(client, text="john", searcher="p3")
    until(client, "alicorn_sampled_documents_scanned_count", 1)
    for _ in range(20):
        search(client, text="john", searcher="p3")
    assert value(client, "alicorn_sampled_recall_count") == 1


def test_what_is_lost_is_seen(collection):
    """A served answer that lacks two of the four nearest has half of the exact one."""
    metrics, background = Metrics(collection), Background()
    retriever = Retriever(collection, [UNIFIED], Searchers(UNIFIED.vertical, SEARCHERS))
    request = retriever.request(text="john", searcher="p3", mode="embedding")
    result = retriever.search(request)
    result._ids = result.ids[:2]
    asked = AnsweredSearch(SearchRequest(text="john"), retriever, request, result, (0.0, 0.0, 0.0))
    RecallSample(metrics, background).see(asked)
    background.wait()
    assert b"alicorn_sampled_recall_sum 0.5" in metrics.text()


def test_stages_and_segments_are_counted(client):
    search(client, text="john", searcher="p3")
    for stage in ("read", "engine", "answer"):
        assert value(client, f'alicorn_search_stage_seconds_count{{stage="{stage}"}}') == 1
    assert value(client, "alicorn_segments_in_memory") == 1
    assert value(client, "alicorn_segments ") == 0
    assert value(client, "alicorn_refresh_age_seconds") == 0
