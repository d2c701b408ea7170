"""The templates of the page escape every value that comes from the data."""

from alicorn.evaluation.reports.page.examples import Example, Found
from alicorn.evaluation.reports.page.model_page import page_templates
from alicorn.evaluation.reports.page.sections import Cell, Table

HOSTILE = "<script>alert(1)</script>"


def test_an_example_of_hostile_texts():
    found = Found("d1", 1, 0.5, True, {"name": HOSTILE, "city": HOSTILE})
    beyond = Found(HOSTILE, 0, 0.1, True, {})
    search = Example(HOSTILE, [HOSTILE], {"city": HOSTILE}, [found, beyond], [found])
    parts = page_templates().get_template("parts.html.jinja").module
    shown = str(parts.example(search, "bad", "no target in the first 10"))  # type: ignore[attr-defined]
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") == 6
    assert "#1" in shown
    assert "beyond" in shown


def test_a_table_of_hostile_names():
    table = Table([HOSTILE], [[Cell(HOSTILE, HOSTILE)]])
    parts = page_templates().get_template("parts.html.jinja").module
    assert "<script" not in str(parts.data_table(table))  # type: ignore[attr-defined]
