"""An earlier choice is a click of the same searcher, for the same words, before the search."""

import datetime

import pyarrow as pa
from pairs_toy import write_folder

from alicorn.evaluation.earlier_choices import earlier_choices
from alicorn.pairs import PairsFolder


def at(day):
    return datetime.datetime(2026, 1, day)


def test_only_what_the_searcher_had_clicked_for_these_words_counts(tmp_path):
    rows = [
        ("u1", at(1), "Red  Sofas!", "d1", "click"),  # the same words
        ("u1", at(2), "red sofa", "d2", "click"),  # others
        ("u2", at(1), "red sofas", "d3", "click"),  # another searcher
        ("u1", at(1), "red sofas", "d4", "hard"),  # reached later, not clicked
        ("u1", at(4), "red sofas", "d5", "click"),  # of this search itself
        (None, at(1), "red sofas", "d6", "click"),
    ]
    names = ("searcher_id", "time", "query", "doc_id", "source")
    pairs = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    pairs = pairs.append_column("search_id", [[f"s{row}" for row in range(len(rows))]])
    folder = PairsFolder(write_folder(tmp_path / "pairs", {"pairs": pairs}))
    asked = [("u1", at(4), "red sofas"), (None, at(4), "red sofas"), ("u3", at(4), "red sofas")]
    searches = pa.table(dict(zip(names[:3], map(list, zip(*asked, strict=True)), strict=True)))
    found = earlier_choices(folder, searches)
    assert [[doc_id for _, doc_id in choices] for choices in found] == [["d1"], [], []]
    assert found[0][0][0] == int(at(1).replace(tzinfo=datetime.UTC).timestamp() * 1e6)
