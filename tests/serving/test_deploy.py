"""The files of deploy/: they name metrics, options and paths that there are."""

import importlib
import json
import re
import shlex
from pathlib import Path

import yaml
from typer.main import get_command

from alicorn.cli.app import app
from alicorn.config import parse_config
from alicorn.serving.on_ray import RayArguments

DEPLOY = Path(__file__).parents[2] / "deploy"
VERBS = get_command(app).commands


def test_the_dashboard_shows_metrics_that_there_are(client):
    client.get("/healthz")
    metrics = client.get("/metrics").text
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == 12
    for panel in panels:
        for target in panel["targets"]:
            for name in re.findall(r"alicorn_\w+", target["expr"]):
                assert f"{name}{{" in metrics or f"{name} " in metrics, name


def test_the_image_is_asked_for_what_the_server_answers(client):
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    (path,) = re.findall(r"127\.0\.0\.1:8080(/\w+)", text)
    assert client.get(path).status_code == 200
    users = re.findall(r"^USER (\d+)$", text, re.MULTILINE)
    assert users == ["10001"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["alicorn"]
    assert (DEPLOY / compose["build"]["context"] / compose["build"]["dockerfile"]).is_file()
    assert compose["read_only"] is True


def test_the_unit_starts_the_server_by_a_file_of_settings():
    unit = (DEPLOY / "alicorn.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert shlex.split(command)[1:] == ["serve", "--config", "/etc/alicorn/serve.yaml"]


MANIFESTS = [
    manifest
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]
(ON_RAY,) = [manifest["spec"] for manifest in MANIFESTS if manifest["kind"] == "RayService"]
OWN_PODS = [manifest["spec"]["template"]["spec"] for manifest in MANIFESTS if "template" in manifest.get("spec", {})]
PODS = OWN_PODS + [
    group["template"]["spec"]
    for cluster in [ON_RAY["rayClusterConfig"]]
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
]


def test_pods_run_verbs_and_options_that_there_are():
    commands = [container["command"] for pod in PODS for container in pod["containers"] if "command" in container]
    assert {command[1] for command in commands} == {"shard", "publish", "promote"}
    for program, verb, *arguments in commands:
        assert program == "alicorn"
        known = {option for param in VERBS[verb].params for option in param.opts}
        assert {word for word in arguments if word.startswith("--")} <= known
    (settings,) = [manifest["data"]["serve.yaml"] for manifest in MANIFESTS if manifest["kind"] == "ConfigMap"]
    assert set(yaml.safe_load(settings)) <= {param.name for param in VERBS["serve"].params}


def test_the_application_of_ray_takes_its_arguments():
    (asked,) = yaml.safe_load(ON_RAY["serveConfigV2"])["applications"]
    module, _, name = asked["import_path"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    arguments = parse_config(asked["args"], RayArguments, where="args")
    mounted = {mount["mountPath"] for pod in PODS[-2:] for one in pod["containers"] for mount in one["volumeMounts"]}
    for path in (arguments.collection, *arguments.models, arguments.keys, arguments.secret):
        assert str(Path(path).parent) in mounted


def test_pods_are_not_root_and_know_no_service_by_variables():
    assert len(PODS) == 7
    for pod in PODS:
        assert pod["enableServiceLinks"] is False, "the service alicorn would set ALICORN_PORT"
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in pod["containers"])


def test_probes_ask_for_what_the_server_answers(client):
    probes = [
        probe["httpGet"]["path"]
        for pod in PODS
        for container in pod["containers"]
        for name, probe in container.items()
        if name.endswith("Probe") and "httpGet" in probe
    ]
    assert len(probes) == 3
    assert {client.get(path).status_code for path in probes} == {200}
