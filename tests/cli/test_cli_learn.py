"""mine, train, ensemble, interests: what each writes and prints, and how it refuses a user's mistake."""

import json
import shutil

import pyarrow.parquet as pq
import yaml
from shell import alicorn, name_of, succeed

from alicorn import Model
from alicorn.worlds import PEOPLE_VERTICAL


def test_mine_writes_pairs_and_prints_counts(loop, tmp_path):
    counts = loop.mined.json()
    assert counts["documents_read"] == 300
    assert counts["searches"] == 800 == sum(counts[f"searches_{split}"] for split in ("train", "valid", "test"))
    assert pq.read_metadata(loop.pairs / "pairs.parquet").num_rows == counts["pairs"]
    shown = succeed("mine", loop.logs, "--vertical", loop.vertical, "--out", tmp_path / "pairs").out
    assert dict(line.split() for line in shown.splitlines())["searches"] == "800"


def test_train_writes_a_model_that_learned_and_says_so_on_standard_error(loop):
    summary = loop.trained.json()
    assert summary["epochs"] == 2
    assert summary["recall"]["10"] > 10 / 300, "better than chance"
    assert "epoch 2" in loop.trained.err
    model = Model.load(loop.model)
    assert (model.key, model.dim, model.fingerprint) == ("people", 16, summary["fingerprint"])


def test_train_resumes_what_was_finished_without_changing_it_and_refuses_to_overwrite(loop, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(loop.model, model)
    train = ("train", loop.pairs, "--vertical", loop.vertical, "--recipe", loop.recipe, "--out", model)
    assert "already holds a model" in alicorn(*train).refusal()
    wrong = ("train", loop.text_model, *train[2:], "--overwrite")
    assert "alicorn mine" in alicorn(*wrong).refusal()
    again = succeed(*train, "--resume", "--json").json()
    assert again["fingerprint"] == loop.trained.json()["fingerprint"]


def test_an_ensemble_is_a_model_for_every_verb(loop, tmp_path):
    both, collection = tmp_path / "both", tmp_path / "collection"
    make = ("ensemble", loop.text_model, loop.model, "--logs", loop.pairs, "--out", both)
    made = succeed(*make, "--json").json()
    assert (made["key"], made["dim"], made["weights"][0]) == ("people", 32, 1.0)
    assert made["recall@10"] >= made["recall@10 with equal weights"] > 10 / 300
    history = json.loads((both / "history.json").read_text())
    assert {"weights": made["weights"], "recall": made["recall@10"]} in history["tried"]
    assert "exists and is not empty" in alicorn(*make).refusal()
    documents = loop.logs / "documents"
    assert (
        succeed("embed", both, "--documents", documents, "--out", tmp_path / "e.parquet", "--json").json()["dim"] == 32
    )
    done = succeed("publish", documents, "--into", collection, "--model", both, "--json").json()
    assert done["embeddings"] == {"people": 32}
    found = succeed("evaluate", both, "--logs", loop.pairs, "--collection", collection, "--k", "10", "--json").json()
    assert found["ratios"]["recall@10"] > 0.9
    _, name = name_of(loop)
    hits = succeed("query", collection, "--text", name, "--model", both, "--json").json()["hits"]
    assert hits[0]["stored"]["name"] == name
    query = ("query", collection, "--text", name, "--model", both, "--limit", "1", "--highlight")
    assert " ".join(f"**{word}**" for word in name.split()) in succeed(*query).out
    place = succeed(*query, "--json").json()["hits"][0]["highlights"]["name"][0]
    assert name[place["start"] : place["end"]] == name.split()[0]
    assert "give a model" in alicorn("query", collection, "text:x", "--highlight").refusal()
    assert "published with model" in alicorn("query", collection, "a:b", "--text", "x", "--model", loop.model).refusal()


def test_a_wrong_yaml_is_refused(loop, tmp_path):
    vertical, recipe, out = tmp_path / "v.yaml", tmp_path / "r.yaml", tmp_path / "out"
    vertical.write_text(PEOPLE_VERTICAL.read_text().replace("static_rank:", "static_rnak:"))
    mine = ("mine", loop.logs, "--vertical", vertical, "--out", out)
    assert "unknown key 'static_rnak' at document; did you mean 'static_rank'?" in alicorn(*mine).refusal()
    recipe.write_text("epochs: many\n")
    train = ("train", loop.pairs, "--vertical", loop.vertical, "--recipe", recipe, "--out", out)
    assert "epochs" in alicorn(*train).refusal()
    recipe.write_text("epochs: [1\n")
    assert "r.yaml: not valid YAML: line 2, column 1: expected ',' or ']'" in alicorn(*train).refusal()
    assert not out.exists()


def test_a_model_of_another_vertical_s_pairs_is_refused(loop, tmp_path):
    vertical = tmp_path / "vertical.yaml"
    vertical.write_text(PEOPLE_VERTICAL.read_text().replace("valid: 0.1", "valid: 0.3"))
    train = ("train", loop.pairs, "--vertical", vertical, "--recipe", loop.recipe, "--out", tmp_path / "model")
    assert "was mined with another split than" in alicorn(*train).refusal()
    assert not (tmp_path / "model").exists()


def test_logs_that_break_their_contract_leave_no_pairs(loop, tmp_path):
    logs, out = tmp_path / "logs", tmp_path / "pairs"
    shutil.copytree(loop.logs, logs)
    part = logs / "impressions" / "part-00000.parquet"
    whole = pq.read_table(part)
    pq.write_table(whole.drop_columns("query"), part)
    mine = ("mine", logs, "--vertical", loop.vertical, "--out", out)
    assert "table impressions: column 'query'" in alicorn(*mine).refusal()
    pq.write_table(whole, part)
    documents = logs / "documents" / "part-00000.parquet"
    pq.write_table(pq.read_table(documents).slice(50), documents)
    assert "not found in table documents" in alicorn(*mine).refusal()
    part.write_bytes(part.read_bytes()[:-100])
    assert "part-00000.parquet" in alicorn(*mine).refusal()
    assert not out.exists()


def test_a_model_of_a_newer_format_or_with_a_truncated_file_is_refused(loop, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(loop.model, model)
    weights = (model / "weights.safetensors").read_bytes()
    (model / "weights.safetensors").write_bytes(weights[:-1])
    ask = ("query", loop.collection, "--text", "x", "--model", model)
    assert "truncated or was changed" in alicorn(*ask).refusal()
    (model / "weights.safetensors").write_bytes(weights)
    header = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(header | {"format": 99}))
    assert "upgrade alicorn" in alicorn(*ask).refusal()


def test_towers_learn_the_margins_of_a_teacher(loop, tmp_path):
    """The word-overlap judge learns from the log's choices; its margins of shown documents are then learned."""
    pairs, recipe = tmp_path / "pairs", tmp_path / "recipe.yaml"
    judge = "alicorn.evaluation.judges.word_overlap:teacher"
    mine = ("mine", loop.logs, "--vertical", loop.vertical, "--out", pairs)
    counts = succeed(*mine, "--teacher", judge, "--json").json()
    assert counts["scores"] == pq.read_metadata(pairs / "scores.parquet").num_rows > 300
    plain = yaml.safe_load(loop.recipe.read_text()) | {
        "negatives": {"non_click": 2, "random": 0, "in_batch": False},
        "loss": {"kind": "margin_mse", "scale": 10},
        "optimizer": {"rate": 0.0005, "table_rate": 0.005},
    }
    recipe.write_text(yaml.safe_dump(plain))
    train = ("train", pairs, "--vertical", loop.vertical, "--recipe", recipe, "--out", tmp_path / "model")
    succeed(*train)
    losses = [epoch["loss"] for epoch in json.loads((tmp_path / "model" / "history.json").read_text())["epochs"]]
    assert losses[2] < losses[1]
    for name in ("nonesuch:score", "alicorn.evaluation.judges.word_overlap:nonesuch", "json"):
        assert "module:function" in alicorn(*mine, "--overwrite", "--teacher", name).refusal()
