"""Routers and shards on Ray Serve, on a cluster of a head and two nodes of one machine, under load.

pytest tests/serving/test_on_ray.py -m slow -s      # prints what each fault cost
"""

import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import yaml

from alicorn.distributed.processes.on_ray import RayShards
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.errors import ConfigError
from alicorn.query import Collection
from alicorn.serving.on_ray import application

EXPRESSION, SECRET = "(or text:a text:b)", "what routers and shards share"
RATE = 200  # searches a second, by a router in this process
HTTP_RATE = 20  # by Ray's proxy and its routers
slow_on_ray = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray warns of itself
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is missing: pip install 'alicorn[ray]'"),
]


@dataclass
class Load:
    """Searches at a rate; a search that fails may be tried again, as often as `tries` says."""

    name: str
    search: Callable[[], list[str]]
    wanted: list[str]
    rate: int
    tries: int = 1
    seconds: list[float] = field(default_factory=list)
    again: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: int = 0

    def run(self, started: float, number: int, of: int, ended: threading.Event) -> None:
        at = number
        while not ended.is_set():
            time.sleep(max(0.0, started + at / self.rate - time.monotonic()))
            self._one()
            at += of

    def _one(self) -> None:
        began = time.monotonic()
        for attempt in range(self.tries):
            try:
                found = self.search()
            except Exception as error:
                if attempt + 1 == self.tries:
                    self.failed.append(str(error))
                self.again += attempt + 1 < self.tries
            else:
                self.wrong += found != self.wanted
                break
        self.seconds.append(time.monotonic() - began)

    def check(self, fault: str) -> None:
        ms = sorted(1000 * one for one in self.seconds)
        p50, p99 = ms[len(ms) // 2], ms[int(0.99 * len(ms))]
        print(
            f"\n{fault}: {self.name}: {len(ms)} searches, {len(self.failed)} failed, {self.wrong} wrong, "
            f"{self.again} tried again by the client, p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {ms[-1]:.0f} ms"
        )
        assert (self.failed, self.wrong) == ([], 0), fault


@dataclass
class OnRay:
    cluster: Any
    nodes: list[Any]
    made: Path
    router: ShardedCollection
    client: httpx.Client
    wanted: list[str]

    def by_router(self) -> list[str]:
        return self.router.search(EXPRESSION, limit=40, order_by="bm25").ids

    def by_http(self) -> list[str]:
        asked = {"expression": EXPRESSION, "limit": 40, "order_by": "bm25"}
        answer = self.client.post("/v1/search", json=asked)
        if answer.status_code != 200:
            raise ConnectionError(f"{answer.status_code} {answer.text}")
        return [hit["doc_id"] for hit in answer.json()["hits"]]

    @contextmanager
    def loaded(self, fault: str) -> Iterator[None]:
        loads = [
            Load("a router at 200/s", self.by_router, self.wanted, RATE),
            Load("HTTP at 20/s", self.by_http, self.wanted, HTTP_RATE, tries=2),
        ]
        ended, started = threading.Event(), time.monotonic()
        threads = [
            threading.Thread(target=load.run, args=(started, number, 4, ended)) for load in loads for number in range(4)
        ]
        for thread in threads:
            thread.start()
        try:
            time.sleep(2)
            yield
            time.sleep(5)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        for load in loads:
            load.check(fault)

    def arguments(self, collection: str) -> dict[str, Any]:
        return {"collection": str(self.made / collection), "secret": str(self.made / "secret")}


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRay]:
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    made = tmp_path_factory.mktemp("ray")
    ids = [f"d{at}" for at in range(40)]
    with Collection.create(made / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ids, "terms": [[f"text:{'abc'[at % 3]}"] for at in range(40)]}))
        wanted = whole.search(EXPRESSION, limit=40, order_by="bm25").ids
        for name in ("sharded", "broken"):
            publish_shards(whole, made / name, 2)
    for file in (made / "broken").rglob("manifest.sqlite"):
        file.write_bytes(b"nothing that can be opened")
    (made / "secret").write_text(SECRET)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=3) for _ in range(2)]
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        tried = OnRay(cluster, nodes, made, None, httpx.Client(base_url="http://127.0.0.1:8000", timeout=15), wanted)  # type: ignore[arg-type]
        serve.run(application(tried.arguments("sharded")), name="alicorn")
        handles = [serve.get_deployment_handle(f"shard-{number}", "alicorn") for number in range(2)]
        tried.router = ShardedCollection(made / "sharded", RayShards(handles, SECRET.encode()))
        yield tried
        tried.router.close()
        tried.client.close()
        serve.shutdown()
    finally:
        ray.shutdown()
        cluster.shutdown()


def kill_replica(deployment: str) -> None:
    import ray

    names = [one["name"] for one in ray.util.list_named_actors(all_namespaces=True)]
    name = next(name for name in names if f"#{deployment}#" in name)
    ray.kill(ray.get_actor(name, namespace="serve"))


def await_replicas() -> None:
    """Until Ray has started again what was lost."""
    from ray import serve

    until = time.monotonic() + 180
    while time.monotonic() < until:
        deployments = serve.status().applications["alicorn"].deployments
        if all(one.replica_states.get("RUNNING") == 2 for one in deployments.values()):
            return
        time.sleep(1)
    pytest.fail("Ray did not start the replicas again")


class TestFaults:
    pytestmark = slow_on_ray

    def test_a_replica_of_a_shard_is_killed(self, on_ray: OnRay) -> None:
        with on_ray.loaded("a replica of each shard killed"):
            kill_replica("shard-0")
            time.sleep(2)
            kill_replica("shard-1")
            await_replicas()

    def test_a_router_is_killed(self, on_ray: OnRay) -> None:
        with on_ray.loaded("a router killed"):
            kill_replica("router")
            await_replicas()

    def test_an_update_that_fails_leaves_the_version_before(self, on_ray: OnRay) -> None:
        from ray import serve

        with on_ray.loaded("a failing update"), pytest.raises(RuntimeError):
            serve.run(application(on_ray.arguments("broken")), name="alicorn")
        with on_ray.loaded("the update taken back"):
            serve.run(application(on_ray.arguments("sharded")), name="alicorn")
            await_replicas()

    def test_a_node_is_killed(self, on_ray: OnRay) -> None:
        with on_ray.loaded("a node killed"):
            on_ray.cluster.remove_node(on_ray.nodes.pop(), allow_graceful=False)
            time.sleep(8)
        with on_ray.loaded("a new node"):
            on_ray.nodes.append(on_ray.cluster.add_node(num_cpus=3))
            await_replicas()


@pytest.mark.filterwarnings("ignore")
def test_arguments_are_checked_before_anything_is_started() -> None:
    if importlib.util.find_spec("ray") is None:
        with pytest.raises(ConfigError, match=r"pip install 'alicorn\[ray\]'"):
            application({})
        return
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as build
    from ray.serve.schema import ServeDeploySchema

    with pytest.raises(ConfigError, match="unknown key 'replica' at top level; did you mean 'replicas'"):
        build(application, {"collection": "sharded", "replica": 3})
    manifest = yaml.safe_load((Path(__file__).parents[2] / "deploy/kubernetes/ray.yaml").read_text())
    ServeDeploySchema.model_validate(yaml.safe_load(manifest["spec"]["serveConfigV2"]))
