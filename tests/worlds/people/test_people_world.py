"""The world as a whole: contract of its tables, and the same seed gives the same world."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from lab.people_properties import world_properties

from alicorn.errors import ConfigError
from alicorn.text import words
from alicorn.vertical import Vertical
from alicorn.worlds import PEOPLE_VERTICAL, PeopleWorld


def test_the_same_seed_gives_the_same_tables_and_another_seed_does_not() -> None:
    first, again, other = (PeopleWorld.generate(1000, seed=seed) for seed in (1, 1, 2))
    assert first.documents().equals(again.documents())
    assert first.searchers().equals(again.searchers())
    for column in ("name", "city", "clusters", "social", "popularity", "friends"):
        assert not first.documents()[column].equals(other.documents()[column]), column


def test_generation_leaves_global_randomness_alone() -> None:
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    PeopleWorld.generate(200, seed=0)
    assert np.random.random() == expected


def test_documents_satisfy_the_vertical(world: PeopleWorld) -> None:
    vertical = Vertical.load(PEOPLE_VERTICAL)
    documents = world.documents()
    assert documents.column_names[0] == "doc_id"
    assert pc.count_distinct(documents["doc_id"]).as_py() == documents.num_rows == world.num_people
    assert all(column.null_count == 0 for column in documents.columns)
    index = vertical.index_table(documents, None)
    row = index.slice(7, 1).to_pylist()[0]
    for word in words(documents["name"][7].as_py()):
        assert f"text:{word}" in row["terms"]
    assert any(term.startswith("school:") for term in row["terms"])


def test_documents_and_searchers_agree(world: PeopleWorld) -> None:
    documents, searchers = world.documents(), world.searchers()
    assert searchers["searcher_id"].equals(documents["doc_id"])
    for column in set(searchers.column_names) - {"searcher_id"}:
        assert searchers[column].equals(documents[column]), column
    assert documents.schema.field("social").type == pa.list_(pa.float32())
    assert set(np.diff(documents["social"].chunk(0).offsets.to_numpy())) == {32}
    shares = documents["cluster_weights"].to_pylist()
    assert all(0 < sum(share) <= 1.0001 for share in shares)
    assert list(map(len, shares)) == list(map(len, documents["clusters"].to_pylist()))


def test_a_part_of_the_documents_is_that_part(world: PeopleWorld) -> None:
    assert world.documents(100, 150).equals(world.documents().slice(100, 50))
    assert world.searchers(100, 150).equals(world.searchers().slice(100, 50))


def test_stored_friends_are_a_sample_of_the_friends(world: PeopleWorld) -> None:
    graph = world.graph
    stored = world.documents()["friends"].to_pylist()
    for person in [*range(50), int(graph.degrees().argmax())]:
        friends = {f"p{n:07d}" for n in graph.friends[graph.offsets[person] : graph.offsets[person + 1]]}
        assert set(stored[person]) <= friends
        assert len(set(stored[person])) == len(stored[person]) == min(50, len(friends))


def test_names_are_ambiguous_and_counted_right(world: PeopleWorld) -> None:
    names = pa.chunked_array([pc.utf8_lower(world.documents()["name"].chunk(0))])
    count = {row["values"]: row["counts"] for row in pc.value_counts(names).to_pylist()}
    expected = [count[name] - 1 for name in names.to_pylist()]
    assert world.identities.namesakes().tolist() == expected
    assert max(expected) >= 2


def test_family_names_run_in_families(world: PeopleWorld) -> None:
    order = np.argsort(world.population.family, kind="stable")
    kin = world.population.family[order][1:] == world.population.family[order][:-1]
    same = world.identities.last[order][1:] == world.identities.last[order][:-1]
    assert same[kin].mean() > 0.4
    assert same[~kin].mean() < 0.05


def test_properties_of_a_world_lie_in_their_bands(world: PeopleWorld) -> None:
    measured = world_properties(world)
    assert 0.1 < measured["clustering coefficient (mean local)"] < 0.4
    assert measured["friends living in the same town"] > 0.4
    assert measured["cosine of social vectors, friends"] > measured["cosine of social vectors, friends of friends"]
    assert (
        measured["cosine of social vectors, friends of friends"] > measured["cosine of social vectors, strangers"] + 0.1
    )


@pytest.mark.parametrize(("size", "said"), [("tiny", "small, medium, large"), (5, "at least 100")])
def test_unknown_sizes_are_refused(size: str | int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PeopleWorld.generate(size)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 or more, got -1"):
        PeopleWorld.generate(1000, seed=-1)


def test_twenty_thousand_people_have_namesakes() -> None:
    measured = world_properties(PeopleWorld.generate("small", seed=0))
    assert measured["namesakes, largest group"] >= 5
    assert 0.08 < measured["people with a namesake"] < 0.15
