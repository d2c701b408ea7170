"""Learning several interests: searchers of two tastes each, whose next document is of one of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pairs_toy import write_folder

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.publishing.shard_search import search_shard
from alicorn.towers import Model
from alicorn.training import Recipe, Trained, train
from alicorn.training.objective.objective import nearest_interest
from alicorn.vertical import Vertical
from alicorn.vertical.failed_searches import FACTS
from alicorn.vertical.parts import of_examples

TOPICS, EACH, SEEN = 8, 25, 12
VERTICAL = Vertical.model_validate(
    {
        "name": "tastes",
        "embedding": "tastes",
        "document": {"features": {"item": {"kind": "id", "column": "doc_id"}}},
        "request": {"features": {"history": {"kind": "sequence", "parts": {"item": "seen"}}}},
        "split": {"valid": 0.1},
        "expressions": {"boolean": "(or)", "hybrid": "(nn {key} :k 5)"},
    }
)
INTERESTS = {"feature": "history", "count": 3}


def recipe(interests: dict[str, Any] | None, **changes: Any) -> Recipe:
    towers = {"dim": 4, "hidden": 0, "tables": {"item": {"buckets": 4096, "dim": 16}}, "interests": interests}
    plain = {
        "towers": towers,
        "positives": ["click"],
        "negatives": {"random": 50},
        "batch": 100,
        "dropout": 0,
        "optimizer": {"rate": 0.01, "table_rate": 0.1},
        "validation": {"k": EACH, "start": False, "interpolate": []},
    }
    return Recipe.model_validate({**plain, **changes})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of eight topics; a searcher has seen documents of two, and chooses one more of either."""
    folder = tmp_path_factory.mktemp("tastes") / "pairs"
    rng = np.random.default_rng(0)
    num_searchers = 2200
    topics = np.array([rng.choice(TOPICS, 2, replace=False) for _ in range(num_searchers)])
    drawn = topics[np.arange(num_searchers)[:, None], rng.integers(0, 2, (num_searchers, SEEN + 1))]
    numbers = drawn * EACH + rng.integers(0, EACH, drawn.shape)
    ids = [[f"d{number}" for number in row] for row in numbers.tolist()]
    names = [f"s{i}" for i in range(num_searchers)]
    split = np.where(np.arange(num_searchers) < 2000, "train", "valid")
    searches = {
        "search_id": names,
        "searcher_id": names,
        "time": pa.array(np.arange(num_searchers), pa.timestamp("us")),
        "query": [""] * num_searchers,
        "split": split,
    }
    wanted = [row[-1] for row in ids]
    facts = {name: pa.nulls(num_searchers, kind) for name, kind in FACTS.items()}
    tables = {
        "documents": {"doc_id": [f"d{i}" for i in range(TOPICS * EACH)]},
        "searchers": {"searcher_id": names, "seen": [row[:-1] for row in ids]},
        "pairs": {**searches, "doc_id": wanted, "source": ["click"] * num_searchers, **facts},
        "searches": {**searches, "targets": [[doc_id] for doc_id in wanted]},
    }
    given = {name: pa.table(columns) for name, columns in tables.items()}
    return write_folder(folder, given, of_examples(VERTICAL), "tastes")


def learned(pairs: Path, out: Path, given: Recipe) -> tuple[Trained, float, float]:
    """With recall@25 of the valid split and the mean cosine of two interests of one request."""
    found = train(pairs, VERTICAL, given, out, progress=False, search=search_shard)
    requests = pa.table({"seen": pq.read_table(pairs / "searchers.parquet")["seen"].slice(2000)})
    interests = found.model.encode_interests(requests)
    count = interests.shape[1]
    cosines = (interests @ interests.transpose(0, 2, 1)).sum(axis=(1, 2)).mean()
    return found, found.epochs[found.best_epoch].recall["25"], float((cosines - count) / max(1, count * (count - 1)))


def test_a_regulariser_moves_interests_apart(pairs: Path, tmp_path: Path) -> None:
    def cosine(diversity: dict[str, Any] | None) -> float:
        out = tmp_path / (diversity["kind"] if diversity else "none")
        _, recall, found = learned(pairs, out, recipe(INTERESTS, epochs=3, diversity=diversity))
        assert recall > 0.15  # of a random order: 1/8
        return found

    alike = cosine(None)
    for kind, weight in (("entropy", 3.0), ("centre", 0.5), ("pairs", 0.2)):
        assert cosine({"kind": kind, "weight": weight}) < alike - 0.15


@pytest.mark.slow
def test_several_interests_find_what_one_vector_misses(pairs: Path, tmp_path: Path) -> None:
    """Where vectors of four numbers hold eight topics, the mean of two is near a third."""
    long = {"epochs": 30, "patience": 30}
    _, one, _ = learned(pairs, tmp_path / "one", recipe(None, **long))
    _, several, _ = learned(pairs, tmp_path / "several", recipe({"feature": "history", "count": 2}, **long))
    assert several > 1.1 * one, (several, one)


def test_only_the_interest_nearest_to_the_positive_learns() -> None:
    interests = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    positives = torch.tensor([[0.1, 0.9], [0.8, -0.2]])
    assert nearest_interest(interests, positives).tolist() == [1, 0]


def test_mining_and_blending_go_with_interests(pairs: Path, tmp_path: Path) -> None:
    mined = {"mined": {"ranks": [26, 60], "per_positive": 1}}
    given = recipe(
        INTERESTS,
        stages=[{"epochs": 1}, {"negatives": mined, "epochs": 1}],
        blending={"channel": 0.1},
        diversity={"weight": 0.01},
    )
    _, recall, _ = learned(pairs, tmp_path / "mined", given)
    assert recall > 0.15


def test_the_named_recipe_fits_the_example_of_real_behaviour(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("base: drim\ntowers: {dim: 8, tables: {text: {buckets: 100, dim: 8}}}\n")
    given = Recipe.load(tmp_path / "recipe.yaml")
    vertical = Vertical.load(Path(__file__).parents[3] / "examples" / "movielens" / "vertical.yaml")
    made = Model.new(vertical, given.plain(), "", {}, 0)
    requests = pa.table(
        {
            "query": ["heat", "heat"],
            **{f"sitting_{part}": [None, ["a"]] for part in ("item", "director", "kind")},
            **{f"before_{part}": [["a", "b", "c"], None] for part in ("item", "director", "kind")},
        }
    )
    several, none = made.encode_interests(requests)
    assert np.abs(several - several[0]).max() > 0.01
    assert np.abs(none - none[0]).max() == 0


def test_diversity_without_interests_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"add towers\.interests"):
        parse_config({"diversity": {"kind": "pairs"}}, Recipe, where="recipe")
