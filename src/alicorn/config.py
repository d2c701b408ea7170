"""Typed, frozen, complete configuration from YAML.

    class Loss(Config):
        margin: float = 0.2
    loss = parse_config(plain_yaml(read_text(path), where="loss.yaml"), Loss, where="loss.yaml")
    # ConfigError: loss.yaml: unknown key 'margn' at top level; did you mean 'margin'?

YAML is read as 1.2 says where 1.1 surprises: `no`, `on` are strings, `1e-3` is a number, a key twice is an error.
Types are strict: "3" is no integer, 1 is no boolean; an integer is accepted as a float. A sequence is a tuple.
"""

import datetime
import difflib
import json
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import xxhash
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from alicorn.errors import ConfigError, cause
from alicorn.iso_times import read_timestamp

M = TypeVar("M", bound="Config")
_EPOCH = datetime.datetime(1970, 1, 1)


class Config(BaseModel):
    """Base of every configuration: frozen, strict, unknown keys refused with the nearest known key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    other_names: ClassVar[Mapping[str, str]] = {}
    """Of the class of a whole file: names that other libraries have for keys and kinds -> what to write here."""

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        """Unknown keys are refused here, where the known ones are at hand; lists become tuples."""
        if not isinstance(data, Mapping):
            return data
        for key in data:
            if key not in cls.model_fields:
                context = {
                    "key": key,
                    "hint": did_you_mean(str(key), cls.model_fields),
                    "known": ", ".join(cls.model_fields),
                }
                raise PydanticCustomError("unknown_key", "unknown key '{key}'; {hint}known keys: {known}", context)
        return {key: _frozen(value) for key, value in data.items()}

    def fingerprint(self) -> str:
        """128 bits, as hex, of the values (defaults included): equal configurations have equal fingerprints."""
        values = self.model_dump(mode="json")
        canonical = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return xxhash.xxh3_128_hexdigest(canonical.encode())


def _utc(value: Any) -> Any:
    """Times are kept without a zone, in UTC; a date is its midnight. A text is one of ISO 8601."""
    if isinstance(value, str):
        return _EPOCH + datetime.timedelta(microseconds=read_timestamp(value, "us"))
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
    return datetime.datetime.combine(value, datetime.time()) if isinstance(value, datetime.date) else value


UtcTime = Annotated[datetime.datetime, BeforeValidator(_utc)]
"""A key that takes a time."""


def did_you_mean(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """`did you mean 'x'? ` for the nearest known name, or nothing when none is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'? " if close else ""


def read_text(path: str | Path) -> str:
    """The text of a configuration file. Raises ConfigError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {cause(error)}") from error


def plain_yaml(text: str, *, where: str) -> Any:
    """Plain data written in `text`, strictly read. Raises ConfigError."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise ConfigError(f"{where}: not valid YAML: {place}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a number of more than 4,300 digits
        raise ConfigError(f"{where}: not valid YAML: {error}") from error


def parse_config(data: Any, model: type[M], *, where: str) -> M:
    """The configuration held in plain `data` (as from YAML or JSON)."""
    if not isinstance(data, dict):
        got = "nothing" if data is None else type(data).__name__
        raise ConfigError(f"{where}: expected a mapping with keys {', '.join(model.model_fields)}; got {got}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = _of_values(error.errors(include_url=False))
        lines = [f"{where}: {_sentence(detail, data, model.other_names)}" for detail in details]
        raise ConfigError("\n".join(lines)) from error


def _of_values(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without a list that is too short for the only reason that values in it are refused."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(len(place) > len(detail["loc"]) and place[: len(detail["loc"])] == detail["loc"] for place in places)
    ]


def dump_yaml(config: Config) -> str:
    """YAML that reads back as an equal configuration; keys left at None are not written, unless another is default."""
    values = config.model_dump(exclude_none=True)
    if type(config).model_validate(values) != config:
        values = config.model_dump()
    return yaml.dump(values, Dumper=_StrictDumper, sort_keys=False, allow_unicode=True)


def flow_yaml(value: Any) -> str:
    """Plain data on one line of YAML: `{kind: text, column: title}`; quotes where a string needs them."""
    text = yaml.dump(
        value, Dumper=_StrictDumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf
    )
    return text.removesuffix("...\n").strip()


def _sentence(detail: ErrorDetails, data: Any, other_names: Mapping[str, str]) -> str:
    """One pydantic error as one sentence: what is wrong, at which key of the file, what was received, what to write."""
    place = _place(detail["loc"], data, missing=detail["type"] == "missing")
    match detail["type"]:
        case "unknown_key":
            context = detail["ctx"]
            write = other_names.get(context["key"].lower().replace("-", "_"))
            hint = f"write {write}; " if write else context["hint"]
            return f"unknown key '{context['key']}' at {place}; {hint}known keys: {context['known']}"
        case "union_tag_invalid":
            context = detail["ctx"]
            write = other_names.get(str(context["tag"]).lower().replace("-", "_"))
            near = did_you_mean(str(context["tag"]), re.findall(r"'([^']*)'", context["expected_tags"]))
            hint = f": write {write}" if write else f"; {near.strip()}" if near else ""
            return f"{place}: kind is one of {context['expected_tags']}; got {context['tag']!r:.80}{hint}"
        case "union_tag_not_found":
            return f"{place}: say which kind it is, kind: ...; got {detail['input']!r:.80}"
        case "missing":
            return f"missing key {place}"
        case "value_error":
            return f"{place}: {detail['ctx']['error']}"
        case _:
            received = repr(detail["input"])
            received = received if len(received) <= 80 else received[:77] + "..."
            return f"{place}: {detail['msg'][:1].lower()}{detail['msg'][1:]}; got {received}"


def _place(loc: tuple[int | str, ...], data: Any, *, missing: bool) -> str:
    """The path of keys in the file. `loc` also has the tags of unions: those are no keys."""
    path = ""
    for i, part in enumerate(loc):
        if isinstance(data, list) and isinstance(part, int) and part < len(data):
            path += f"[{part}]"
            data = data[part]
        elif isinstance(data, dict) and part in data:
            path += f".{part}"
            data = data[part]
        elif missing and i == len(loc) - 1:
            path += f".{part}"
    return path.lstrip(".") or "top level"


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader with the booleans and numbers of YAML 1.2, which refuses aliases and a key given twice.

    Nothing is guessed: 017, 0x1f, 1_000, 13:05:00 and 2024-05-01 are text, which whoever takes a time reads.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own name and shape)
        first: [
            (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":int", ":float", ":timestamp"))
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed: write the value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is not a string: put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"
)
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$|^[-+]?[0-9]+[eE][-+]?[0-9]+$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


class _StrictDumper(yaml.SafeDumper):
    """Puts quotes around the strings that _StrictLoader would take for something else."""

    yaml_implicit_resolvers = _StrictLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        """A value used twice is written twice, as aliases are not read."""
        return True
