"""Two models over one collection: a second key beside the first, names for both, a switch, and the old key gone."""

import shutil

import pytest
from shell import alicorn, succeed

from alicorn.publishing.aliases import give_names
from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.towers import Model


@pytest.fixture
def collection(loop, tmp_path):
    """With the model of the loop under `people` and once more under `people-v4`."""
    folder = tmp_path / "collection"
    shutil.copytree(loop.collection, folder)
    update = ("update", loop.logs / "documents", "--into", folder, "--model", loop.model)
    done = succeed(*update, "--key", "people-v4", "--as", "candidate", "--json").json()
    assert done["added"] == {"people-v4": Model.load(loop.model).dim}
    return folder


def searched(retriever, **asked) -> str:
    """The key that a text looks in."""
    return str(retriever.request(text="joe", mode="embedding", **asked).expression).split()[1]


def test_a_second_key_has_a_name(loop, collection):
    assert succeed("alias", collection, "--json").json() == {"candidate": "people-v4"}
    with Collection.open(collection) as opened:
        assert opened.embeddings.keys() >= {"people", "people-v4"}
        assert searched(Retriever(opened, [Model.load(loop.model)])) == "people"


def test_a_model_is_found_under_the_key_that_its_vectors_have(loop, collection):
    ask = ("query", collection, "--text", "joe", "--explain", "--json", "--model")
    before = succeed(*ask, loop.model).json()
    assert "(nn people :k" in before["explanation"]["expression"]
    succeed("drop", collection, "--key", "people")
    after = succeed(*ask, loop.model).json()
    assert "(nn people-v4 :k" in after["explanation"]["expression"]
    assert [hit["doc_id"] for hit in after["hits"]] == [hit["doc_id"] for hit in before["hits"]]
    assert (
        "recall" in succeed("evaluate", loop.model, "--logs", loop.pairs, "--collection", collection, "--k", "10").out
    )


def test_the_current_key_is_searched_where_none_is_given(loop, collection):
    """Both models of the loop: text under people-text, the other under people."""
    loop.folder / "text-model"
    models = [Model.load(loop.model), Model.load(loop.folder / "text-model")]
    with Collection.open(collection) as opened:
        retriever = Retriever(opened, models)
        assert searched(retriever) == "people"
        give_names(opened, {"current": models[1].key, "previous": "people"})
        assert searched(retriever) == models[1].key
        assert searched(retriever, key="previous") == "people"
        give_names(opened, {"current": "people"}, removed=["previous"])
        assert searched(retriever) == "people"


def test_what_cannot_be_named_is_refused(collection):
    assert (
        "has no embedding 'people-v9' to be called 'next'" in alicorn("alias", collection, "next=people-v9").refusal()
    )
    assert "is an embedding key itself" in alicorn("alias", collection, "people=people-v4").refusal()
    assert "expected NAME=KEY" in alicorn("alias", collection, "people-v4").refusal()
    assert "has the name 'old'; names: candidate" in alicorn("alias", collection, "--remove", "old").refusal()
    assert "is called 'candidate'" in alicorn("drop", collection, "--key", "people-v4").refusal()
    assert succeed("alias", collection, "current=people", "--remove", "candidate", "--json").json() == {
        "current": "people"
    }
    succeed("drop", collection, "--key", "people-v4")
