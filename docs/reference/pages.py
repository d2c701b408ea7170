"""The pages on tables and on the query language, from the contract of a log folder and the operators' own fields."""

import inspect
from pathlib import Path

import yaml

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


def _name(column: Column) -> str:
    return column.name if column.name == "any other" else f"`{column.name}`"


def _must(column: Column, absent: set[str]) -> str:
    return "may be absent" if column.name in absent else "required"


def _default(value: object) -> str:
    return "none" if value is None else str(value)


def language_page() -> str:
    """Every operator with its options, every hole of a template, every form of an order."""
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
    return "\n".join(
        [
            *lines,
            *("## Holes of a template", "", "In `expressions` of vertical.yaml.", ""),
            *(table(["hole", "example", "meaning"], holes), ""),
            *("## Orders", "", "In `order` of vertical.yaml, and `order_by` of a search.", ""),
            *(table(["order", "the hits come"], orders), ""),
        ]
    )
