"""The server as an application of Ray Serve: routers that answer HTTP, and a deployment for each shard.

serve deploy alicorn.yaml      # Ray's own command; deploy/ray.yaml is such a file

applications:
  - name: alicorn
    import_path: alicorn.serving.on_ray:application
    args: {collection: /data/sharded, models: [/data/model], secret: /secrets/shards, replicas: 2}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

from alicorn.config import Config, parse_config
from alicorn.distributed.processes.on_ray import START_S, RayShards, ShardReplica
from alicorn.distributed.processes.secret import read_secret
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.router import ShardedCollection
from alicorn.extras import check_installed
from alicorn.serving.app import create_app
from alicorn.serving.ready import make_ready
from alicorn.serving.security.hosts import LOOPBACK
from alicorn.tables import open_parts
from alicorn.vertical.columns import known_types

if TYPE_CHECKING:
    from alicorn.towers import AnyModel


_MOST_REQUESTS = 100  # that a router takes at once; those above wait in Ray


class RayArguments(Config):
    """`args` of the application; paths are the same on all nodes. The options of `alicorn serve` have the same names.

    secret: file with what routers and shards share; it is needed where nodes can be reached from other machines.
    replicas: of each shard, on as many nodes. routers: on as many nodes.
    """

    collection: str
    models: tuple[str, ...] = ()
    searchers: str | None = None
    ranker: str | None = None
    intents: str | None = None
    keys: str | None = None
    secret: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    replicas: int = 2
    routers: int = 2


class Router:
    """A server over the replicas that Ray has, as `alicorn serve` is over those of its --shard."""

    def __init__(self, asked: RayArguments, *shards: Any) -> None:
        """shards: the handle of each. Raises AlicornError."""
        models = _models(asked.models)
        known = known_types([column for model in models for column in model.vertical.searcher_columns()])
        searchers = None if asked.searchers is None else open_parts(Path(asked.searchers), "searchers", known).read()
        self._collection = ShardedCollection(asked.collection, RayShards(shards, _secret(asked)))
        self._collection.await_shards(START_S)
        self._app = create_app(
            self._collection,
            models,
            searchers=searchers,
            keys=_path(asked.keys),
            ranker=_path(asked.ranker),
            intents=_path(asked.intents),
            hosts=asked.allowed_hosts or (() if asked.keys else LOOPBACK),
        )
        make_ready(self._app.state.retriever)

    def __serve_build_asgi_app__(self) -> Starlette:
        """As Ray Serve asks for it."""
        return self._app

    def __del__(self) -> None:
        if hasattr(self, "_collection"):
            self._collection.close()


def application(args: dict[str, Any]) -> Any:
    """The application of Ray Serve over a sharded collection, by RayArguments. Raises AlicornError."""
    check_installed("Ray Serve", "ray")
    from ray import serve

    asked = parse_config(args, RayArguments, where="args")
    folder, secret = Path(asked.collection), _secret(asked)
    apart: dict[str, Any] = {"max_replicas_per_node": 1}  # a node that is lost takes one of them
    shards = [
        serve.deployment(name=f"shard-{number}", num_replicas=asked.replicas, **apart)(ShardReplica).bind(
            str(folder.absolute()), number, secret
        )
        for number in range(len(read_manifest(folder).shards))
    ]
    router = serve.deployment(name="router", num_replicas=asked.routers, max_ongoing_requests=_MOST_REQUESTS, **apart)
    return router(serve.ingress()(Router)).bind(asked, *shards)


def _secret(asked: RayArguments) -> bytes | None:
    return None if asked.secret is None else read_secret(Path(asked.secret))


def _path(given: str | None) -> Path | None:
    return None if given is None else Path(given)


def _models(folders: Sequence[str]) -> list[AnyModel]:
    if not folders:
        return []
    from alicorn.towers import Model

    return [Model.load(Path(folder)) for folder in folders]
