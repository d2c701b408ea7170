"""Documents that another engine found come back in the order of the ranker, and its hits are those of a search too."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from asgi_client import Client, refused, search
from ranked_people import save_ranker
from served_people import SEARCHERS, UNIFIED, make_collection

from alicorn.errors import ConfigError
from alicorn.feedback import ServedLog
from alicorn.ranking.ranker import Ranker
from alicorn.serving import create_app


@pytest.fixture(scope="module")
def ranking(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rank")
    with make_collection(folder / "collection") as collection:
        ranker = save_ranker(folder / "ranker")
        with Client(create_app(collection, [UNIFIED], searchers=SEARCHERS, ranker=ranker)) as client:
            yield client


def test_items_come_in_the_order_of_the_forest_and_unknown_ones_last(ranking):
    items = [{"doc_id": one, "score": 5.0 - at} for at, one in enumerate(["p1", "gone", "p3", "p/4"])]
    answer = ranking.post("/v1/rank", json={"text": "john", "searcher": "p3", "items": items})
    assert answer.status_code == 200
    found = answer.json()
    assert [item["doc_id"] for item in found["items"]] == ["p/4", "p3", "p1", "gone"]
    assert [item["position"] for item in found["items"]] == [4, 3, 1, 2]
    assert found["unknown"] == ["gone"]
    first = found["items"][0]
    assert (first["features"]["rank"], first["features"]["same_city"]) == (1.0, 0.0)
    assert found["items"][3]["score"] is None
    assert set(found["items"][3]["features"].values()) == {None}
    searched = {hit["doc_id"]: hit["score"] for hit in search(ranking, text="john", searcher="p3")["hits"]}
    assert {item["doc_id"]: item["score"] for item in found["items"][:3]} == {
        one: searched[one] for one in ("p/4", "p3", "p1")
    }
    nobody = ranking.post("/v1/rank", json={"text": "john", "items": [{"doc_id": "gone"}]}).json()
    assert nobody["unknown"] == ["gone"]


def test_a_search_is_ranked_and_says_what_its_stages_did(ranking):
    answer = search(ranking, text="john", searcher="p3", explain=True)
    assert [hit["doc_id"] for hit in answer["hits"]] == ["p/4", "p3", "p2", "p1"]
    assert [step["expression"] for step in answer["explanation"]["children"]][1:] == ["features", "stage forest"]


def test_an_item_that_comes_twice_is_refused(ranking):
    again = [{"doc_id": "p1"}, {"doc_id": "p1"}]
    assert "a doc_id is given twice" in refused(ranking, path="/v1/rank", text="john", items=again)["detail"]


def test_a_server_without_a_ranker_does_not_rank(client):
    problem = refused(client, path="/v1/rank", text="john", items=[{"doc_id": "p1"}])
    assert "start it with --ranker" in problem["detail"]


def test_a_ranker_needs_a_model(tmp_path):
    with make_collection(tmp_path / "collection") as collection, pytest.raises(ConfigError, match="--model"):
        create_app(collection, ranker=tmp_path)


def test_the_log_has_all_that_the_ranker_read_and_said(tmp_path):
    with make_collection(tmp_path / "collection") as collection, ServedLog(tmp_path / "served") as log:
        ranker, folder = save_ranker(tmp_path / "ranker"), tmp_path / "served"
        with Client(create_app(collection, [UNIFIED], searchers=SEARCHERS, served_log=log, ranker=ranker)) as client:
            found = search(client, text="john", searcher="p3", experiment="forest", arm="b")
    (asked,) = pq.read_table(folder / "searches").to_pylist()
    shown = pq.read_table(folder / "shown").to_pylist()
    assert (asked["experiment"], asked["arm"], asked["total"]) == ("forest", "b", found["total"])
    assert [row["doc_id"] for row in shown] == [hit["doc_id"] for hit in found["hits"]]
    forest = Ranker.load(ranker).forest.score(np.array([row["features"] for row in shown]))
    assert [dict(row["scores"])["forest"] for row in shown] == forest.tolist() == [h["score"] for h in found["hits"]]
    assert dict(shown[0]["scores"]).keys() == {"order", "forest"}
    assert {row["feature_set"] for row in shown} == {Ranker.load(ranker).features.fingerprint()}
    assert asked["known"] == '{"city": "Oslo"}'
    assert [key for key, _ in asked["vectors"]] == ["people"]
    assert (folder / "rankers" / f"{asked['ranker']}.yaml").is_file()


def test_neighbours_are_swapped_as_the_log_says_and_pages_lose_nothing(tmp_path):
    with make_collection(tmp_path / "collection") as collection, ServedLog(tmp_path / "served", swap=0.5) as log:
        ranker = save_ranker(tmp_path / "ranker")
        with Client(create_app(collection, [UNIFIED], searchers=SEARCHERS, served_log=log, ranker=ranker)) as client:
            answers = [search(client, text="john", searcher="p3") for _ in range(20)]
            pages = [search(client, text="john", searcher="p3", limit=2, offset=at)["hits"] for at in (0, 2)]
    order = {"p/4": 1, "p3": 2, "p2": 3, "p1": 4}
    assert {hit["doc_id"] for page in pages for hit in page} == set(order)
    orders = {tuple(hit["doc_id"] for hit in answer["hits"]) for answer in answers}
    assert len(orders) > 1
    forest = Ranker.load(ranker).forest
    for row in pq.read_table(tmp_path / "served" / "shown").to_pylist():
        assert row["rank"] == order[row["doc_id"]]
        assert abs(row["rank"] - row["position"]) <= 1
        assert 0 < row["probability"] < 1
        assert dict(row["scores"])["forest"] == forest.score(np.array([row["features"]]))[0]
