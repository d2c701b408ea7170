"""Gradient blending through the towers: a channel learns to find documents alone; a misspelled one is refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from channel_names import request
from training_toy import CITIES, VERTICAL, recipe, write_pairs

from alicorn.errors import ConfigError
from alicorn.towers.channels.tensors import batch_tensors
from alicorn.training import Recipe, train


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("blending") / "pairs")


def surprise_of_city_alone(pairs: Path, out: Path, given: Recipe) -> float:
    """Mean over all documents of -ln p(document | its city alone), p a softmax of 20 x cosine over all documents."""
    model = train(pairs, VERTICAL, given, out, progress=False).model
    documents = pq.read_table(pairs / "documents.parquet")
    searches = pa.table(
        {"query": pa.array([None] * 3, pa.string()), "city": CITIES, "age": pa.array([None] * 3, pa.float64())}
    )
    with torch.inference_mode():
        alone = model.module.request_channels(batch_tensors(model.requests.transform(searches))).channels[
            request("city")
        ]
    log_p = torch.log_softmax(20 * alone @ torch.from_numpy(model.encode_documents(documents)).T, dim=1)
    own = [CITIES.index(city) for city in documents["city"].to_pylist()]
    return -float(log_p[own, range(len(documents))].mean())


@pytest.mark.parametrize("fusion", ["concat", "attention"])
def test_a_blended_channel_learns_what_it_can_say_alone(pairs: Path, tmp_path: Path, fusion: str) -> None:
    towers = {**recipe().towers.model_dump(exclude_unset=True), "fusion": {"kind": fusion}}
    blended = recipe(towers=towers, blending={"channel": 0.0, "channels": {"request.city": 5.0}})
    plain = surprise_of_city_alone(pairs, tmp_path / "plain", recipe(towers=towers))
    assert surprise_of_city_alone(pairs, tmp_path / "blended", blended) < plain - 0.1


def test_a_channel_that_the_towers_do_not_have_is_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no channel 'request.cty'; did you mean 'request.city'"):
        train(pairs, VERTICAL, recipe(blending={"channels": {"request.cty": 1.0}}), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
