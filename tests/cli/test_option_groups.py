"""Options in groups: the command line sees the fields of a dataclass, the verb the dataclass."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from alicorn.cli.option_groups import grouped


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(min=1)] = 2
    height: Annotated[int, typer.Option("--tall")] = 3


@grouped
def draw(name: str, *, size: Size, bold: bool = False) -> None:
    """Draw a box."""
    typer.echo(f"{name} {size} {bold}")


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command()(draw)


def said(*arguments):
    return CliRunner().invoke(app, arguments).output


def test_fields_are_options_with_their_defaults_and_names():
    assert said("box") == "box Size(width=2, height=3) False\n"
    assert said("box", "--width", "7", "--tall", "5", "--bold") == "box Size(width=7, height=5) True\n"


def test_limits_and_help_are_those_of_the_fields():
    assert "--width" in said("box", "--width", "0")
    shown = said("--help")
    assert "Draw a box." in shown
    assert shown.index("--width") < shown.index("--tall") < shown.index("--bold")
    assert "--size" not in shown
