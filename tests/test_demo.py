"""The demo: the whole loop small, what it leaves, what it refuses; and, slow, what issue and README claim of it."""

import json
import re

import pyarrow.parquet as pq
import pytest
from shell import alicorn, files_below, succeed

from alicorn import Collection, Model
from alicorn.demo import BM25, BOOLEAN, HYBRID, INDEX, TEXT, UNIFIED
from alicorn.evaluation.reports.comparison_report import SIMULATION

SYSTEMS = (BOOLEAN, BM25, TEXT, UNIFIED, INDEX, HYBRID)
LEFT = {"logs", "pairs", "vertical.yaml", "recipe.yaml", "text_recipe.yaml", "model-text", "model-unified"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """(folder, what was printed) of a demo of 400 people and 1,500 searches."""
    out = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alicorn.demo.NUM_SEARCHES", {"small": 1500})
        patch.setattr("alicorn.worlds.people.world.SIZES", {"small": (400, 1500)})
        done = succeed("demo", "--out", out, "--no-serve", "--seed", "3")
    return out, done


def test_it_leaves_every_step_s_files_and_nothing_else(tiny):
    out, _ = tiny
    assert {path.name for path in out.iterdir()} == LEFT | {"collection", "reports"}
    assert {"documents", "impressions", "searchers", "activity"} <= {path.name for path in (out / "logs").iterdir()}
    assert {path.name for path in (out / "reports").iterdir()} == {"report.md", "report.json", "report.svg"}
    assert not [name for name in files_below(out) if re.search(r"tmp|temp|production|publishing|checkpoint", name)]


def test_it_prints_progress_tables_and_examples(tiny):
    _, done = tiny
    for step in (
        "generate the people world",
        "mine the log",
        "train the text",
        "train the unified",
        "publish",
        "evaluate",
    ):
        assert step in done.err
    assert " ".join(SIMULATION.split()) in " ".join(done.err.split())
    for system in SYSTEMS:
        assert system in done.err
    for heading in ("recall@1", "recall@10", "recall@100", "overall (", "misspelled (", "ambiguous ("):
        assert heading in done.err
    assert "of exact search" in done.err
    assert done.err.count(" by a searcher in ") in (4, 5)
    assert done.out == "", "results of a verb go to standard output; the demo's are for reading"


def test_every_verb_goes_on_from_its_folder(tiny):
    out, done = tiny
    (suggested,) = re.findall(r"^ +alicorn (query .*)$", done.err, re.MULTILINE)
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", suggested)]
    assert "(nn people " in succeed(*words).out
    succeed("verify", out / "collection")
    for name in ("text", "unified"):
        succeed("evaluate", out / f"model-{name}", "--logs", out / "pairs", "--k", "10")
    with Collection.open(out / "collection", read_only=True) as collection:
        assert collection.embeddings == {"people": 64, "people-text": 64}


def test_the_report_has_what_was_printed(tiny):
    out, done = tiny
    content = json.loads((out / "reports" / "report.json").read_text())
    assert set(content["systems"]) == set(SYSTEMS)
    assert content["baseline"] == TEXT
    assert content["measures"] == ["recall@1", "recall@10", "recall@100"]
    assert SIMULATION in (out / "reports" / "report.md").read_text()
    mean = content["means"]["overall"][HYBRID]["recall@10"]["mean"]
    assert f"{mean:.3f}" in done.err


def test_its_reader_can_tell_the_text_from_the_unified_embedding(tiny):
    out, _ = tiny
    text, unified = (Model.load(out / f"model-{name}") for name in ("text", "unified"))
    assert list(text.requests.features) == ["text"]
    assert {"text", "city", "social", "clusters"} <= set(unified.requests.features)


def test_it_replaces_an_earlier_demo_and_nothing_else(tiny, tmp_path, monkeypatch):
    out, _ = tiny
    (tmp_path / "thesis.txt").write_text("mine")
    assert "not the folder of an earlier demo" in alicorn("demo", "--out", tmp_path, "--no-serve").refusal()
    assert "is a file" in alicorn("demo", "--out", tmp_path / "thesis.txt", "--no-serve").refusal()
    assert files_below(tmp_path) == ["thesis.txt"]
    assert "'--seed'" in alicorn("demo", "--out", out, "--no-serve", "--seed", "-1").usage_error()
    assert "'--size'" in alicorn("demo", "--out", out, "--size", "huge").usage_error()
    assert (out / "collection").exists()


def test_serve_is_given_both_models_and_a_log(tiny, monkeypatch):
    out, _ = tiny
    served = []
    monkeypatch.setattr("alicorn.demo.run_demo", lambda *args: None)
    monkeypatch.setattr("alicorn.serving.serve", lambda *args, **rest: served.append((args, rest)))
    assert "http://127.0.0.1:8123/" in succeed("demo", "--out", out, "--port", "8123").err
    (((collection, models), rest),) = served
    assert collection == out / "collection"
    assert [model.key for model in models] == ["people-text", "people"]
    assert rest["searchers"].exists()
    assert rest["served_log"] == out / "served"
    assert rest["port"] == 8123


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The report of the real small demo."""
    out = tmp_path_factory.mktemp("small") / "out"
    succeed("demo", "--out", out, "--no-serve")
    assert pq.ParquetDataset(out / "logs" / "searchers").read(columns=["searcher_id"]).num_rows == 20_000
    return json.loads((out / "reports" / "report.json").read_text())


def recall(report, system, segment="overall", k=10):
    return report["means"][segment][system][f"recall@{k}"]["mean"]


@pytest.mark.slow
def test_unified_beats_text_beyond_doubt_and_most_on_ambiguous_names(small):
    gains = {name: systems[UNIFIED]["recall@1"] for name, systems in small["differences"].items()}
    assert gains["overall"]["low"] > 0
    assert gains["ambiguous"]["low"] > 0
    assert max(("exact", "misspelled", "nickname", "ambiguous"), key=lambda name: gains[name]["mean"]) == "ambiguous"
    assert small["differences"]["overall"][UNIFIED]["recall@10"]["low"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("segment", ["misspelled", "nickname"])
def test_hybrid_finds_what_boolean_cannot(small, segment):
    assert recall(small, BOOLEAN, segment) < 0.05
    assert recall(small, HYBRID, segment) > 0.5


@pytest.mark.slow
def test_hybrid_keeps_what_boolean_finds(small):
    assert recall(small, HYBRID, "exact") >= recall(small, BOOLEAN, "exact")
    assert recall(small, HYBRID, k=100) > recall(small, BM25, k=100)


@pytest.mark.slow
def test_the_quantized_index_keeps_98_percent_of_exact_recall(small):
    assert recall(small, INDEX, k=100) >= 0.98 * recall(small, UNIFIED, k=100)
