"""What the channels of a model fused by attention count, by the length of the query."""

import numpy as np
import pytest
import torch

from alicorn.evaluation.reports.channel_weights import channel_weights
from alicorn.evaluation.searches import read_searches
from alicorn.towers import Ensemble, Model
from alicorn.training import Recipe


def model(vertical, fusion):
    plain = Recipe.model_validate({"towers": {"dim": 8, "fusion": {"kind": fusion}}}).plain()
    made = Model.new(vertical, plain, "data", {}, 0)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in made.module.request.parameters():
            weight.add_(torch.randn_like(weight))
    return made


def test_weights_sum_to_one_and_groups_are_means_of_their_searches(pairs, vertical):
    searches = read_searches(pairs)
    made = model(vertical, "attention")
    found = channel_weights(made, searches)
    counts = {name: count for name, (count, _) in found.requests.items()}
    assert counts["all"] == len(searches) == sum(count for name, count in counts.items() if name != "all")
    assert "1 word" in counts
    for _, means in found.requests.values():
        assert sum(means.values()) == pytest.approx(1, abs=1e-5)
    assert found.documents == {"name": pytest.approx(1)}, "one channel has all the weight"
    expected = made.request_weights(searches.requests)
    assert list(expected) == ["text", "city"]
    assert found.requests["all"][1]["text"] == pytest.approx(float(np.mean(expected["text"])), abs=1e-5)
    assert 0.01 < found.requests["all"][1]["text"] < 0.99
    assert "| 1 word |" in found.markdown()
    assert found.to_dict()["requests"]["all"]["searches"] == len(searches)


def test_other_models_have_no_weights(pairs, vertical):
    searches = read_searches(pairs)
    assert channel_weights(model(vertical, "concat"), searches) is None
    assert channel_weights(Ensemble.of([model(vertical, "attention")] * 2, [1, 2]), searches) is None
