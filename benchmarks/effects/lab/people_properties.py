"""Measured properties of a people world and of its logs.

Shares are in [0, 1]; samples are drawn with a fixed seed.
"""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from alicorn.worlds.people.population.graph import FriendGraph, random_friends
from alicorn.worlds.people.world import PeopleWorld

SAMPLE = 5000


def world_properties(world: PeopleWorld) -> dict[str, float]:
    """Friend graph, clusters, embedding and names of a world."""
    rng = np.random.default_rng(0)
    graph, degree = world.graph, world.graph.degrees()
    some = rng.integers(0, world.num_people, SAMPLE)
    linked = some[degree[some] > 0]
    friend = random_friends(rng, graph, linked)
    second = random_friends(rng, graph, friend)
    stranger = rng.integers(0, world.num_people, len(linked))
    cluster = world.cluster_numbers[:, 0]
    city = world.population.city
    namesakes = world.identities.namesakes()
    return {
        "people": world.num_people,
        "friendships": len(graph.friends) // 2,
        "friends, mean": float(degree.mean()),
        "friends, median": float(np.median(degree)),
        "friends, 99th percentile": float(np.percentile(degree, 99)),
        "friends, largest": float(degree.max()),
        "clustering coefficient (mean local)": float(np.nanmean(local_clustering(graph, some))),
        "friends living in the same town": float((city[linked] == city[friend]).mean()),
        "social clusters": int(world.cluster_numbers.max()) + 1,
        "friends with the same first cluster": float((cluster[linked] == cluster[friend]).mean()),
        "strangers with the same first cluster": float((cluster[linked] == cluster[stranger]).mean()),
        "cosine of social vectors, friends": _mean_cosine(world, linked, friend),
        "cosine of social vectors, friends of friends": _mean_cosine(world, linked, second),
        "cosine of social vectors, strangers": _mean_cosine(world, linked, stranger),
        "people with a namesake": float((namesakes > 0).mean()),
        "namesakes, largest group": int(namesakes.max()) + 1,
    }


def local_clustering(graph: FriendGraph, people: np.ndarray) -> np.ndarray:
    """Watts and Strogatz (1998): the share of the pairs of a person's friends who are friends, float64 (n,).

    people: int (n,). NaN for a person with fewer than two friends.
    """
    shape = (graph.num_people, graph.num_people)
    friends = csr_array((np.ones(len(graph.friends)), graph.friends, graph.offsets), shape)
    own = friends[people]
    degree = graph.degrees()[people]
    with np.errstate(invalid="ignore"):
        return (own @ friends).multiply(own).sum(axis=1) / (degree * (degree - 1))


def log_properties(world: PeopleWorld, folder: Path) -> dict[str, float]:
    """Searches, errors, clicks and follow-ups of logs that `world` wrote to `folder`."""
    impressions = pq.read_table(folder / "impressions")
    truth = pq.read_table(folder / "truth")
    segments = pq.read_table(folder / "segments")["segment"]
    searches = truth.num_rows
    labels = pc.value_counts(pc.list_flatten(segments)).to_pylist()
    search_id = pc.utf8_slice_codeunits(impressions["search_id"], 1).cast("int64").to_numpy()
    clicked = impressions["clicked"].to_numpy(zero_copy_only=False)
    found = np.zeros(searches, bool)
    found[search_id[clicked]] = True
    shown = impressions["position"].is_valid().to_numpy()
    wanted = pc.equal(impressions["doc_id"], truth["doc_id"].take(search_id)).fill_null(False).to_numpy()
    properties = {
        "searches": searches,
        "results shown per search": float(shown.sum() / searches),
        "searches that showed nothing": float(1 - len(np.unique(search_id[shown])) / searches),
        "searches without a click (failed)": float(1 - found.mean()),
        "searches whose page shows the wanted person": float(wanted.sum() / searches),
        "clicks on somebody else": float((clicked & ~wanted).sum() / clicked.sum()),
        "distinct queries": pc.count_distinct(impressions["query"]).as_py(),
    }
    for label in sorted(labels, key=lambda label: -label["counts"]):
        properties[f"searches: {label['values']}"] = label["counts"] / searches
    return properties | context_properties(world, folder)


def clicks_by_rank(folder: Path) -> np.ndarray:
    """How often the wanted person is clicked when shown at rank 1, 2, ...; float64 (10,), NaN where never shown.

    It estimates examination times recognition of clicks.py, because the wanted person is at most once on a page.
    """
    impressions, truth = pq.read_table(folder / "impressions"), pq.read_table(folder / "truth")
    search_id = pc.utf8_slice_codeunits(impressions["search_id"], 1).cast("int64").to_numpy()
    wanted = pc.equal(impressions["doc_id"], truth["doc_id"].take(search_id)).fill_null(False)
    rows = impressions.filter(wanted)
    rank = rows["position"].to_numpy()
    clicked = rows["clicked"].to_numpy(zero_copy_only=False)
    shown = np.bincount(rank, minlength=11)[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(rank, weights=clicked, minlength=11)[1:] / shown


def context_properties(world: PeopleWorld, folder: Path) -> dict[str, float]:
    """How much context can predict beyond the name: is the wanted person the namesake nearest to the searcher?

    Over searches for a person with namesakes. "by chance" is the mean of 1 / number of people of that name.
    """
    impressions, truth = pq.read_table(folder / "impressions"), pq.read_table(folder / "truth")
    search_id = pc.utf8_slice_codeunits(impressions["search_id"], 1).cast("int64").to_numpy()
    first_row = np.unique(search_id, return_index=True)[1]
    searcher = _numbers(impressions["searcher_id"].take(first_row))
    wanted = _numbers(truth["doc_id"])
    key = world.identities.name_key
    order = np.argsort(key, kind="stable")
    low = np.searchsorted(key[order], key[wanted], side="left")
    high = np.searchsorted(key[order], key[wanted], side="right")
    rows = np.flatnonzero(high - low > 1)[:SAMPLE]
    if len(rows) == 0:
        return {}
    nearest, most_popular, same_city = [], [], []
    for row in rows:
        people = order[low[row] : high[row]]
        near = world.social[people] @ world.social[searcher[row]]
        nearest.append(people[near.argmax()] == wanted[row])
        most_popular.append(people[world.popularity[people].argmax()] == wanted[row])
        local = people[world.population.city[people] == world.population.city[searcher[row]]]
        same_city.append(len(local) == 1 and local[0] == wanted[row])
    return {
        "wanted among namesakes: by chance": float((1 / (high - low)[rows]).mean()),
        "wanted among namesakes: the most popular": float(np.mean(most_popular)),
        "wanted among namesakes: nearest social vector": float(np.mean(nearest)),
        "wanted among namesakes: the only one of the searcher's town": float(np.mean(same_city)),
    }


def _numbers(ids: object) -> np.ndarray:
    result: np.ndarray = pc.utf8_slice_codeunits(ids, 1).cast("int64").to_numpy()
    return result


def _mean_cosine(world: PeopleWorld, left: np.ndarray, right: np.ndarray) -> float:
    return float(np.sum(world.social[left] * world.social[right], axis=1).mean())
