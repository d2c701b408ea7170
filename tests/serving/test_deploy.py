"""The files of deploy/: they name metrics, options and paths that there are."""

import json
import re
import shlex
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


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
