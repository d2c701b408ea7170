"""Configuration: unknown keys, types, YAML 1.2, round trips; each message says file, key and what was received."""

import datetime
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError
from yaml_text import parse_yaml

from alicorn.config import Config, UtcTime, dump_yaml, read_text
from alicorn.errors import ConfigError


class Circle(Config):
    kind: Literal["circle"]
    radius: float


class Box(Config):
    kind: Literal["box"]
    width: int
    tags: tuple[str, ...] = ()


class Scene(Config):
    name: str
    shapes: Annotated[dict[str, Annotated[Circle | Box, Field(discriminator="kind")]], Field(default_factory=dict)]
    steps: tuple[Box, ...] = ()
    start: UtcTime | None = None
    bright: bool = False
    rate: float = 0.5


def read(text: str) -> Scene:
    return parse_yaml(text, Scene, where="scene.yaml")


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_values_are_read_and_frozen():
    scene = read("name: a\nshapes:\n  sun: {kind: circle, radius: 2}\nsteps: [{kind: box, width: 3, tags: [x, y]}]")
    assert scene == Scene(
        name="a", shapes={"sun": Circle(kind="circle", radius=2.0)}, steps=(Box(kind="box", width=3, tags=("x", "y")),)
    )
    with pytest.raises(ValidationError):
        scene.name = "b"  # type: ignore[misc]


def test_an_unknown_key_names_its_place_and_the_nearest_known_one():
    message = refused("name: a\nshapes:\n  sun: {kind: circle, radus: 2}")
    assert message.startswith("scene.yaml: unknown key 'radus' at shapes.sun; did you mean 'radius'?")
    assert "known keys: kind, radius" in message


def test_an_unknown_key_at_the_top_and_in_a_list():
    assert "unknown key 'nme' at top level; did you mean 'name'?" in refused("nme: a")
    assert "unknown key 'widht' at steps[1]" in refused(
        "name: a\nsteps: [{kind: box, width: 1}, {kind: box, widht: 2}]"
    )


def test_a_key_like_no_other_gets_no_suggestion():
    message = refused("name: a\nzzzzzz: 1")
    assert "unknown key 'zzzzzz'" in message
    assert "did you mean" not in message


def test_a_missing_key_is_named_with_its_path():
    assert "missing key shapes.sun.radius" in refused("name: a\nshapes: {sun: {kind: circle}}")


def test_every_mistake_is_told_at_once():
    message = refused("rate: fast\nbright: 1\nshapes: {b: {kind: box, width: '3'}}")
    assert "missing key name" in message
    assert "rate: input should be a valid number; got 'fast'" in message
    assert "bright: input should be a valid boolean; got 1" in message
    assert "shapes.b.width: input should be a valid integer; got '3'" in message


def test_an_unknown_kind_lists_the_known_ones():
    message = refused("name: a\nshapes: {sun: {kind: cirle, radius: 2}}")
    assert "shapes.sun" in message
    assert "'circle', 'box'" in message


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E3", 1000.0), (".5", 0.5), ("-2.5e+1", -25.0), ("3", 3.0)],
)
def test_floats_are_those_of_yaml_1_2(text, value):
    assert read(f"name: a\nrate: {text}").rate == value


@pytest.mark.parametrize("text", ["no", "off", "Yes", "ON"])
def test_words_of_yaml_1_1_are_not_booleans(text):
    assert read(f"name: {text}").name == text
    assert "bright" in refused(f"name: a\nbright: {text}")


@pytest.mark.parametrize("text", [".inf", ".nan", "-.inf"])
def test_numbers_are_finite(text):
    assert "rate" in refused(f"name: a\nrate: {text}")


def test_times_are_read():
    assert read("name: a\nstart: 2026-01-02T03:04:05").start == datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert read("name: a\nstart: 2026-01-02 03:04:05.25+01:00").start == datetime.datetime(2026, 1, 2, 2, 4, 5, 250_000)
    assert read("name: a\nstart: 2026-01-02").start == datetime.datetime(2026, 1, 2)
    assert "start: month must be in 1..12" in refused("name: a\nstart: 2026-13-02T03:04:05")
    assert "start: finer than the unit" in refused("name: a\nstart: 2026-01-02T03:04:05.1234567")


@pytest.mark.parametrize("text", ["017", "0x1f", "1_000", "13:05:00", "2024-05-01", "1:30"])
def test_what_yaml_1_1_makes_another_number_or_a_day_of_is_text(text):
    assert read(f"name: {text}").name == text
    assert f"shapes.b.width: input should be a valid integer; got '{text}'" in refused(
        f"name: a\nshapes: {{b: {{kind: box, width: {text}}}}}"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name: a\nname: b", "key 'name' is given twice"),
        ("name: &x a\nsteps: *x", "aliases"),
        ("name: [", "not valid YAML"),
        ("3: a", "key 3 is not a string"),
        ("", "expected a mapping with keys name, shapes"),
        ("- a", "got list"),
    ],
)
def test_malformed_files_are_refused(text, part):
    assert part in refused(text)


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read"):
        read_text(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(ConfigError, match=r"binary\.yaml: cannot be read"):
        read_text(tmp_path / "binary.yaml")


def test_what_is_dumped_is_read_back():
    scene = Scene(
        name="no",
        shapes={"é": Box(kind="box", width=1, tags=("true", "1e3"))},
        start=datetime.datetime(2026, 1, 2),
        rate=1e-9,
    )
    assert read(dump_yaml(scene)) == scene


def test_a_null_that_is_not_the_default_is_written():
    class Decay(Config):
        half_life: float | None = 30.0

    assert dump_yaml(Decay(half_life=None)) == "half_life: null\n"


def test_fingerprints_are_of_values():
    assert read("name: a").fingerprint() == read("rate: 0.5\nname: a").fingerprint()
    assert read("name: a").fingerprint() != read("name: a\nrate: 0.6").fingerprint()
    assert len(read("name: a").fingerprint()) == 32
