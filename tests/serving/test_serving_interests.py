"""Several interests of a searcher behind the API: those of a model, one `nn` for each; and regions from a table."""

import numpy as np
import pyarrow as pa
import pytest
from asgi_client import Client
from served_people import SEARCHERS, UNIFIED, VERTICAL, Model, make_collection

from alicorn.errors import ConfigError
from alicorn.retrieval.searchers import Searchers
from alicorn.serving import create_app
from alicorn.vertical import Vertical


class Torn(Model):
    """One interest in the words, one in the city."""

    num_interests = 2

    def encode_interests(self, table):
        nothing = table.set_column(table.column_names.index("query"), "query", [[""] * len(table)])
        return np.stack([Model(self.key, personal=False).encode_requests(table), self.encode_requests(nothing)], axis=1)


TORN = Torn("people", personal=True)


@pytest.fixture
def client(tmp_path):
    with (
        make_collection(tmp_path / "c", [TORN]) as collection,
        Client(create_app(collection, [TORN], searchers=SEARCHERS)) as started,
    ):
        yield started


def search(client, **request):
    answer = client.post("/v1/search", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_interest_is_looked_for_and_the_hits_are_one_list(client):
    answer = search(client, text="doe", searcher="p2", mode="embedding", why=True)
    nns = " ".join(f"(nn people :k 100 :recall 0.95 :vector interest-{number})" for number in (1, 2))
    assert answer["expression"] == f"(or {nns})"
    cosines = [hit["why"]["cosine"] for hit in answer["hits"]]
    assert all(set(of_hit) == {"interest-1", "interest-2"} for of_hit in cosines)
    greatest = [max(of_hit.values()) for of_hit in cosines]
    assert [hit["score"] for hit in answer["hits"]] == pytest.approx(greatest)
    assert greatest == sorted(greatest, reverse=True)
    best = [max(of_hit, key=of_hit.get) for of_hit in cosines]
    assert set(best[:3]) == {"interest-1", "interest-2"}


def test_the_hybrid_expression_has_an_nn_for_each(client):
    answer = search(client, text="doe", searcher="p2")
    assert ":vector interest-1" in answer["expression"]
    assert ":vector interest-2" in answer["expression"]
    assert answer["expression"].startswith("(or text:doe (or (nn ")


def test_an_expression_may_name_one_of_them(client):
    answer = search(client, expression="(nn people :k 4 :vector interest-2)", text="doe", searcher="p2")
    assert [hit["stored"]["city"] for hit in answer["hits"][:2]] == ["Bergen", "Bergen"]


def test_two_models_of_several_interests_are_refused(tmp_path):
    models = [TORN, Torn("people-text", personal=False)]
    with (
        make_collection(tmp_path / "c", models) as collection,
        pytest.raises(ConfigError, match="one model of several interests"),
    ):
        create_app(collection, models, searchers=SEARCHERS)


REGIONS = pa.table(
    {
        "searcher_id": ["p2", "p9"],
        "interest_ids": [["gone", "p3", "p1"], ["p1"]],
        "interest_radii": [[2.0, 0.01, 0.02], [0.5]],
    }
)


@pytest.fixture(scope="module")
def region_client(tmp_path_factory):
    """A server whose hybrid expression has a channel of regions: around p3, and around p1."""
    channels = {"nearest": "(nn {key} :k 1)", "regions": "(or {regions})"}
    plain = VERTICAL.model_dump(mode="json") | {"expressions": {"hybrid": channels}}
    model = UNIFIED.with_vertical(Vertical.model_validate(plain))
    with (
        make_collection(tmp_path_factory.mktemp("regions") / "c") as collection,
        Client(create_app(collection, [model], searchers=SEARCHERS, regions=REGIONS)) as started,
    ):
        yield started


def test_regions_of_a_searcher_are_searched_and_named_as_the_reason(region_client):
    answer = search(region_client, text="smyth", searcher="p2", why=True, columns=[])
    around = "(nn people :radius 0.01 :vector region-1) (nn people :radius 0.02 :vector region-2)"
    assert answer["expression"] == f"(or (nn people :k 1) (or (or {around})))"
    channels = {hit["doc_id"]: set(hit["channels"]) for hit in answer["hits"]}
    assert channels == {"p/4": {"nearest"}, "p3": {"regions"}, "p1": {"regions"}}
    cosines = {hit["doc_id"]: hit["why"]["cosine"] for hit in answer["hits"]}
    assert cosines["p3"]["region-1"] == pytest.approx(1.0)
    assert cosines["p1"]["region-2"] == pytest.approx(1.0)
    asked = {"text": "smyth", "searcher": "p2"}
    reason = region_client.post("/v1/search/why", json={"search": asked, "doc_id": "p2"}).json()
    assert not reason["matches"]
    assert "region-2" in str(reason["reason"])


def test_a_request_brings_regions_along(region_client):
    known = {"interest_ids": ["p3"], "interest_radii": [0.01]}
    hits = search(region_client, text="smyth", searcher=known)["hits"]
    assert "p3" in [hit["doc_id"] for hit in hits if "regions" in hit["channels"]]
    for wrong in ({"interest_ids": ["p3"]}, {"interest_ids": ["p3"], "interest_radii": [2.5]}):
        answer = region_client.post("/v1/search", json={"text": "smyth", "searcher": wrong})
        assert answer.status_code == 400
        assert "interest_radii has a cosine distance in (0, 2] for each document" in answer.json()["detail"]


def test_a_radius_of_a_request_is_that_of_a_table_to_the_last_bit(region_client, tmp_path):
    """0.02 is another number as float32: a document between the two would be in one answer and not in the other."""
    known = {"interest_ids": ["p3"], "interest_radii": [0.02]}
    vertical = Vertical.model_validate(VERTICAL.model_dump(mode="json") | {"expressions": {"hybrid": "(or {regions})"}})
    with (
        make_collection(tmp_path / "c") as collection,
        Client(create_app(collection, [UNIFIED.with_vertical(vertical)])) as without_table,
    ):
        for client in (region_client, without_table):
            assert (
                "(nn people :radius 0.02 :vector region-1)"
                in search(client, text="smyth", searcher=known)["expression"]
            )


def test_nobody_has_no_region(region_client):
    for searcher in (None, "p3"):
        hits = search(region_client, text="smyth", searcher=searcher)["hits"]
        assert [set(hit["channels"]) for hit in hits] == [{"nearest"}]


def test_without_a_table_of_searchers_their_regions_are_all_that_is_known():
    plain = VERTICAL.model_dump(mode="json") | {"expressions": {"hybrid": "(or {terms} {regions})"}}
    plain["request"] |= {"behaviour": {"kinds": ["click"]}}
    known = Searchers(Vertical.model_validate(plain), None, REGIONS)
    assert len(known.rows()) == 3
    (row,) = known.request("john", "p9").to_pylist()
    assert {name: value for name, value in row.items() if value} == {
        "query": "john",
        "interest_ids": ["p1"],
        "interest_radii": [0.5],
    }
