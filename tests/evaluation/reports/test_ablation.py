"""Taking features away: what is not read costs nothing, what alone tells the answer costs all of it."""

import json

import numpy as np
import pyarrow as pa
import pytest
from evaluation_fakes import NUM_DOCUMENTS, FakeModel, unit

from alicorn.errors import ConfigError
from alicorn.evaluation.reports.ablation import WHOLE, ablate, taken_away
from alicorn.evaluation.searches import read_searches
from alicorn.vertical import IdFeature, IdsFeature, TextFeature


class Featured(FakeModel):
    """Reads the query and the name, which decide everything, and says that it reads the city too."""

    def __init__(self):
        super().__init__(perfect=True)
        self.request_features = {
            "text": TextFeature(kind="text", column="query"),
            "city": IdFeature(kind="id", column="city"),
        }
        self.document_features = {"name": TextFeature(kind="text", column="name")}

    def encode_requests(self, requests):
        return self._vectors(requests["query"])

    def encode_documents(self, documents):
        return self._vectors(documents["name"])

    def _vectors(self, column):
        known = unit(np.random.default_rng(0), NUM_DOCUMENTS + 1)
        return known[[NUM_DOCUMENTS if name is None else int(name[1:]) for name in column.to_pylist()]]


@pytest.mark.parametrize("how", ["zero", "shuffle"])
def test_the_only_feature_is_all_and_an_unread_one_nothing(pairs, how):
    found = ablate(Featured(), read_searches(pairs), how, ks=(1, 10), seed=3)
    assert found.comparison.mean(WHOLE, "recall@10").mean == 1.0
    assert found.loss("request.city", "recall@10").mean == 0.0
    assert not found.loss("request.city", "recall@10").excludes_zero
    for feature in ("request.text", "document.name"):
        loss = found.loss(feature, "recall@10")
        assert loss.mean > 0.8, "ten of two hundred are found by chance"
        assert loss.low <= loss.mean <= loss.high
        assert loss.low > 0
    assert found.features[-1] == "request.city"


def test_losses_are_paired_differences_by_segment(pairs):
    found = ablate(Featured(), read_searches(pairs), "shuffle", ks=(1,))
    cells = found.comparison
    lost = found.loss("request.text", "recall@1", "misspelled").mean
    whole, without = (cells.mean(system, "recall@1", "misspelled").mean for system in (WHOLE, "request.text"))
    assert lost == pytest.approx(whole - without)


def test_the_same_seed_shuffles_alike_and_another_does_not():
    rows = pa.table({"a": list(range(50)), "b": list(range(50))})
    first, same, other = (taken_away(rows, ["a", "b"], "shuffle", [seed]) for seed in (1, 1, 2))
    assert first.equals(same)
    assert not first.equals(other)
    assert first["a"].equals(first["b"]), "columns of one feature stay together"
    assert sorted(first["a"].to_pylist()) == rows["a"].to_pylist()
    assert rows["a"].to_pylist() == list(range(50)), "the input is not modified"
    assert taken_away(rows, ["a"], "zero", [0])["a"].null_count == 50
    assert taken_away(rows, ["a"], "zero", [0])["b"].null_count == 0


def test_features_of_one_column_go_together(pairs):
    model = Featured()
    model.request_features |= {
        "words": TextFeature(kind="text", column="query"),
        "near": IdsFeature(kind="ids", column="city", weights=None),
    }
    found = ablate(model, read_searches(pairs), "zero", ks=(1,))
    assert set(found.features) == {"request.text + words", "request.city + near", "document.name"}


def test_reports(pairs, tmp_path):
    found = ablate(Featured(), read_searches(pairs), "zero", ks=(1, 10))
    paths = found.write(tmp_path)
    assert [path.name for path in paths] == ["ablation.md", "ablation.json", "ablation.svg"]
    text = paths[0].read_text()
    assert "| all features | 1.000 [1.000, 1.000] |" in text
    assert "| request.city | +0.000 [+0.000, +0.000] |" in text
    assert "set to unknown" in text
    content = json.loads(paths[1].read_text())
    assert content["how"] == "zero"
    assert content["differences"]["overall"]["document.name"]["recall@1"]["mean"] < -0.9
    assert paths[2].read_text().startswith("<svg ")


def test_another_way_is_refused(pairs):
    with pytest.raises(ConfigError, match="ablated by zero or shuffle, got 'drop'"):
        ablate(Featured(), read_searches(pairs), "drop")
