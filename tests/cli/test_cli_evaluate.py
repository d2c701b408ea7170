"""evaluate: each report that it prints and writes, and the cut-offs that it refuses."""

import re
from pathlib import Path
from shutil import copytree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import alicorn, files_below, succeed

from alicorn.evaluation.reports.comparison_report import SIMULATION


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
        *("--collection", loop.collection, "--index-recall", "1"),
    ).json()
    assert found["num_searches"] == 50
    assert found["measures"] == ["recall@1", "recall@10", "NDCG@10", "MRR@10", "empty", "ms"]
    assert found["split"] == "valid"
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


def test_evaluate_a_cascade_over_depths(loop):
    done = succeed(
        *("evaluate", loop.text_model, "--logs", loop.pairs, "--collection", loop.collection, "--k", "1,10"),
        *("--rerank", loop.model, "--depths", "5,300", "--json"),
    ).json()
    assert {"first 5 re-ranked", "quantized index, first 5 re-ranked"} < set(done["systems"])
    alone = succeed("evaluate", loop.model, "--logs", loop.pairs, "--k", "1,10", "--json").json()
    every = done["means"]["overall"]["first 300 re-ranked"]
    del every["ms"]  # of the engine; a cascade is not asked of it
    assert every == alone["means"]["overall"]["exact search"], "re-ranking the whole corpus is the second model"


def test_evaluate_scores_what_is_served_beside_another_model(loop, tmp_path):
    """By the file's order, over the test split, whose looks are counted; the runs are written."""
    order = "order: {hybrid: {nn: 1, bm25: {weight: 0.3, half_at: 8}}}"
    (tmp_path / "vertical.yaml").write_text(f"{loop.vertical.read_text().partition('order:')[0]}{order}\n")
    model, text_model = (Path(copytree(one, tmp_path / one.name)) for one in (loop.model, loop.text_model))
    evaluate = ("evaluate", model, "--logs", loop.pairs, "--k", "1,10", "--collection", loop.collection)
    served = (*evaluate, "--vertical", tmp_path / "vertical.yaml", "--json")
    found = succeed(*served, "--compare", text_model, "--run", tmp_path / "run.trec").json()
    systems = {"Boolean", "BM25, any word", "nn", "hybrid", "hybrid, by nn", "hybrid, by rrf"}
    assert systems | {f"{text_model.name}: hybrid", "exact search"} < set(found["systems"])
    assert found["baseline"] == "hybrid"
    assert "half_at" in found["served"]
    assert (tmp_path / "run-hybrid.trec").read_text().split()[1] == "Q0"
    assert "looks_at_test" not in found
    assert succeed(*served, "--split", "test").json()["looks_at_test"] == 1
    report = succeed(*evaluate, "--split", "test", "--compare", text_model).out
    assert "looked at 2 times" in report
    assert [(one / "test_looks.json").exists() for one in (model, text_model)] == [True, True]
    assert "scores what is served" in alicorn(*evaluate[:6], "--compare", tmp_path / "vertical.yaml").refusal()
    assert "scores what is served" in alicorn(*evaluate[:6], "--compare", loop.collection).refusal()
    assert "is no folder of a model, nor of a collection" in alicorn(*evaluate, "--compare", loop.pairs).refusal()
    assert "for the control of a vertical" in alicorn(*evaluate, "--intents", tmp_path / "run-hybrid.trec").refusal()
    assert (
        "takes one model, one vertical and one collection"
        in alicorn(*evaluate, "--compare", model, "--compare", text_model).refusal()
    )


def test_two_models_are_compared_by_exact_search_where_there_is_no_collection(loop, tmp_path):
    text_model = Path(copytree(loop.text_model, tmp_path / "text"))
    evaluate = ("evaluate", loop.model, "--logs", loop.pairs, "--k", "1,10", "--json")
    found = succeed(*evaluate, "--compare", text_model).json()
    assert set(found["systems"]) == {"exact search", "text: exact search"}
    assert found["baseline"] == "exact search"
    alone = succeed("evaluate", text_model, *evaluate[2:]).json()
    means = (found["means"]["overall"]["text: exact search"], alone["means"]["overall"]["exact search"])
    assert means[0] == means[1], "as it is evaluated by itself, over the same searches"
    assert found["means"]["overall"]["exact search"] != means[0]


@pytest.mark.parametrize("k", ["0,10", "ten", ""])
def test_wrong_cut_offs_are_refused(loop, k):
    assert "--k: " in alicorn("evaluate", loop.model, "--logs", loop.pairs, "--k", k).refusal()
