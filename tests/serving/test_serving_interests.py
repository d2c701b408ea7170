"""A model of several interests behind the API: one `nn` for each, one ranked list, the names of the vectors."""

import numpy as np
import pytest
from asgi_client import Client
from served_people import SEARCHERS, Model, make_collection

from alicorn.errors import ConfigError
from alicorn.serving import create_app


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
