"""The pages on tables, on the query language and on names of other libraries, from the code that has them."""

import inspect
from pathlib import Path

import yaml

from alicorn.cli.configuration import ConfigFile, class_of
from alicorn.language.other_syntax import operator_here, written_here
from alicorn.language.tree import OPERATORS
from alicorn.logs.tables.contract import CONTRACT, Presence
from alicorn.reporting.markdown import table
from alicorn.vertical.columns import Column, ColumnType

FOLDER = Path(__file__).parent
TABLES: dict[str, str] = yaml.safe_load((FOLDER / "tables.yaml").read_text(encoding="utf-8"))
LANGUAGE = yaml.safe_load((FOLDER / "language.yaml").read_text(encoding="utf-8"))
_WRITTEN = "Written by `docs/reference/generate.py`; do not edit."
_MEANINGS = {
    "documents": "What can be found. Always.",
    "searchers": "Who searches. May be absent where the vertical takes nothing from it.",
    "impressions": "The simple way in: a row for each document that a search showed.",
    "searches": "The full way in, which the server writes: what was asked. Instead of impressions.",
    "shown": "What each of these searches showed.",
    "events": "What was done, in searches and outside. May be absent.",
    "activity": "What searchers did outside search. May be absent.",
    "segments": "Labels of searches, for reports. May be absent.",
}
_ANY = [
    Column("any other", ColumnType.ANY, "features, terms and stored columns that vertical.yaml names"),
    Column("embedding:<key>", ColumnType.FLOATS, "a vector that the document has already"),
]
_OWN = {
    "documents": [Column("doc_id", ColumnType.STRING, "the document; each once"), *_ANY],
    "searchers": [
        Column("searcher_id", ColumnType.STRING, "the searcher; each once, or once for each time"),
        Column("time", ColumnType.TIME, "from when on the row holds"),
        Column("any other", ColumnType.ANY, "features of the request that vertical.yaml names"),
    ],
}
_MAY_BE_ABSENT = {"documents": [one.name for one in _ANY], "searchers": ["time", "any other"]}


def tables_page() -> str:
    """Every table of a log folder and every column."""
    lines = ["# Tables of a log folder, column by column", "", "Guide: [tables](../tables.md).", _WRITTEN, ""]
    for name, said in _MEANINGS.items():
        of_contract = CONTRACT.get(name, {})
        columns = [*_OWN.get(name, ()), *of_contract]
        absent = {one.name for one, presence in of_contract.items() if presence is not Presence.NEEDED}
        absent |= {*_MAY_BE_ABSENT.get(name, ())}
        if name == "impressions":
            columns.append(Column("any other", ColumnType.ANY, "the context and the split that vertical.yaml names"))
            absent.add("any other")
        rows = [
            [
                f"`{one.name}`" if one.name != "any other" else one.name,
                f"`{one.type.value}`",
                _must(one, absent),
                one.why,
            ]
            for one in columns
        ]
        lines += [f"## {name}", "", said, "", table(["column", "type", "", "meaning"], rows), ""]
        lines += ["```csv", TABLES[name].rstrip("\n"), "```", ""]
    return "\n".join(lines)


def _must(column: Column, absent: set[str]) -> str:
    return "may be absent" if column.name in absent else "required"


def _default(value: object) -> str:
    return "none" if value is None else str(value)


def names_page() -> str:
    """What other libraries call keys, kinds and parts of queries, and what to write here, as messages say it."""
    lines = [
        "# What others call it",
        "",
        "The words of the messages for names that come from other libraries.",
        _WRITTEN,
    ]
    for file in ConfigFile:
        names: dict[str, list[str]] = {}
        for name, write in class_of(file).other_names.items():
            names.setdefault(write, []).append(f"`{name}`")
        rows = [[", ".join(alike), write] for write, alike in names.items()]
        lines += ["", f"## {file}.yaml", "", table(["there", "write"], rows)]
    words = [[f"`{word}`", written_here(word) or ""] for word in LANGUAGE["others"]["words"]]
    operators = [[f"`({name} ...)`", operator_here(name) or ""] for name in LANGUAGE["others"]["operators"]]
    return "\n".join([*lines, "", "## Queries", "", table(["there", "write"], words + operators), ""])


def language_page() -> str:
    """Every operator with its options, every hole of a template, every form of an order, every notice."""
    guide = "Guides: [the query language](../query-language.md), [text](../text.md)."
    lines = ["# The query language, operator by operator", "", guide, _WRITTEN, "", "## Operators", ""]
    for name, syntax in OPERATORS.items():
        lines += [f"### {name}", "", " ".join(inspect.cleandoc(syntax.node.__doc__ or "").split()), ""]
        options = [*syntax.options.values(), *([syntax.mark] if syntax.mark else [])]
        rows = [[f"`:{one.name}`", one.value.allowed.removeprefix("as "), _default(one.default)] for one in options]
        lines += [table(["option", "value", "default"], rows), ""] if rows else []
        lines += [f"    {LANGUAGE['operators'][name]}", ""]
    holes = [[f"`{hole}`", f"`{example}`", said] for hole, (example, said) in LANGUAGE["holes"].items()]
    orders = [[f"`{order}`", said] for order, said in LANGUAGE["orders"].items()]
    notices = [[f"`{one}`" if one.startswith("(") else one, f"`{said}`"] for one, said in LANGUAGE["notices"].items()]
    return "\n".join(
        [
            *lines,
            *("## Holes of a template", "", "In `expressions` of vertical.yaml.", ""),
            *(table(["hole", "example", "meaning"], holes), ""),
            *("## Orders", "", "In `order` of vertical.yaml, and `order_by` of a search.", ""),
            *(table(["order", "the hits come"], orders), ""),
            *("## Notices", "", "In the `notices` of an answer; `alicorn query` prints them as `note:`.", ""),
            *(table(["where", "such as"], notices), ""),
        ]
    )
