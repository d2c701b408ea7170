"""Two models over one collection: a second key beside the first, names for both, a switch, and the old key gone."""

import shutil

import pyarrow.parquet as pq
import pytest
from shell import alicorn, succeed

from alicorn.publishing.aliases import aliases_of, give_names
from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.towers import Model


@pytest.fixture
def collection(loop, tmp_path):
    """With the model of the loop under `people` and once more under `people-v4`."""
    folder = tmp_path / "collection"
    shutil.copytree(loop.collection, folder)
    publish = ("publish", loop.logs / "documents", "--into", folder, "--model", loop.model)
    done = succeed(*publish, "--key", "people-v4", "--as", "candidate", "--json").json()
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


def test_a_name_is_given_with_the_first_publish_and_moves_with_the_next(loop, tmp_path):
    """Documents that the collection does not have are counted; nothing else of the others changes."""
    some = pq.read_table(loop.logs / "documents").slice(0, 20)
    pq.write_table(some.slice(0, 15), tmp_path / "few.parquet")
    pq.write_table(some, tmp_path / "some.parquet")
    into = ("--into", tmp_path / "c", "--model", loop.model, "--json")
    assert succeed("publish", tmp_path / "few.parquet", *into, "--as", "current").json()["documents"] == 15
    with Collection.open(tmp_path / "c", read_only=True) as opened:
        before = opened.get(some["doc_id"][3].as_py())
        assert aliases_of(opened) == {"current": "people"}
    done = succeed("publish", tmp_path / "some.parquet", *into, "--key", "people-v4", "--as", "current")
    assert (done.json()["documents"], done.json()["unknown"]) == (15, 5)
    assert "5 documents are not in the collection" in done.err
    with Collection.open(tmp_path / "c", read_only=True) as opened:
        assert aliases_of(opened) == {"current": "people-v4"}
        assert opened.get(some["doc_id"][3].as_py()) == before
    ask = ("publish", tmp_path / "some.parquet", "--into", tmp_path / "c", "--as", "next")
    assert "are of one --model, got 0" in alicorn(*ask).refusal()
    assert "leave out --as-of" in alicorn(*ask, "--model", loop.model, "--as-of", "2026-01-01").refusal()


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
