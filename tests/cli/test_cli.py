"""Every verb on a tiny world: what it writes and prints, and how it refuses a user's mistake."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from shell import alicorn, files_below, succeed

from alicorn import Collection, Model, __version__
from alicorn.cli import app
from alicorn.evaluation.reports.comparison_report import SIMULATION
from alicorn.worlds import PEOPLE_VERTICAL

VERBS = sorted(typer.main.get_command(app).commands)
SEATTLE = json.dumps({"city": "Seattle", "clusters": ["c1"], "cluster_weights": [1.0]})


def name_of(loop, row: int = 7) -> tuple[str, str]:
    """(doc_id, name) of a person of the world."""
    documents = pq.read_table(loop.logs / "documents", columns=["doc_id", "name"])
    return documents["doc_id"][row].as_py(), documents["name"][row].as_py()


# -- the steps


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
    again = succeed(*train, "--resume", "--json").json()
    assert again["fingerprint"] == loop.trained.json()["fingerprint"]


def test_evaluate_prints_the_report_and_writes_it(loop, tmp_path):
    evaluate = ("evaluate", loop.model, "--logs", loop.pairs, "--k", "1,10", "--collection", loop.collection)
    report = succeed(*evaluate, "--out", tmp_path / "reports").out
    assert SIMULATION in report
    assert "| exact search |" in report
    assert "| quantized index |" in report
    assert files_below(tmp_path / "reports") == ["evaluation.json", "evaluation.md", "evaluation.svg"]
    assert (tmp_path / "reports" / "evaluation.md").read_text().strip() == report.strip()


def test_evaluate_as_json_through_the_index_and_from_the_log_folder(loop):
    found = succeed(
        *("evaluate", loop.model, "--logs", loop.logs, "--k", "1,10", "--searches", "50", "--json"),
        *("--collection", loop.collection, "--nprobe", "1000"),
    ).json()
    assert found["num_searches"] == 50
    assert found["measures"] == ["recall@1", "recall@10"]
    assert found["ratios"] == {"recall@1": 1.0, "recall@10": 1.0}, "every cluster is looked into"
    assert found["means"]["overall"]["exact search"]["recall@10"]["mean"] > 10 / 300


def test_evaluate_judges_what_is_found_and_counts_what_goes_on(loop, tmp_path):
    """Labels: the first word of a document's name means it, that of the next document does not."""
    documents = pq.read_table(loop.logs / "documents", columns=["doc_id", "name"]).slice(0, 60)
    ids, names = documents["doc_id"].to_pylist(), documents["name"].to_pylist()
    rows = [
        {"query": name.split()[0], "doc_id": doc_id, "grade": grade}
        for at, name in enumerate(names)
        for doc_id, grade in ((ids[at], 1.0), (ids[(at + 1) % 60], float(name.split()[0] in names[(at + 1) % 60])))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    evaluate = ("evaluate", loop.model, "--logs", loop.pairs, "--k", "1,10", "--collection", loop.collection)
    told = succeed(
        *evaluate, "--labels", tmp_path / "labels.parquet", "--control", "(or {terms})", "--pre-rank", "5", "--json"
    ).json()
    assert told["relevance"]["judge_auc"] > 0.95
    assert 0 < told["relevance"]["good"]["exact search"]["p_good@10"][0] < 1
    stages = told["stages"]
    assert stages["retrieved"][0] == 10 > stages["passed"][0] >= stages["pre_ranked"][0] > 0
    assert "--collection" in alicorn(*evaluate[:6], "--control", "(or {terms})").refusal()
    assert "no template" in alicorn(*evaluate, "--control", "(or {terms}").refusal()


def test_evaluate_a_model_that_publishes_under_a_key_of_its_own(loop):
    found = succeed("evaluate", loop.text_model, "--logs", loop.pairs, "--k", "10", "--json").json()
    assert found["means"]["overall"]["exact search"]["recall@10"]["mean"] > 10 / 300


def test_evaluate_takes_features_away_and_reports_what_is_lost(loop, tmp_path):
    evaluate = ("evaluate", loop.model, "--logs", loop.pairs, "--k", "1,10", "--ablate", "shuffle")
    report = succeed(*evaluate, "--out", tmp_path / "reports").out
    assert "## Without a feature" in report
    written = files_below(tmp_path / "reports")
    assert [name for name in written if name.startswith("ablation")] == ["ablation.json", "ablation.md", "ablation.svg"]
    lost = succeed(*evaluate, "--json").json()["ablation"]["differences"]["overall"]
    assert set(lost) == {
        f"{side}.{feature}"
        for side, text in (("request", "text"), ("document", "name"))
        for feature in (text, "city", "region", "country", "language", "clusters", "social")
    }
    assert lost["document.name"]["recall@10"]["high"] < 0
    assert "zero" in alicorn(*evaluate[:-1], "drop").usage_error()


def test_evaluate_tells_all_of_a_model_on_one_page(loop, tmp_path):
    page = tmp_path / "report.html"
    evaluate = ("evaluate", loop.model, "--logs", loop.pairs, "--k", "1,10", "--report", page)
    measured = succeed(*evaluate, "--json").json()
    text = page.read_text(encoding="utf-8")
    assert re.search(r"(src|href)=\"(?!#)", text) is None  # nothing outside of the file
    assert "<script" not in text
    for section in ("Provenance", "Training", "Recall by segment", "worth", "Wrong and right", "Map of the embedding"):
        assert section in text
    assert measured["model"] in text
    assert len(text) < 2_000_000
    succeed(*evaluate)
    assert page.read_text(encoding="utf-8") == text  # the same bytes again
    assert "in a folder that exists" in alicorn(*evaluate[:-1], tmp_path / "nowhere" / "report.html").refusal()
    assert "no column 'shoe_size'" in alicorn(*evaluate, "--map-by", "shoe_size").refusal()


def test_an_ensemble_is_a_model_for_every_verb(loop, tmp_path):
    both, collection = tmp_path / "both", tmp_path / "collection"
    make = ("ensemble", loop.text_model, loop.model, "--logs", loop.pairs, "--out", both)
    made = succeed(*make, "--json").json()
    assert (made["key"], made["dim"], made["weights"][0]) == ("people", 32, 1.0)
    assert made["recall@10"] >= made["recall@10 with equal weights"] > 10 / 300
    history = json.loads((both / "history.json").read_text())
    assert {"weights": made["weights"], "recall": made["recall@10"]} in history["tried"]
    assert "is there already" in alicorn(*make).refusal()
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
    assert "published with model" in alicorn("query", collection, "a:b", "--text", "x", "--model", loop.model).refusal()


def test_evaluate_a_cascade_over_depths(loop):
    done = succeed(
        *("evaluate", loop.text_model, "--logs", loop.pairs, "--collection", loop.collection, "--k", "1,10"),
        *("--rerank", loop.model, "--depths", "5,300", "--json"),
    ).json()
    assert {"first 5 re-ranked", "quantized index, first 5 re-ranked"} < set(done["systems"])
    alone = succeed("evaluate", loop.model, "--logs", loop.pairs, "--k", "1,10", "--json").json()
    every = done["means"]["overall"]["first 300 re-ranked"]
    assert every == alone["means"]["overall"]["exact search"], "re-ranking the whole corpus is the second model"


def test_a_selection_acts_without_training_again(loop, tmp_path):
    """In another version of the vertical: fewer documents, and no nn for short texts."""
    rules = "documents: [{kind: range, column: popularity, min: 30}], requests: [{kind: short, characters: 3}]"
    vertical, collection = tmp_path / "vertical.yaml", tmp_path / "collection"
    vertical.write_text(loop.vertical.read_text() + f"selection: {{{rules}}}\n")
    popularity = pq.read_table(loop.logs / "documents", columns=["popularity"])["popularity"].to_numpy()
    kept = int((popularity >= 30).sum())
    assert 0 < kept < 300
    model = ("--model", loop.model, "--vertical", vertical)
    done = succeed("publish", loop.logs / "documents", "--into", collection, *model, "--json")
    assert done.json()["documents"] == kept
    assert done.json()["left_out"] == {"popularity min 30": 300 - kept}
    assert f"left out, not popularity min 30: {300 - kept} documents" in done.err
    short = succeed("query", collection, "--text", "jo", *model, "--order-by", "nn=1,bm25=0.1", "--explain", "--json")
    assert short.json()["explanation"]["expression"] == "(and text:jo)"
    assert "answered without nn: the search is fewer than 3 characters" in " ".join(short.err.split())
    longer = succeed("query", collection, "--text", "joe", *model, "--explain", "--json")
    assert "(nn people" in longer.json()["explanation"]["expression"]
    assert "of a model" in alicorn("query", collection, "a:b", "--vertical", vertical).refusal()
    vertical.write_text(loop.vertical.read_text().replace("valid: 0.1", "valid: 0.2"))
    assert (
        "only its expressions and its selection may differ"
        in alicorn("query", collection, "--text", "joe", *model).refusal()
    )


def test_embed_writes_the_model_s_vectors(loop, tmp_path):
    out = tmp_path / "embeddings.parquet"
    done = succeed("embed", loop.model, "--documents", loop.logs / "documents", "--out", out, "--json")
    assert done.json() == {"documents": 300, "dim": 16, "key": "people", "out": str(out)}
    table, documents = pq.read_table(out), pq.read_table(loop.logs / "documents")
    assert table.column_names == ["doc_id", "embedding:people"]
    assert table["doc_id"].equals(documents["doc_id"])
    vectors = np.array(table["embedding:people"].to_pylist(), dtype=np.float32)
    np.testing.assert_allclose(vectors, Model.load(loop.model).encode_documents(documents), atol=1e-6)
    assert files_below(tmp_path) == ["embeddings.parquet"]


def test_publish_prints_what_it_did(loop):
    done = loop.published.json()
    assert done["documents"] == 300
    assert done["embeddings"] == {"people": 16, "people-text": 16}
    assert done["documents_per_s"] > 0


def test_verify_a_clean_collection(loop):
    found = succeed("verify", loop.collection, "--json").json()
    assert found["files"] > 2
    assert found["bytes"] > 300 * 16 * 4, "the vectors alone"
    assert "files" in succeed("verify", loop.collection).out


# -- tune


def test_tune_measures_recommends_and_applies(loop, tmp_path):
    collection = tmp_path / "collection"
    shutil.copytree(loop.collection, collection)
    tune = ("tune", collection, "--key", "people", "--out", tmp_path / "out", "--sample", "20", "--k", "5")
    found = succeed(*tune, "--grid", "num_clusters=8 codec=sq8,none", "--grid", "nprobe=1,8", "--json").json()
    assert [(point["settings"]["codec"], point["nprobe"]) for point in found["points"]] == [
        *(("sq8", 1), ("sq8", 8), ("none", 1), ("none", 8)),
    ]
    assert [point["recall"] for point in found["points"] if point["nprobe"] == 8] == [1.0, 1.0]
    assert files_below(tmp_path / "out") == ["tuning.json", "tuning.md", "tuning.svg"]
    with Collection.open(collection, read_only=True) as opened:
        assert opened.snapshot().quantizers["people"].version == 0
    shown = succeed(*tune, "--grid", "num_clusters=8 codec=none nprobe=8", "--apply").out
    assert "Recommended: ivf 8 clusters, none at nprobe 8" in shown
    assert "Ask: (nn people :k 5 :nprobe 8)" in shown
    with Collection.open(collection, read_only=True) as opened:
        assert opened.snapshot().quantizers["people"].settings.codec == "none"
        assert opened.snapshot().quantizers["people-text"].version == 0


def test_tune_refuses_mistakes_before_it_works(loop, tmp_path):
    tune = ("tune", loop.collection, "--out", tmp_path / "out", "--key")
    assert "no embedding 'persons' (it has: people, people-text)" in alicorn(*tune, "persons").refusal()
    assert "a grid is name=value,value" in alicorn(*tune, "people", "--grid", "codecs=sq8").refusal()
    queries = loop.logs / "documents"
    assert "a column 'embedding:people'" in alicorn(*tune, "people", "--queries", queries).refusal()


# -- query


def test_query_an_expression(loop):
    doc_id, name = name_of(loop)
    first, last = name.lower().split()[0], name.lower().split()[-1]
    done = succeed("query", loop.collection, f"(and text:{first} text:{last})")
    assert doc_id in done.out
    assert f"name: {name}" in done.out
    assert " of " in done.out.splitlines()[-1]


def test_interests_of_a_history_and_a_query_by_them(loop, tmp_path):
    out, activity = tmp_path / "interests.parquet", loop.logs / "activity"
    build = ("interests", activity, "--collection", loop.collection, "--out", out, "--key")
    told = succeed(*build, "people", "--threshold", "1.0", "--json").json()
    table = pq.read_table(out)
    assert told["searchers"] == len(table) > 0
    assert told["interests"] == sum(map(len, table["doc_ids"].to_pylist())) > len(table)
    row = max(table.to_pylist(), key=lambda row: len(row["doc_ids"]))
    ask = ("query", loop.collection, "--interests", out, "--of", row["searcher_id"], "--limit", "50", "--json")
    hits = [hit["doc_id"] for hit in succeed(*ask).json()["hits"]]
    assert len(set(row["doc_ids"]) & set(hits[:3])) >= min(3, len(row["doc_ids"]))  # a medoid is nearest to itself
    assert "the collection has people" in alicorn(*build, "persons").refusal()
    assert "is not in the table of interests" in alicorn(*ask[:-4], "nobody").refusal()
    assert "belong together" in alicorn("query", loop.collection, "--interests", out).refusal()


def test_query_as_json_has_total_hits_stored_columns_and_explanation(loop):
    done = succeed("query", loop.collection, "(range graduation_year :min 1900)", "--limit", "3", "--json", "--explain")
    answer = done.json()
    assert len(answer["hits"]) == 3 < answer["total"]
    assert answer["hits"][0]["stored"]["graduation_year"] >= 1900
    assert answer["explanation"]["actual"] == answer["total"]
    assert answer["notices"] == []
    assert "explanation" not in succeed("query", loop.collection, "(or)", "--json").json()


def test_query_as_json_has_null_for_a_stored_value_that_is_no_json_number(tmp_path):
    ratings = [float("nan"), float("-inf"), 4.5]
    with Collection.create(tmp_path / "c", embeddings={"v": 2}) as collection:
        collection.upsert(pa.table({"doc_id": ["a", "b", "c"], "terms": [["all:1"]] * 3, "rating": ratings}))
    done = succeed("query", tmp_path / "c", "all:1", "--json")
    assert "NaN" not in done.out
    assert "Infinity" not in done.out
    assert [hit["stored"]["rating"] for hit in done.json()["hits"]] == [None, None, 4.5]


@pytest.mark.parametrize("searcher", ["{}", SEATTLE])
def test_query_a_text_with_a_model_uses_the_vertical_s_hybrid_expression(loop, searcher):
    _, name = name_of(loop)
    hybrid = ("query", loop.collection, "--text", name, "--model", loop.model, "--searcher", searcher)
    answer = succeed(*hybrid, "--json", "--explain").json()
    assert answer["explanation"]["expression"].startswith("(or ")
    assert "(nn people :k 100 :nprobe" in answer["explanation"]["expression"]
    assert answer["hits"][0]["stored"]["name"] == name


def test_the_hybrid_expression_looks_for_the_key_of_the_model_that_is_given(loop):
    answer = succeed("query", loop.collection, "--text", "x", "--model", loop.text_model, "--json", "--explain").json()
    assert "(nn people-text " in answer["explanation"]["expression"]


def test_the_searcher_changes_the_answer_of_the_unified_embedding(loop):
    searchers = pq.read_table(loop.logs / "searchers").drop_columns("searcher_id").to_pylist()
    ask = ("query", loop.collection, "(nn people :k 3)", "--text", "maria", "--model", loop.model, "--json")
    answers = [succeed(*ask, "--searcher", json.dumps(searchers[row])).json()["hits"] for row in (0, 1)]
    assert answers[0] != answers[1]


def test_query_ordered_by_a_weighted_sum(loop):
    _, name = name_of(loop)
    first = name.lower().split()[0]
    ask = ("query", loop.collection, f"(or text:{first} (nn people :k 20))", "--text", name, "--model", loop.model)
    summed, by_nn = (succeed(*ask, "--order-by", order, "--json").json() for order in ("nn=0.7,bm25=0.3", "nn"))
    assert summed["total"] == by_nn["total"]
    scores = [hit["score"] for hit in summed["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.7, "a cosine of at most 1 weighs 0.7: the rest is BM25"


def test_explain_shows_every_node(loop):
    expression = "(or (difference text:a text:b) (range graduation_year :max 2000))"
    out = succeed("query", loop.collection, expression, "--explain").out
    for node in (expression, "(difference text:a text:b)", "text:a ", "(range graduation_year :max 2000)"):
        assert any(line.strip().startswith(node) for line in out.splitlines()), f"{node} in {out}"


def test_a_notice_stands_on_standard_error(loop):
    ask = ("query", loop.collection, "(and text:maria (nn people :k 3))", "--text", "maria", "--model", loop.model)
    done = succeed(*ask)
    assert "note: (and ... (nn people :k 3))" in " ".join(done.err.split())
    assert "note:" not in done.out


# -- mistakes


def test_nothing_to_ask_for(loop):
    assert "give an expression, or --text" in alicorn("query", loop.collection).refusal()
    assert "give its query with --text" in alicorn("query", loop.collection, "a:b", "--model", loop.model).refusal()
    assert "give its folder with --model" in alicorn("query", loop.collection, "a:b", "--text", "x").refusal()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(and text:john", "offset 0: this parenthesis is never closed"),
        ("(and text:john (nn people :radius -0.24))", "offset 34: (nn ...) needs radius in (0, 2]"),
        ("(or a:b (frobnicate c:d))", "offset 9: "),
        ("(or a:b (nn pepole :k 3))", "offset 8: the collection has no embedding 'pepole'"),
        ("(or a:b (nn people :k 3))", "offset 8: (nn people ...) needs the request's vector"),
        ("(range prize :min 1)", "'prize'"),
        ("", "offset 0: "),
    ],
)
def test_a_wrong_expression_is_refused_with_its_offset(loop, expression, message):
    assert message in alicorn("query", loop.collection, expression).refusal()


@pytest.mark.parametrize(
    ("searcher", "message"),
    [
        ("{city: 1}", "--searcher must be a JSON object of context columns: "),
        ('["Seattle"]', "--searcher must be a JSON object of context columns, got list"),
        ('{"citty": "Seattle"}', "did you mean 'city'?"),
        ('{"city": 7}', "'city'"),
        ('{"social": [0.5]}', "'social'"),
    ],
)
def test_a_wrong_searcher_is_refused(loop, searcher, message):
    ask = ("query", loop.collection, "--text", "maria", "--model", loop.model, "--searcher", searcher)
    assert message in alicorn(*ask).refusal()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("popularity", "allowed are nn, static_rank, bm25"),
        ("nn=much", "expected name=weight, such as nn=0.7,bm25=0.3, got 'nn=much'"),
        ("nn", "needs an (nn ...) in the expression"),
    ],
)
def test_a_wrong_order_is_refused(loop, order, message):
    assert message in alicorn("query", loop.collection, "text:maria", "--order-by", order).refusal()


@pytest.mark.parametrize("k", ["0,10", "ten", ""])
def test_wrong_cut_offs_are_refused(loop, k):
    assert "--k: " in alicorn("evaluate", loop.model, "--logs", loop.pairs, "--k", k).refusal()


def test_what_the_command_line_cannot_be(loop, tmp_path):
    assert "does not exist" in alicorn("query", tmp_path / "nothing", "a:b").usage_error()
    assert "'--limit'" in alicorn("query", loop.collection, "a:b", "--limit", "-1").usage_error()
    assert "No such option: --vertcal" in alicorn("mine", loop.logs, "--vertcal", "x", "--out", "y").usage_error()
    assert "'--out'" in alicorn("mine", loop.logs, "--vertical", loop.vertical).usage_error()
    assert "No such command 'qwery'" in alicorn("qwery").usage_error()


def test_folders_of_the_wrong_kind_are_refused(loop, tmp_path):
    out = tmp_path / "out"
    assert "holds no collection" in alicorn("query", loop.logs, "a:b").refusal()
    assert "holds no collection" in alicorn("verify", loop.pairs).refusal()
    assert "holds no finished model" in alicorn("evaluate", loop.pairs, "--logs", loop.pairs).refusal()
    assert "documents" in alicorn("mine", loop.model, "--vertical", loop.vertical, "--out", out).refusal()
    train = ("train", loop.logs, "--vertical", loop.vertical, "--recipe", loop.recipe, "--out", out)
    assert "no folder that `alicorn mine` wrote" in alicorn(*train).refusal()
    assert files_below(tmp_path) == []


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
    vertical.write_text(PEOPLE_VERTICAL.read_text().replace("dim: 32", "dim: 31", 1))
    train = ("train", loop.pairs, "--vertical", vertical, "--recipe", loop.recipe, "--out", tmp_path / "model")
    assert "another vertical" in alicorn(*train).refusal()
    assert not (tmp_path / "model").exists()


def test_logs_that_break_their_contract_leave_no_pairs(loop, tmp_path):
    logs, out = tmp_path / "logs", tmp_path / "pairs"
    shutil.copytree(loop.logs, logs)
    part = logs / "impressions" / "part-00000.parquet"
    whole = pq.read_table(part)
    pq.write_table(whole.drop_columns("clicked"), part)
    mine = ("mine", logs, "--vertical", loop.vertical, "--out", out)
    assert "table impressions: column 'clicked'" in alicorn(*mine).refusal()
    pq.write_table(whole, part)
    documents = logs / "documents" / "part-00000.parquet"
    pq.write_table(pq.read_table(documents).slice(50), documents)
    assert "not found in table documents" in alicorn(*mine).refusal()
    part.write_bytes(part.read_bytes()[:-100])
    assert "part-00000.parquet" in alicorn(*mine).refusal()
    assert not out.exists()


def test_embed_refuses_what_it_cannot_embed(loop, tmp_path):
    out = tmp_path / "embeddings.parquet"
    embed = ("embed", loop.model, "--out", out, "--documents")
    assert "column 'doc_id' is missing" in alicorn(*embed, loop.logs / "searchers").refusal()
    assert "cannot be read as Parquet" in alicorn(*embed, loop.vertical).refusal()
    assert "column 'name'" in alicorn(*embed, _only(loop, tmp_path, ["doc_id"])).refusal()
    documents = ("--documents", loop.logs / "documents")
    assert "folder that exists" in alicorn("embed", loop.model, *documents, "--out", tmp_path / "no" / "e").refusal()
    assert files_below(tmp_path) == ["only.parquet"]


def _only(loop, folder: Path, columns: list[str]) -> Path:
    pq.write_table(pq.read_table(loop.logs / "documents", columns=columns), folder / "only.parquet")
    return folder / "only.parquet"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_verify_names_a_damaged_file(loop, tmp_path, damage):
    collection = tmp_path / "collection"
    shutil.copytree(loop.collection, collection)
    victim = max((collection / "segments").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(victim.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif damage == "truncate":
        victim.write_bytes(content[:-1])
    else:
        victim.unlink()
    done = alicorn("verify", collection)
    assert done.code == 2
    assert done.err.startswith("alicorn: ")
    assert victim.name in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert alicorn("query", collection, "text:john").code == 2


def test_a_model_of_a_newer_format_or_with_a_truncated_file_is_refused(loop, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(loop.model, model)
    weights = (model / "weights.pt").read_bytes()
    (model / "weights.pt").write_bytes(weights[:-1])
    ask = ("query", loop.collection, "--text", "x", "--model", model)
    assert "truncated or was changed" in alicorn(*ask).refusal()
    (model / "weights.pt").write_bytes(weights)
    header = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(header | {"format": 99}))
    assert "upgrade alicorn" in alicorn(*ask).refusal()


# -- the command itself


@pytest.mark.parametrize("verb", VERBS)
def test_help_teaches_by_an_example(verb):
    shown = succeed(verb, "--help").out
    assert "Example" in shown
    assert f"alicorn {verb} " in shown


def test_help_of_the_command_names_every_verb():
    shown = succeed("--help").out
    assert set(VERBS) >= {"demo", "mine", "train", "evaluate", "embed", "publish", "query", "serve", "verify"}
    for verb in VERBS:
        assert f" {verb} " in shown


def test_version():
    assert succeed("--version").out == f"alicorn {__version__}\n"


def test_as_a_process(loop):
    """Exit code, and which output carries what, without anything of this test's own in between."""

    def run(*args):
        program = "from alicorn.cli import main; main()"
        return subprocess.run([sys.executable, "-W", "error", "-c", program, *args], capture_output=True, text=True)

    done = run(
        "query", str(loop.collection), "(nn people :k 3)", "--text", "maria", "--model", str(loop.model), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["hits"]) == 3
    assert [line for line in done.stderr.splitlines() if "is compiling its loops" not in line] == []
    done = run("query", str(loop.collection), "(and text:john")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == ["alicorn: offset 0: this parenthesis is never closed: add )"]


def test_serve_hands_over_what_it_was_given(loop, monkeypatch):
    served = []
    monkeypatch.setattr("alicorn.serving.serve", lambda collection, models, **rest: served.append((models, rest)))
    succeed("serve", loop.collection, "--model", loop.model, "--searchers", loop.logs / "searchers", "--port", "0")
    ((models, rest),) = served
    assert [model.key for model in models] == ["people"]
    assert rest == {"searchers": loop.logs / "searchers", "served_log": None, "host": "127.0.0.1", "port": 0}


def test_reading_a_collection_changes_none_of_its_files(loop):
    def contents():
        files = (path for path in loop.collection.rglob("*") if path.is_file())
        return {path.name: path.read_bytes() for path in files if not path.name.endswith(("-shm", "-wal"))}

    before = contents()
    succeed("query", loop.collection, "text:john")
    succeed("verify", loop.collection)
    assert contents() == before
