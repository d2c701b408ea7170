"""The hits of a text pass the stages of ranking.yaml; every caller of a Retriever gets the same answer."""

from dataclasses import replace

import numpy as np
import pytest
from ranked_people import FEATURES, save_ranker
from served_people import SEARCHERS, TEXT, UNIFIED, VERTICAL, Model, make_collection

from alicorn.config import parse_config
from alicorn.errors import AlicornError, ConfigError, ModelError
from alicorn.ranking.ranker import Ranker
from alicorn.ranking.stages import Pipeline
from alicorn.ranking.stages.explained import explained
from alicorn.ranking.stages.pipeline import RankingConfig, vertical_of
from alicorn.retrieval.channels import lineage
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.vertical.expressions import Expressions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def collection(folder):
    with make_collection(folder / "collection") as opened:
        yield opened


@pytest.fixture(scope="module")
def ranker(folder, collection):
    return save_ranker(folder / "ranker")


def retriever_of(collection, path):
    ranking = Pipeline.load(path, VERTICAL, collection)
    return Retriever(collection, [UNIFIED, TEXT], Searchers(VERTICAL, SEARCHERS), ranking)


@pytest.fixture
def staged(folder, collection, ranker):
    """An answer to `john`, whose searcher is in Oslo, by a ranking.yaml of these stages."""

    def answer(stages, explain=False, candidates=200, **asked):
        path = folder / "ranking.yaml"
        path.write_text(f"ranker: ranker\ncandidates: {candidates}\nstages: {stages}\n")
        retriever = retriever_of(collection, path)
        return retriever.search(retriever.request(text="john", searcher="p3", **asked), explain)

    return answer


def test_the_forest_of_a_folder_orders_the_hits(collection, ranker):
    retriever = retriever_of(collection, ranker)
    result = retriever.search(retriever.request(text="john", searcher="p3"))
    assert result.ids == ["p/4", "p3", "p2", "p1"]  # of static rank 1, 2, 3, 4
    assert result.scores.tolist() == Ranker.load(ranker).forest.score(result.features).tolist()
    rank, city = (result.features[:, FEATURES.names.index(name)].tolist() for name in ("rank", "same_city"))
    assert rank == [1.0, 2.0, 3.0, 4.0]
    assert city == [0.0, 1.0, 0.0, 1.0]
    assert result.total == 4
    assert result.cursor is None


def test_an_order_or_an_expression_of_ones_own_is_not_ranked(collection, ranker):
    retriever, plain = retriever_of(collection, ranker), Retriever(collection, [UNIFIED])
    for asked in ({"text": "john", "order_by": "static_rank"}, {"expression": "text:john"}):
        ranked, before = (each.search(each.request(**asked)) for each in (retriever, plain))
        assert ranked.ids == before.ids
        assert ranked.features is None


def test_pages_are_parts_of_one_order(collection, ranker):
    retriever = retriever_of(collection, ranker)
    pages = [retriever.search(retriever.request(text="john", limit=1, offset=at)).ids[0] for at in range(4)]
    assert pages == retriever.search(retriever.request(text="john")).ids
    assert retriever.search(retriever.request(text="john", limit=0)).ids == []


def test_a_cursor_is_refused_where_pages_are_ranked(collection, ranker):
    retriever = retriever_of(collection, ranker)
    first = retriever.search(retriever.request(text="john", order_by="static_rank", limit=2))
    with pytest.raises(AlicornError, match="ask for the next page by offset, or give an order_by"):
        retriever.request(text="john", limit=2, after=first.cursor)
    second = retriever.search(retriever.request(text="john", order_by="static_rank", limit=2, after=first.cursor))
    assert len({*first.ids, *second.ids}) == 4


def test_what_is_behind_the_candidates_follows_in_the_order_of_the_expression(staged, collection):
    plain = Retriever(collection, [UNIFIED], Searchers(VERTICAL, SEARCHERS))
    before = plain.search(plain.request(text="john", searcher="p3")).ids
    result = staged("[{kind: forest}]", candidates=2)
    assert set(result.ids[:2]) == set(before[:2])
    assert result.ids[2:] == before[2:]
    assert np.isneginf(result.scores[2:]).all()
    kept = staged("[{kind: sum, weights: {rank: 1}, keep: 2}, {kind: forest}]")
    assert kept.ids == ["p2", "p1", "p3", "p/4"]  # the two of the greatest rank, the better by the forest first


def test_a_sum_orders_by_its_weights_and_missing_adds_nothing(staged):
    assert staged("[{kind: sum, weights: {rank: 1, same_city: 10}}]").ids == ["p1", "p3", "p2", "p/4"]


def test_a_filter_takes_hits_away(staged):
    result = staged("[{kind: filter, feature: matched, at_least: 0.5}]")
    assert set(result.ids) == {"p1", "p2", "p/4"}
    assert result.total == 4


def test_at_most_n_of_a_value_come_first(staged):
    result = staged("[{kind: sum, weights: {rank: 1}}, {kind: at_most, column: name, most: 1}]")
    assert result.ids == ["p1", "p2", "p3", "p/4"]  # p1 and p/4 have one name
    result = staged("[{kind: sum, weights: {rank: -1}}, {kind: at_most, column: city, most: 1}]")
    assert result.ids == ["p/4", "p3", "p2", "p1"]


def stored_vectors(result):
    vectors = {}
    for at, doc_id in enumerate(result.ids):
        view, number = result.address(at)
        block = view.segment.embeddings["people"]
        vectors[doc_id] = block.stored(block.rows_of[[number]])[0].astype(np.float64)
    return vectors


def test_a_determinantal_choice_has_the_greatest_determinants(staged):
    by_rank = staged("[{kind: sum, weights: {rank: 1}}]")
    vectors, left = stored_vectors(by_rank), dict(zip(by_rank.ids, (by_rank.scores - 1) / 3, strict=True))
    for relevance in (0.2, 0.9):
        stages = f"[{{kind: sum, weights: {{rank: 1}}}}, {{kind: determinantal, key: people, relevance: {relevance}}}]"
        result = staged(stages).ids
        for count in range(1, 4):  # the fourth is a copy of one of them

            def gain(one, before=result[: count - 1], relevance=relevance):
                own = np.array([vectors[doc_id] for doc_id in (*before, one)])
                return relevance * left[one] + (1 - relevance) * np.linalg.slogdet((1 + own @ own.T) / 2)[1]

            assert result[count - 1] == max(set(left) - set(result[: count - 1]), key=gain)
    assert result[3] in ("p2", "p/4"), "John Smyth and John Smith of Bergen have the same vector"
    assert staged("[{kind: sum, weights: {rank: 1}}, {kind: determinantal, key: people, first: 1}]").ids == by_rank.ids


def test_diverse_hits_are_those_of_a_greedy_choice(staged):
    by_rank = staged("[{kind: sum, weights: {rank: 1}}]")
    result = staged("[{kind: sum, weights: {rank: 1}}, {kind: diverse, key: people, relevance: 0.2}]")
    vectors = stored_vectors(by_rank)
    left, chosen = dict(zip(by_rank.ids, (by_rank.scores - 1) / 3, strict=True)), []
    while left:
        gain = {
            one: 0.2 * score - 0.8 * max((float(vectors[one] @ vectors[other]) for other in chosen), default=0.0)
            for one, score in left.items()
        }
        chosen.append(max(gain, key=lambda one: gain[one]))
        del left[chosen[-1]]
    assert result.ids == chosen
    assert result.ids != by_rank.ids


def by_name_length(batch):
    """A user's own stage: p3 leaves, the others by the reverse of their ids."""
    assert batch.schema.names == ["doc_id", "score", *FEATURES.names]
    return [None if doc_id == "p3" else float(ord(doc_id[1])) for doc_id in batch["doc_id"].to_pylist()]


def broken(batch):
    raise KeyError("price")


def too_few(batch):
    return [1.0]


def test_a_function_of_ones_own_is_a_stage(staged):
    assert staged("[{kind: call, function: 'test_pipeline:by_name_length'}]").ids == ["p2", "p1", "p/4"]
    with pytest.raises(AlicornError, match="stage call test_pipeline:broken: KeyError: 'price'"):
        staged("[{kind: call, function: 'test_pipeline:broken'}]")
    with pytest.raises(AlicornError, match="test_pipeline:too_few: 4 scores are needed, got 1"):
        staged("[{kind: call, function: 'test_pipeline:too_few'}]")


def test_explain_says_what_went_in_and_out_of_each_stage(staged):
    stages = "[{kind: filter, feature: matched, at_least: 0.5}, {kind: forest, budget_ms: 0.0001}]"
    result = staged(stages, explain=True)
    steps = [step["expression"] for step in result.explanation.to_dict()["children"]]
    assert steps[1:] == ["features", "stage filter", "stage forest"]
    assert [(step.narrowed_to, step.actual) for step in result.explanation.children[2:]] == [(4, 3), (3, 3)]
    (notice,) = result.notices
    assert notice.startswith("stage forest took ")
    assert notice.endswith(" of 0.0001 ms")


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ("[{kind: frost}]", "got .frost.; did you mean .forest.\\?$"),
        ("[{kind: forest, budgt_ms: 3}]", r"unknown key 'budgt_ms'.*did you mean 'budget_ms'"),
        ("[{kind: filter, feature: mached, at_least: 1}]", "unknown feature 'mached'; did you mean 'matched'"),
        ("[{kind: sum, weights: {rnk: 1}}]", "unknown feature 'rnk'; did you mean 'rank'"),
        ("[{kind: diverse, key: peple}]", "unknown embedding key 'peple'; did you mean 'people'"),
        ("[{kind: at_most, column: nam, most: 1}]", "unknown stored column 'nam'; did you mean 'name'"),
        ("[{kind: at_most, column: friends, most: 1}]", "column 'friends' must have one value, got list"),
        ("[{kind: call, function: 'no_module:f'}]", "no_module:f cannot be imported"),
        ("[{kind: call, function: f}]", "written module:function, got 'f'"),
        (
            "[{kind: call, function: 'broken_module:f'}]",
            r"stages\[0\] \(call\): broken_module:f cannot .*: ZeroDivisionE",
        ),
        ("[{kind: call, function: 'test_pipeline:VERTICAL'}]", "test_pipeline:VERTICAL is not callable"),
        ("[{kind: sum, weights: {}}]", r"stages\[0\]\.weights: .* at least 1 item"),
    ],
)
def test_a_stage_that_cannot_be_is_refused_before_any_request(staged, stages, problem, tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=problem):
        staged(stages)


def test_a_ranker_of_other_features_is_refused(folder, ranker, tmp_path):
    changed = save_ranker(tmp_path / "changed")
    text = (changed / "features.yaml").read_text()
    (changed / "features.yaml").write_text(text.replace("prefix: text", "prefix: city"))
    with pytest.raises(ModelError, match=r"learned on other features than features.yaml has now, of the same names"):
        Ranker.load(changed)
    (changed / "features.yaml").write_text(text.replace("same_city:", "city:"))
    with pytest.raises(ModelError, match=r"has now: city, same_city; learn it again"):
        Ranker.load(changed)
    (changed / "ranker.json").unlink()
    with pytest.raises(ModelError, match=r"changed holds no finished ranker \(no ranker\.json\)"):
        Ranker.load(changed)


def test_a_file_that_names_a_function_is_read_without_it():
    config = parse_config(
        {"ranker": "r", "stages": [{"kind": "call", "function": "no_module:f"}]}, RankingConfig, where=""
    )
    assert config.stage_names == ("call",), "a log names the function of another machine"


def test_a_ranker_of_another_model_or_vertical_is_refused(folder, ranker, tmp_path):
    with make_collection(tmp_path / "other", [TEXT]) as other, pytest.raises(ModelError, match="model of people"):
        Pipeline.load(ranker, VERTICAL, other)
    rules = VERTICAL.document.model_copy(update={"stored": ("name",)})
    with make_collection(tmp_path / "same") as same, pytest.raises(ModelError, match=r"another document\.stored"):
        Pipeline.load(ranker, VERTICAL.model_copy(update={"document": rules}), same)


def test_a_ranker_without_a_model_has_no_vertical():
    with pytest.raises(ConfigError, match="give its folder with --model"):
        vertical_of([])


@pytest.fixture(scope="module")
def by_channels(folder, collection):
    """A retriever of two channels, whose ranker knows of a hit whether `near` found it; and its ranking.yaml."""
    features = FEATURES.model_validate(
        {"features": FEATURES.model_dump()["features"] | {"near": {"kind": "channel", "channel": "near"}}}
    )
    save_ranker(folder / "by channels", features)
    model = Model("people", personal=True)
    model.fingerprint = UNIFIED.fingerprint
    templates = {"words": "(and {terms})", "near": "(nn {key} :k 1)"}
    expressions = Expressions.model_validate({"hybrid": templates})
    model.vertical = VERTICAL.model_copy(update={"expressions": expressions})

    def retriever(channels, candidates=200):
        path = folder / "channels.yaml"
        path.write_text(f"ranker: by channels\ncandidates: {candidates}\nchannels: {channels}\n")
        ranking = Pipeline.load(path, model.vertical, collection)
        return Retriever(collection, [model], Searchers(VERTICAL, SEARCHERS), ranking)

    return retriever


def test_a_channel_is_a_feature_and_a_step(by_channels, collection):
    retriever = by_channels("{}")
    request = retriever.request(text="john smith", searcher="p3")
    result = retriever.search(request, explain=True)
    near = collection.search(request.root.operands[1], request.vectors).ids
    assert result.features[:, -1].tolist() == [float(doc_id in near) for doc_id in result.ids]
    assert result.found_by[:, 1].tolist() == [doc_id in near for doc_id in result.ids]
    steps = {step.expression: (step.narrowed_to, step.actual) for step in result.explanation.children}
    assert steps["channel near"] == (2, 1)
    assert steps["channel words"] == (2, 2)


def test_another_engine_may_say_which_channels_found_a_document(by_channels, collection):
    retriever = by_channels("{}")
    asked = retriever.request(text="john").asked
    ids, said = ["p1", "gone", "p2", "p3"], [["near"], ["near"], [], None]
    found = retriever.ranking.rank(collection.snapshot(), asked, ids, [0.0] * 4, said)
    near = dict(zip(found.rows, np.array(found.features)[:, -1].tolist(), strict=True))
    assert (near[0], near[2]) == (1.0, 0.0)
    assert np.isnan(near[3])
    assert found.unknown == [1]
    with pytest.raises(ConfigError, match=r"items\[1\]\.channels: unknown channel .* 'neer'; did you mean 'near'"):
        retriever.ranking.rank(collection.snapshot(), asked, ids[:2], [0.0] * 2, [["near"], ["neer"]])


def test_a_channel_keeps_its_places_among_the_candidates(by_channels, collection):
    def candidates(channels):
        retriever = by_channels(channels, candidates=1)
        request = retriever.request(text="john", searcher="p3")
        result = retriever.search(replace(request, order_by={"static_rank": -1}, limit=1))
        return result.ids, collection.search(request.root.operands[1], request.vectors).ids

    first, near = candidates("{}")
    assert first[0] not in near, "or the share would change nothing"
    kept, _ = candidates("{near: 1}")
    assert kept[0] in near


@pytest.mark.parametrize(
    ("channels", "problem"),
    [("{neer: 1}", "unknown channel of expressions.hybrid 'neer'; did you mean 'near'"), ("{near: 201}", "201 places")],
)
def test_places_that_cannot_be_are_refused(by_channels, channels, problem):
    with pytest.raises(ConfigError, match=problem):
        by_channels(channels)


def test_an_explained_hit_says_which_channels_found_it(by_channels, collection):
    retriever = by_channels("{}")
    request = retriever.request(text="john smith", searcher="p3")
    result = retriever.search(request)
    for doc_id, of in zip(result.ids, lineage(result, request), strict=True):
        found = explained(retriever.ranking, collection, request, doc_id)
        assert found.channels == of
    assert "found by words" in str(found)


def test_a_ranker_that_is_not_there_is_named_with_the_file_that_names_it(folder, collection, tmp_path):
    path = tmp_path / "ranking.yaml"
    path.write_text("ranker: gone\n")
    with pytest.raises(ConfigError, match=r"^ranking\.yaml: ranker: there is no folder .*gone: name the one that"):
        Pipeline.load(path, VERTICAL, collection)
    (tmp_path / "gone").mkdir()
    with pytest.raises(ModelError, match=r"gone holds no finished ranker \(no ranker\.json\)") as refused:
        Pipeline.load(path, VERTICAL, collection)
    assert "Errno" not in str(refused.value)
    incomplete = save_ranker(tmp_path / "incomplete")
    (incomplete / "features.yaml").unlink()
    with pytest.raises(
        ModelError, match=r"features\.yaml: cannot be read: No such file or directory; learn the"
    ) as bad:
        Ranker.load(incomplete)
    assert "Errno" not in str(bad.value)


def not_a_number(batch):
    return [float("nan")] * len(batch)


def test_a_score_of_ones_own_is_a_finite_number(staged):
    with pytest.raises(
        AlicornError, match=r"not_a_number: a score is a finite number or null, got nan for document 'p"
    ):
        staged("[{kind: call, function: 'test_pipeline:not_a_number'}]")


def test_hits_without_a_score_are_the_last_to_be_diverse(folder, collection, ranker):
    for kind in ("diverse", "determinantal"):
        path = folder / "first.yaml"
        path.write_text(f"ranker: ranker\nstages: [{{kind: {kind}, key: people, relevance: 0.99}}]\n")
        retriever = retriever_of(collection, path)
        asked = retriever.request(text="john").asked
        ids, scores = ["p1", "p2", "p3", "p/4"], [0.2, -np.inf, 0.5, 0.9]
        found = retriever.ranking.rank(collection.snapshot(), asked, ids, scores, [None] * 4)
        assert [ids[row] for row in found.rows] == ["p/4", "p3", "p1", "p2"], kind
