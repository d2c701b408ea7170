"""The shop world: same seed same tables, the contract of the logs, drift, links to behaviour, noise, the truth."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lab.shop_properties import shop_properties

from alicorn.errors import ConfigError
from alicorn.logs import mine
from alicorn.text import words
from alicorn.vertical import Vertical
from alicorn.worlds import SHOP_VERTICAL, ShopWorld
from alicorn.worlds.shop.tastes import choose_products

SIZE = (2500, 300)
NUM_SEARCHES = 4000


def boolean_engine(documents: pa.Table) -> Callable[[list[str]], list[list[str]]]:
    """Documents whose title has every word of the query, most popular first."""
    by_rank = documents.take(np.argsort(-documents["popularity"].to_numpy(), kind="stable"))
    doc_ids = by_rank["doc_id"].to_pylist()
    postings: dict[str, set[int]] = {}
    for rank, title in enumerate(by_rank["title"].to_pylist()):
        for word in words(title):
            postings.setdefault(word, set()).add(rank)

    def search(queries: list[str]) -> list[list[str]]:
        matched = [set.intersection(*(postings.get(word, set()) for word in words(query))) for query in queries]
        return [[doc_ids[rank] for rank in sorted(ranks)[:10]] for ranks in matched]

    return search


@pytest.fixture(scope="module")
def shop() -> ShopWorld:
    return ShopWorld.generate(SIZE, seed=5)


@pytest.fixture(scope="module")
def shop_logs(shop: ShopWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    shop.write_logs(folder, NUM_SEARCHES, boolean_engine(shop.documents()))
    return folder


@pytest.fixture(scope="module")
def properties(shop: ShopWorld, shop_logs: Path) -> dict[str, float]:
    return shop_properties(shop, shop_logs)


def test_the_same_seed_gives_the_same_tables_and_another_one_others(shop, shop_logs, tmp_path):
    again = ShopWorld.generate(SIZE, seed=5)
    assert again.documents() == shop.documents()
    again.write_logs(tmp_path, NUM_SEARCHES, boolean_engine(again.documents()))
    for file in sorted(shop_logs.glob("*.parquet")):
        assert pq.read_table(file) == pq.read_table(tmp_path / file.name), file.name
    assert ShopWorld.generate(SIZE, seed=6).titles != shop.titles


def test_mine_takes_the_logs_with_the_vertical_of_the_shop(shop_logs, tmp_path):
    counts = mine(shop_logs, Vertical.load(SHOP_VERTICAL), tmp_path / "pairs")
    assert counts["searches"] == NUM_SEARCHES
    assert counts["searches_with_behaviour"] == NUM_SEARCHES  # a session begins with a product
    behaviour = pq.read_table(tmp_path / "pairs" / "behaviour.parquet")
    means = {name: pc.mean(pc.list_value_length(behaviour[f"{name}_item"])).as_py() for name in ("realtime", "short")}
    assert 2 < means["realtime"] < 20
    assert means["short"] > 2


def test_a_title_is_a_pile_of_keywords_some_of_which_are_not_true(shop):
    documents = shop.documents().to_pylist()
    red = [row for row in documents if "red" in words(row["title"])]
    true = np.mean([row["colour"] == "red" for row in red])
    assert 0.6 < true < 0.97
    assert 6 < np.mean([len(words(row["title"])) for row in documents]) < 14
    hidden = np.mean([row["colour"] not in row["title"] for row in documents])
    assert 0.15 < hidden < 0.35


def test_pictures_are_one_to_four_and_show_their_product(shop):
    vertical = Vertical.load(SHOP_VERTICAL).model_dump()
    vertical["document"]["features"]["images"] = {"kind": "vectors", "column": "images", "dim": 16}
    documents = shop.documents()
    Vertical.model_validate(vertical).check_documents(documents)
    counts = pc.list_value_length(documents["images"]).to_numpy()
    assert (counts.min(), counts.max()) == (1, 4)
    vectors = pc.list_flatten(pc.list_flatten(documents["images"])).to_numpy().reshape(-1, 16)
    style = shop.catalogue.style[np.repeat(np.arange(len(documents)), counts)]
    own, others = (vectors * style).sum(axis=1).mean(), (vectors * style[::-1]).sum(axis=1).mean()
    assert own > 0.8 > 0.2 > others


def test_tastes_drift_at_the_stated_pace(shop, properties):
    model = shop.tastes.model
    assert properties["interests still there a month later"] == pytest.approx(model.interest_kept, abs=0.03)
    changed = 1 - properties["projects still there a day later"]
    assert changed == pytest.approx(1 / model.project_days, abs=0.02)
    assert properties["projects still there ten days later"] < 0.3


def test_linked_searches_follow_behaviour_of_their_time_scale_and_others_none(properties):
    def met(kind: str, days: int) -> float:
        return properties[f"{kind}: wanted leaf and brand met in the last {days} days"]

    shares = [properties[f"searches: {kind}"] for kind in ("session", "days", "months", "unlinked")]
    assert shares == pytest.approx([0.35, 0.20, 0.15, 0.30], abs=0.03)
    assert met("session", 1) > 0.5
    assert met("days", 10) - met("days", 1) > 0.05
    assert met("months", 30) - met("months", 1) > 0.1
    assert met("unlinked", 1) < 0.1 < met("days", 1)


def test_clicks_of_linked_searches_fall_on_what_was_met_before(properties):
    def lift(kind: str) -> float:
        shown, clicked = (properties[f"{kind}: the same of what was {what}, 30 days"] for what in ("shown", "clicked"))
        return clicked - shown

    assert lift("session") > 0.1
    assert lift("days") > 0.05
    assert abs(lift("unlinked")) < 0.05


def test_clicks_have_noise_and_the_engine_shows_what_is_not_asked_for(properties):
    assert 0.7 < properties["shown that the query asks for (P_good of the engine)"] < 0.95
    assert 0.03 < properties["clicks on what the query does not ask for (noise)"] < 0.2
    assert 0.2 < properties["searches without a click (failed)"] < 0.7


def test_relevance_is_the_category_and_everything_stated(shop, shop_logs):
    truth = pq.read_table(shop_logs / "truth.parquet").slice(0, 300)
    found = shop.relevant(truth, np.arange(len(shop.catalogue))[None, :])
    documents = shop.documents().to_pylist()
    numbers = pc.utf8_slice_codeunits(truth["doc_id"], 1).cast(pa.int64()).to_numpy()
    assert found[np.arange(300), numbers].all(), "the wanted product is relevant"
    for row, wanted in zip(found[:30], truth.to_pylist()[:30], strict=True):
        stated = {name: wanted[name] for name in ("department", "brand", "colour", "material", "size") if wanted[name]}
        stated |= {"category": wanted["leaf"]} if wanted["leaf"] else {}
        oracle = [all(document[name] == value for name, value in stated.items()) for document in documents]
        assert row.tolist() == oracle
    assert not shop.relevant(truth, np.full((300, 1), -1)).any()


def test_a_liked_brand_is_chosen_and_without_a_focus_popularity_decides(shop):
    rng, n = np.random.default_rng(0), 2000
    leaf = np.full(n, 3, dtype=np.int16)
    products = shop.catalogue.by_leaf[3]
    brand = int(np.bincount(shop.catalogue.brand[products]).argmax())
    searcher = rng.integers(0, SIZE[1], n)

    def share(focus: int) -> float:
        chosen = choose_products(rng, shop.catalogue, shop.tastes, searcher, leaf, np.full(n, focus))
        assert (shop.catalogue.leaf[chosen] == 3).all()
        return float((shop.catalogue.brand[chosen] == brand).mean())

    weight = shop.catalogue.popularity[products] ** shop.tastes.model.popularity
    by_popularity = weight[shop.catalogue.brand[products] == brand].sum() / weight.sum()
    assert share(-1) == pytest.approx(by_popularity, abs=0.04)
    assert share(brand) > by_popularity + 0.3


def test_what_cannot_be_made_is_refused(shop, shop_logs):
    with pytest.raises(ConfigError, match="size of the shop world: must be one of small, medium, got 'huge'"):
        ShopWorld.generate("huge")
    with pytest.raises(ConfigError, match="at least 1000 products"):
        ShopWorld.generate((10, 10))
    with pytest.raises(ConfigError, match="exists: remove the old logs"):
        shop.write_logs(shop_logs, 10, lambda queries: [[] for _ in queries])
