"""How much may one request ask for? Of a key, and of the server for all: the lesser of the two counts."""

from collections.abc import Sequence
from typing import Annotated, get_type_hints

import msgspec
from msgspec import Meta, Struct

from alicorn.errors import BodyError, ConfigError
from alicorn.language.prepared import prepare
from alicorn.language.tree import Nn, Node, walk
from alicorn.serving.api.messages import SearchRequest

MostOf = Annotated[int, Meta(ge=0)] | None


class RequestLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """None: as much as the API takes.

    limit, offset: of hits. nodes: of an expression. k, scan: of its `nn`; with a limit of scan, each says its `:scan`.
    facets: of a search. batch: searches of a batch. documents: of a list. bytes: of a body, 413 for more.
    """

    limit: MostOf = None
    offset: MostOf = None
    nodes: MostOf = None
    k: MostOf = None
    scan: MostOf = None
    facets: MostOf = None
    batch: MostOf = None
    documents: MostOf = None
    bytes: MostOf = None

    def and_of(self, other: "RequestLimits") -> "RequestLimits":
        """The lesser of each."""
        both = ((getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)
        return RequestLimits(*(min((one for one in of if one is not None), default=None) for of in both))

    def check_search(self, asked: SearchRequest) -> None:
        """Raise BodyError where a search asks for more."""
        self.check("limit", asked.limit)
        self.check("offset", asked.offset)
        self.check("facets", len(asked.facets))
        if asked.expression is not None and (self.nodes, self.k, self.scan) != (None, None, None):
            self._check_expression(prepare(asked.expression).root)

    def check(self, name: str, count: int) -> None:
        """Raise BodyError where `count` is more than the limit of this name."""
        most = getattr(self, name)
        if most is not None and count > most:
            raise BodyError(f"{name}: at most {most} may be asked for here, got {count}")

    def _check_expression(self, root: Node) -> None:
        nodes = list(walk(root))
        self.check("nodes", len(nodes))
        for node in nodes:
            if isinstance(node, Nn):
                self.check("k", node.k or 0)
                if self.scan is not None and node.scan is None:
                    raise BodyError(f"scan: each nn needs :scan of at most {self.scan} here: {node}")
                self.check("scan", node.scan or 0)


NO_LIMITS = RequestLimits()


def read_limits(given: Sequence[str]) -> RequestLimits:
    """Of texts NAME=COUNT. Raises ConfigError."""
    values: dict[str, object] = {}
    for text in given:
        name, _, count = text.partition("=")
        if name not in get_type_hints(RequestLimits) or not count.isascii() or not count.isdigit():
            raise ConfigError(f"a limit is NAME=COUNT, of {', '.join(RequestLimits.__struct_fields__)}; got {text!r}")
        values[name] = int(count)
    return msgspec.convert(values, RequestLimits)
