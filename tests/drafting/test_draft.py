"""A draft is a vertical that mines the user's tables, under whatever names they came; and it replaces nothing."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import succeed

from alicorn.drafting import draft
from alicorn.drafting.names import called, plain_name
from alicorn.drafting.profiles import profiles
from alicorn.errors import ConfigError, TableError
from alicorn.evaluation.orders.fields import fields_of
from alicorn.logs.tables import read_logs
from alicorn.ranking.features import FeatureSet
from alicorn.vertical import Vertical

COLOURS = ("red", "blue", "green", "grey")
TIME = datetime(2026, 1, 1, tzinfo=UTC)
THINGS = ("sofas", "tables", "lamps", "chairs", "shelves", "curtains")


def products(count=60):
    """A title of seven words, a category of few values, a list, a number that follows demand, a link."""
    rows = []
    for at in range(count):
        colour, thing = COLOURS[at % 4], THINGS[at % 6]
        title = f"{colour} {thing} of solid oak made number {at}"
        rows.append((f"{at:03}", title, thing, 200 - 3 * at, f"https://shop.example/{at}.jpg"))
    return rows


def searches(count=240):
    """Each asks for one thing in the singular, and clicks one of two that were shown."""
    rng = np.random.default_rng(0)
    for at in range(count):
        chosen = int(rng.integers(0, 30))
        query = f"{COLOURS[chosen % 4]} {THINGS[chosen % 6].removesuffix('s')}"
        time = f"2026-01-{1 + at // 10:02}T08:{at % 60:02}:00Z"
        for rank, product in enumerate((chosen, (chosen + 7) % 60)):
            yield (f"u{at % 9}", time, query, f"{product:03}", rank, int(rank == 0), ("phone", "desk")[at % 2])


def write_csv(path, header, rows):
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop") / "export"
    folder.mkdir()
    write_csv(folder / "items.csv", "sku,title,category,sold,picture", products())
    write_csv(
        folder / "clicks.csv",
        "Visitor ID,when_at,searchTerm,product,rank,clicked,device".replace("when_at", "timestamp"),
        searches(),
    )
    return folder


@pytest.fixture(scope="module")
def drafted(export):
    out = export.parent / "drafted"
    return draft(export, out), Vertical.load(out / "vertical.yaml"), out


def test_an_export_becomes_a_log_folder_that_is_read_without_a_change(drafted):
    made, vertical, out = drafted
    assert made.logs == out / "logs"
    with read_logs(made.logs, vertical) as logs:
        assert logs.counts == {"documents": 60, "impressions": 480}
        rows = logs.impressions.to_pyarrow()
    assert rows["position"].unique().to_pylist() == [1, 2]
    assert len(rows["search_id"].unique()) == 240
    assert "positions count from 0: each is one more here" in made.said
    assert "007" in logs_column(made.logs, "documents", "doc_id")


def test_sessions_tell_searches_of_the_same_minute_apart(tmp_path):
    write_csv(tmp_path / "items.csv", "sku,title", [("a", "oak table"), ("b", "red lamp")])
    rows = [(session, "2026-01-01T08:00:00Z", "oak table", "a", 1) for session in "xyy"]
    write_csv(tmp_path / "clicks.csv", "session,timestamp,query,sku,clicked", rows)
    made = draft(tmp_path, tmp_path / "out")
    assert "no column is the id of a search: it is made of session, query and minute" in made.said
    ids = logs_column(made.logs, "impressions", "search_id")
    assert len(set(ids)) == 2
    assert not any(" " in one for one in ids), "a TREC run holds no blank"


def test_lists_in_cells_are_split_and_prose_is_not(tmp_path):
    cells = ["Drama | Comedy|", "Comedy", "", "Drama;War", "War|Drama"]
    rows = [(f"d{at}", f"oak town number {at}; its {at} people leave", cell) for at, cell in enumerate(cells * 4)]
    write_csv(tmp_path / "items.csv", "sku,story,genre", rows)
    write_csv(
        tmp_path / "clicks.csv", "when,who,query,sku", [(1767225600 + at, "u", "oak", f"d{at}") for at in range(20)]
    )
    made = draft(tmp_path, tmp_path / "out")
    assert "items.csv is the table documents: sku is doc_id, genre is split into lists at |" in made.said
    assert "clicks.csv is the table impressions: sku is doc_id, who is searcher_id, when is time" in made.said
    split = [["Drama", "Comedy"], ["Comedy"], None, ["Drama;War"], ["War", "Drama"]]
    assert logs_column(made.logs, "documents", "genre") == split * 4
    assert logs_column(made.logs, "documents", "story")[0] == "oak town number 0; its 0 people leave"


def test_a_log_folder_with_lists_in_cells_is_copied(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    write_csv(folder / "documents.csv", "doc_id,genre", [("a", "x|y"), ("b", "y|x")])
    rows = [("s1", "2026-01-01T08:00:00Z", "x", "a"), ("s2", "2026-01-02T08:00:00Z", "y", "b")]
    write_csv(folder / "impressions.csv", "search_id,time,query,doc_id", rows)
    made = draft(folder, tmp_path / "out")
    assert made.logs == tmp_path / "out" / "logs"
    assert logs_column(made.logs, "documents", "genre") == [["x", "y"], ["y", "x"]]


@pytest.mark.parametrize(
    ("values", "is_time"),
    [
        ([1_767_225_600, 1_767_225_700], True),
        ([1_767_225_600_000, 1_767_225_700_000], True),
        ([1_767_225_600, 17], False),
        ([datetime(2026, 1, 1), datetime(2026, 1, 2)], True),
        (["2026", "2027"], False),
    ],
)
def test_a_column_of_times_is_known_by_its_values(tmp_path, values, is_time):
    rows = pa.table({"sku": ["a", "b"], "query": ["x", "y"], "moment": values})
    pq.write_table(rows, tmp_path / "clicks.parquet")
    write_csv(tmp_path / "items.csv", "sku,title", [("a", "oak table"), ("b", "red lamp")])
    made = draft(tmp_path, tmp_path / "out")
    assert any("moment is time" in line for line in made.said) == is_time


def logs_column(folder, table, column):
    return pq.read_table(folder / f"{table}.parquet")[column].to_pylist()


def test_columns_become_what_they_look_like(drafted):
    vertical = drafted[1]
    assert {name: one.kind for name, one in vertical.document.features.items()} == {"title": "text", "category": "id"}
    terms = [(rule.prefix, rule.column, rule.kind) for rule in vertical.document.terms]
    assert terms == [("text", "title", "words"), ("category", "category", "value")]
    assert vertical.document.stored == ("title", "category", "sold", "picture")
    assert vertical.document.static_rank == "sold"
    assert vertical.request.context == ("device",)


def test_the_language_is_that_of_the_words_which_were_searched_and_chosen(drafted):
    """Queries say sofa, titles sofas."""
    stem = drafted[1].analysis["text"].stem
    assert stem is not None
    assert drafted[1].analyzer("text").query_terms("sofa") == drafted[1].analyzer("text").query_terms("sofas")


def test_every_line_of_a_guess_says_why(drafted):
    lines = (drafted[2] / "vertical.yaml").read_text(encoding="utf-8").splitlines()
    guesses = [
        line for line in lines if line.lstrip().startswith(("-", "static_rank", "stored", "split", "text: {stem"))
    ]
    assert len(guesses) >= 5
    assert all("  # " in line for line in guesses)


def test_what_is_there_stays(drafted, export):
    out = drafted[2]
    before = (out / "vertical.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"vertical\.yaml exists, and a draft replaces nothing"):
        draft(export, out)
    assert (out / "vertical.yaml").read_bytes() == before


def test_a_log_folder_is_not_copied(drafted, tmp_path):
    """Whatever else is in it, such as judgements of its searches."""
    judged = pq.read_table(drafted[0].logs / "impressions.parquet", columns=["search_id", "doc_id"])
    pq.write_table(judged, drafted[0].logs / "truth.parquet")
    made = draft(drafted[0].logs, tmp_path)
    assert made.logs == drafted[0].logs
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.yaml", "vertical.yaml"]
    assert made.said == ()


def test_judgements_beside_queries_are_joined(tmp_path):
    """Numbers as ids, no times, a column that says the split: as sets of judgements come."""
    rows = products(30)
    folder = tmp_path / "judged"
    folder.mkdir()
    pq.write_table(pa.table({"id": list(range(30)), "title": [row[1] for row in rows]}), folder / "corpus.parquet")
    queries = {"query_id": list(range(20)), "query": [rows[at][1] for at in range(20)], "fold": ["train", "dev"] * 10}
    pq.write_table(pa.table(queries), folder / "queries.parquet")
    judged = {"query_id": list(range(20)), "doc_id": list(range(20)), "relevance": [2, 0] * 10}
    pq.write_table(pa.table(judged), folder / "qrels.parquet")
    made = draft(folder, tmp_path / "out")
    vertical = Vertical.load(tmp_path / "out" / "vertical.yaml")
    assert (vertical.split.by, vertical.split.column, vertical.split.valid) == ("column", "fold", ("dev",))
    with read_logs(made.logs, vertical) as logs:
        assert logs.impressions.to_pyarrow()["grade"].to_pylist().count(2.0) == 10


def test_each_of_several_columns_of_words_is_a_field_whose_weight_is_found(tmp_path):
    """A filter keeps the name of its column."""
    folder = tmp_path / "books"
    folder.mkdir()
    stories = [
        f"a tale of {COLOURS[at % 4]} cats and the {THINGS[at % 6]} they sleep on, told {at} times" for at in range(60)
    ]
    makers = [f"{('acme', 'oakwood', 'lund')[at % 3]}" for at in range(60)]
    titles = [row[1] for row in products()]
    columns = {"doc_id": [f"d{at}" for at in range(60)], "title": titles, "story": stories, "maker": makers}
    pq.write_table(pa.table(columns), folder / "documents.parquet")
    asked = [f"{makers[at]} {THINGS[at % 6]} cats" for at in range(60)]
    log = {
        "search_id": [f"s{at}" for at in range(60)],
        "time": [TIME] * 60,
        "query": asked,
        "doc_id": columns["doc_id"],
    }
    pq.write_table(pa.table(log), folder / "impressions.parquet")
    draft(folder, tmp_path / "out")
    vertical = Vertical.load(tmp_path / "out" / "vertical.yaml")
    assert fields_of(vertical) == ("title", "story", "maker_")
    assert ("maker", "maker", "value") in [(rule.prefix, rule.column, rule.kind) for rule in vertical.document.terms]
    assert set(FeatureSet.load(tmp_path / "out" / "features.yaml").features) >= {
        "title_words",
        "story_words",
        "title_similar",
    }


def test_numbers_are_ids_where_a_column_is_called_so_and_its_values_are_those_of_documents(tmp_path):
    """A file may be called `judged.csv`, which is no name of the contract."""
    (tmp_path / "export").mkdir()
    write_csv(tmp_path / "export" / "films.csv", "id,name,year", [(at, f"film number {at}", 1990) for at in range(60)])
    rows = [(f"q{at}", f"number {at}", at, at % 2, ("train", "valid")[at % 2]) for at in range(60)]
    write_csv(tmp_path / "export" / "judged.csv", "query_id,query,film_id,grade,fold", rows)
    said = " ".join(draft(tmp_path / "export", tmp_path / "out").said)
    assert "judged.csv is the table impressions: film_id is doc_id, query_id is search_id" in said
    assert "by time" in said
    vertical = Vertical.load(tmp_path / "out" / "vertical.yaml")
    assert (vertical.split.by, vertical.split.column) == ("column", "fold")
    with read_logs(tmp_path / "out" / "logs", vertical) as logs:
        assert logs.impressions.count().to_pyarrow().as_py() == 60


def test_tables_that_make_no_log_are_refused_and_nothing_is_written(tmp_path, export):
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "items.csv").write_bytes((export / "items.csv").read_bytes())
    with pytest.raises(TableError, match="no table of documents among items"):
        draft(folder, tmp_path / "out")
    write_csv(folder / "orders.csv", "product,amount", [("001", 2), ("002", 1)])
    said = r"no table says which documents were shown or chosen .* items\.csv is documents; orders\.csv is none of them"
    with pytest.raises(TableError, match=said):
        draft(folder, tmp_path / "out")
    write_csv(
        folder / "orders.csv", "product,user,time,tag", [("001", 2, "2026-01-01", "oak"), ("002", 1, "2026-01-02", "x")]
    )
    with pytest.raises(
        TableError, match=r"orders\.csv is activity \(if people searched for its tag, call that column query\)"
    ):
        draft(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_verb_says_what_to_run_next(export, tmp_path):
    done = succeed("init", export, "--out", tmp_path / "out")
    assert "items.csv is the table documents: sku is doc_id" in done.out
    assert f"alicorn mine {tmp_path / 'out' / 'logs'} --vertical" in done.out


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a long coat", "a red hat", "two pairs of socks"], "text"),
        (["red", "blue"] * 5, "category"),
        (["AB-1", "CD-2", "EF-3"], "code"),
        (["https://a.example/1", "https://a.example/2"], "link"),
        ([["red", "new"], ["red", "new"]] * 3, "tags"),
        ([["Ada Lovelace"], ["Alan Turing"]], "text"),
        ([[0.1, 0.2], [0.3, 0.4]], "vector"),
        ([[0.1], [0.3, 0.4]], "other"),
        ([1, 2, 3], "number"),
        ([True, False], "flag"),
        ([None, None], "other"),
    ],
)
def test_a_column_is_known_by_its_values(values, kind):
    (found,) = profiles(pa.table({"column": values}))
    assert found.kind == kind


@pytest.mark.parametrize("name", ["movieId", "Movie ID", "movie-id", "MOVIE_ID"])
def test_names_are_compared_without_their_spelling(name):
    assert plain_name(name) == "movie_id"
    assert called("doc_id", ["other", name]) == [name]
