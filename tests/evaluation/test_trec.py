"""TREC files: a run that ir_measures scores as we do, qrels as graded targets, and what is refused."""

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, Success, nDCG

from alicorn.errors import ConfigError, TableError
from alicorn.evaluation.metrics.ranking import ndcg_at, recall_at, reciprocal_rank_at, success_at
from alicorn.evaluation.searches import read_searches
from alicorn.evaluation.trec import judged_searches, read_qrels, write_runs


def test_a_written_run_is_scored_by_ir_measures_as_by_us(pairs, tmp_path):
    searches = read_searches(pairs)
    rng = np.random.default_rng(3)
    lines = []
    for row, search_id in enumerate(searches.search_ids.to_pylist()):
        known = int(searches.targets.documents[searches.targets.starts[row]])
        for number in {known, *rng.integers(0, 200, 3).tolist()}:
            doc_id = searches.documents["doc_id"][number].as_py()
            lines.append(f"{search_id} 0 {doc_id} {rng.integers(0, 4)}\n")
    (tmp_path / "qrels").write_text("".join(lines))
    judged = judged_searches(tmp_path / "qrels", searches, 10_000, seed=0)
    run = np.array([rng.permutation(200)[:20] for _ in range(len(judged))], dtype=np.int32)
    run[3, 7:] = -1
    paths = write_runs({"hybrid, by rrf": run, "nn": run[:, :5]}, judged, tmp_path / "runs" / "my.txt")
    assert [path.name for path in paths] == ["my-hybrid-by-rrf.txt", "my-nn.txt"]
    measures = {
        nDCG @ 10: ndcg_at(run, judged.targets, 10),
        R @ 20: recall_at(run, judged.targets, 20),
        RR @ 10: reciprocal_rank_at(run, judged.targets, 10),
        Success @ 20: success_at(run, judged.targets, 20),
    }
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels")))
    by_theirs = {}
    for metric in ir_measures.iter_calc(measures, qrels, ir_measures.read_trec_run(str(paths[0]))):
        by_theirs[metric.query_id, metric.measure] = metric.value
    for measure, values in measures.items():
        for search_id, value in zip(judged.search_ids.to_pylist(), values, strict=True):
            assert by_theirs[search_id, measure] == pytest.approx(value), (search_id, measure)


def test_judged_searches_are_a_sample_with_their_requests(pairs, tmp_path):
    searches = read_searches(pairs)
    (tmp_path / "qrels").write_text(
        "t20 0 d1 2\nt20 0 nowhere 1\nt20 0 d2 -1\nt30 0 d5 0\nt44 0 d7 1\n\nother 0 d1 1\n"
    )
    judged = judged_searches(tmp_path / "qrels", searches, 10, seed=0)
    assert judged.search_ids.to_pylist() == ["t20", "t44"], "t30 has no relevant document"
    ids = searches.documents["doc_id"].to_pylist()
    assert judged.targets.documents.tolist() == [ids.index("d1"), -1, ids.index("d2"), ids.index("d7")]
    assert judged.targets.grades.tolist() == [2, 1, 0, 1]
    at = searches.search_ids.to_pylist().index("t44")
    assert judged.queries[1] == searches.queries[at]
    assert judged.segments[1] == searches.segments[at]
    assert len(judged_searches(tmp_path / "qrels", searches, 1, seed=0)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t20 0 d1\n", "line 1: expected `search_id 0 document grade`"),
        ("t20 0 d1 good\n", "line 1: expected"),
        ("\nt20 0 d1 nan\n", "line 2: a grade is a finite number, got nan"),
        ("t20 0 d1 1\nt20 0 d1 2\n", "line 2: t20 and d1 are judged twice"),
    ],
)
def test_a_line_that_is_no_judgement_is_refused(tmp_path, text, message):
    (tmp_path / "qrels").write_text(text)
    with pytest.raises(TableError, match=message):
        read_qrels(tmp_path / "qrels")


def test_qrels_of_other_searches_and_ids_with_blanks_are_refused(pairs, tmp_path):
    searches = read_searches(pairs)
    (tmp_path / "qrels").write_text("q1 0 d1 1\n")
    with pytest.raises(TableError, match="no search_id of the test split has a judgement above 0"):
        judged_searches(tmp_path / "qrels", searches, 10, seed=0)
    renamed = searches.documents.set_column(0, "doc_id", [[f"a {i}" for i in range(200)]])
    from dataclasses import replace

    with pytest.raises(ConfigError, match="doc_id 'a 0' has one"):
        write_runs({"nn": np.zeros((1, 1), dtype=np.int32)}, replace(searches, documents=renamed), tmp_path / "run")
