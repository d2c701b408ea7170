"""Clicks weigh by the inverse of the propensity of their rank, in pairs and in the means of evaluate."""

import json

import numpy as np
import pyarrow as pa
import pytest
from logs_world import documents, impressions, vertical, write_logs
from shell import alicorn

from alicorn.config import dump_yaml
from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.comparison import compare
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.logs import mine
from alicorn.logs.click_weights import MOST, OfRank, PropensityFile
from alicorn.pairs import PairsFolder

KNOWN = {"ranks": [{"rank": 1, "value": 1.0}, {"rank": 2, "value": 0.25}, {"rank": 3}], "swapped": False, "clicks": 9}

PAGE = list(enumerate("abcd", start=1))
WEIGHTS = [1.0, 4.0, 4.0, 4.0]  # of ranks 1 to 4
SEARCHERS = pa.table({"searcher_id": ["u1"], "city": ["Oslo"]})


@pytest.fixture(scope="module")
def weighed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weighed")
    rows = [(f"s{at}", "u1", at, doc, position, position == at % 4 + 1) for at in range(8) for position, doc in PAGE]
    tables = {"documents": documents("abcd"), "searchers": SEARCHERS, "impressions": impressions(*rows)}
    write_logs(folder / "logs", tables)
    (folder / "propensities.json").write_text(json.dumps(KNOWN))
    mine(folder / "logs", vertical(), folder / "pairs", propensities=folder / "propensities.json")
    return PairsFolder(folder / "pairs")


def test_pairs_and_searches_have_the_weights_of_their_clicks(weighed):
    pairs = weighed.read("pairs")
    assert pairs["weight"].to_pylist() == [WEIGHTS["abcd".index(doc_id)] for doc_id in pairs["doc_id"].to_pylist()]
    searches = weighed.read("searches")
    assert searches["weight"].to_pylist() == [WEIGHTS["abcd".index(one[0])] for one in searches["targets"].to_pylist()]
    assert set(weighed.read("impressions")["weight"].to_pylist()) == {1.0}
    assert weighed.manifest.click_weights == (1.0, 4.0, 4.0)


def test_a_click_counts_at_most_so_much():
    seldom = PropensityFile.model_validate(KNOWN | {"ranks": [{"rank": 1, "value": 1.0}, {"rank": 2, "value": 1e-6}]})
    assert seldom.weights() == (1.0, MOST)
    assert seldom.looked_at() == (1.0, 1 / MOST)
    with pytest.raises(ConfigError, match="none is known but that of rank 1"):
        PropensityFile(ranks=(OfRank(rank=1, value=1.0), OfRank(rank=2)), swapped=False, clicks=0).looked_at()


def test_ranks_out_of_order_are_refused(tmp_path):
    ranks = [{"rank": 1, "value": 1.0}, {"rank": 3, "value": 0.5}]
    (tmp_path / "p.json").write_text(json.dumps(KNOWN | {"ranks": ranks}))
    with pytest.raises(ConfigError, match=r"ranks: ranks go 1, 2, 3, \.\.\., got 1, 3"):
        PropensityFile.load(tmp_path / "p.json")
    with pytest.raises(ConfigError, match=r"gone\.json is no file that .* wrote: No such file or directory$"):
        PropensityFile.load(tmp_path / "gone.json")


def test_means_of_weighed_searches_are_those_of_searches_that_come_as_often():
    rng = np.random.default_rng(0)
    found = rng.integers(0, 2, (60, 1)).astype(np.int32)
    weights = rng.integers(1, 4, 60)
    once = Targets.of([[1]] * 60)
    weighed = Targets(once.starts, once.documents, once.grades, weights.astype(float))
    often = np.repeat(np.arange(60), weights)
    by_weight = compare({"a": found}, weighed).mean("a", "recall@1")
    repeated = compare({"a": found[often]}, once.take(often)).mean("a", "recall@1")
    assert by_weight.mean == pytest.approx(repeated.mean)
    assert by_weight.low < by_weight.mean < by_weight.high
    assert by_weight.high - by_weight.low > repeated.high - repeated.low, "there are 60 searches, not more"


def test_the_shell_writes_the_file_and_the_chart(tmp_path):
    rows = [
        (f"s{at}", None, at, doc, place, at % 3 == 0)
        for at in range(30)
        for place, doc in enumerate("ab" if at % 2 else "ba", start=1)
    ]
    table = impressions(*rows)
    table = table.set_column(table.schema.get_field_index("query"), "query", pa.array(["q"] * len(table)))
    write_logs(tmp_path / "logs", {"documents": documents("ab"), "searchers": SEARCHERS, "impressions": table})
    (tmp_path / "vertical.yaml").write_text(dump_yaml(vertical()))
    written, plot = tmp_path / "p.json", tmp_path / "p.svg"
    options = ("--vertical", tmp_path / "vertical.yaml", "--ranks", "3", "--out", written, "--plot", plot)
    done = alicorn("propensity", tmp_path / "logs", *options)
    assert done.code == 0, done.err
    assert "documents that the log showed at several ranks" in done.out
    ranks = PropensityFile.load(written).ranks
    assert (ranks[1].value, ranks[2].value) == (pytest.approx(1.0), None)
    assert "<title>rank 2: 1.000" in plot.read_text()
    with pytest.raises(ConfigError, match="no file that"):
        PropensityFile.load(plot)
