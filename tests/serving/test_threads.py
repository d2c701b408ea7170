"""Many clients at once: upserts, deletes, searches, clicks and metrics; nothing fails, and nothing is lost."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest
from asgi_client import Client
from served_people import SEARCHERS, TEXT, UNIFIED, make_collection

from alicorn.feedback import ServedLog
from alicorn.serving import create_app

NUM_THREADS = 6
NUM_STEPS = 40
CITIES = ("Oslo", "Bergen")


@pytest.fixture
def switching_often():
    """Threads take turns after ten microseconds: races come out."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def user(client, number):
    """One whose documents no other touches -> (statuses seen, ids that must be there, clicks recorded)."""
    rng = np.random.default_rng(number)
    mine, clicks, statuses = set(), 0, []

    def ask(method, path, **body):
        answer = client.request(method, path, **({"json": body.get("json")} if body else {}))
        statuses.append((method, path, answer.status_code))
        return answer.json() if answer.headers.get("content-type") == "application/json" else answer.text

    for step in range(NUM_STEPS):
        doc_id, city = f"t{number}-{rng.integers(6)}", CITIES[step % 2]
        match rng.integers(6):
            case 0 | 1:
                columns = {"name": f"John {doc_id}", "city": city, "year": step}
                assert ask("POST", "/v1/documents", json=[{"doc_id": doc_id, "columns": columns}])["upserted"] == 1
                mine.add(doc_id)
            case 2:
                assert ask("DELETE", f"/v1/documents/{doc_id}")["deleted"] == (doc_id in mine)
                mine.discard(doc_id)
            case 3:
                asked = {"text": "john smith", "searcher": {"city": city}, "limit": 20, "why": True}
                answer = ask("POST", "/v1/search", json=asked)
                for hit in answer["hits"]:
                    assert hit["doc_id"] in hit["stored"]["name"] or not hit["doc_id"].startswith("t")
                    assert hit["why"]["in_common"].get("city", city) == city
                if answer["hits"]:
                    hit = {"search_id": answer["search_id"], "doc_id": answer["hits"][0]["doc_id"]}
                    ask("POST", "/v1/events", json=[{"action": "click", **hit}])
                    clicks += 1
            case 4:
                assert ask("POST", "/v1/search", json={"expression": "text:john", "limit": 0})["total"] >= 3
            case 5:
                assert "alicorn_documents" in ask("GET", "/metrics")
                ask("GET", "/v1/searchers")
    return statuses, mine, clicks


def test_nothing_fails_and_nothing_is_lost_when_many_write_and_search_at_once(tmp_path, switching_often):
    with make_collection(tmp_path / "collection") as collection, ServedLog(tmp_path / "served") as log:
        app = create_app(collection, [TEXT, UNIFIED], searchers=SEARCHERS, served_log=log)
        with Client(app) as client, ThreadPoolExecutor(NUM_THREADS) as pool:
            users = list(pool.map(lambda number: user(client, number), range(NUM_THREADS)))
        assert [one for statuses, _, _ in users for one in statuses if one[2] not in (200, 204)] == []
        kept = set().union(*(mine for _, mine, _ in users))
        written = [f"t{number}-{i}" for number in range(NUM_THREADS) for i in range(6)]
        assert {doc_id for doc_id in written if collection.get(doc_id)} == kept
        assert len(collection) == 4 + len(kept)
    tables = [
        pq.read_table(tmp_path / "served" / name, columns=["search_id", "doc_id"]) for name in ("events", "shown")
    ]
    events, shown = ({tuple(row.values()) for row in table.to_pylist()} for table in tables)
    assert len(events & shown) == sum(clicks for _, _, clicks in users) > 0
