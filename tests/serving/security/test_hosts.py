"""Only requests to known hosts are answered; TLS and proxies are by files and addresses that are named."""

import datetime
import socket
import ssl
import subprocess
import sys
import time

import httpx
import pytest
from served_people import make_collection

from alicorn.errors import ConfigError
from alicorn.serving.security.hosts import LOOPBACK, read_tls
from alicorn.serving.security.keys import create_key, new_key


def test_a_request_to_another_host_is_refused(collection, start):
    client = start(collection, hosts=["shop.example", "test"])
    for host, status in (
        ("shop.example", 200),
        ("SHOP.example:8080", 200),
        ("evil.example", 400),
        ("shop.example.evil", 400),
        ("", 400),
    ):
        answer = client.get("/healthz", headers={"host": host})
        assert answer.status_code == status, host
    assert answer.headers["content-type"] == "application/problem+json"
    assert "--allowed-host" in answer.json()["detail"]
    ours = start(collection, hosts=[*LOOPBACK, "test"])
    assert ours.get("/healthz", headers={"host": "[::1]:80"}).status_code == 200


def test_tls_needs_a_certificate_and_its_key(tmp_path):
    assert read_tls(None, None) is None
    with pytest.raises(ConfigError, match="needs both"):
        read_tls(tmp_path / "a", None)
    (tmp_path / "a").write_text("none")
    with pytest.raises(ConfigError, match="are no certificate with its key"):
        read_tls(tmp_path / "a", tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("proxy", [(), ("--proxy", "127.0.0.1")])
def test_a_server_answers_over_tls_and_believes_named_proxies_alone(tmp_path, proxy):
    """The audit log says which client it took a request to be from."""
    certificate, key, keys = (tmp_path / name for name in ("certificate.pem", "key.pem", "keys.json"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    make_collection(tmp_path / "collection").close()
    now = datetime.datetime.now(datetime.UTC)
    create_key(keys, new_key("k", ["search"], now), now)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = [
        sys.executable,
        "-c",
        "from alicorn.cli import main; main()",
        "serve",
        tmp_path / "collection",
        "--port",
        str(port),
        *proxy,
    ]
    serve += ["--tls-certificate", certificate, "--tls-key", key, "--keys", keys, "--allowed-host", "127.0.0.1"]
    context = ssl.create_default_context(cafile=str(certificate))
    with (
        subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as server,
        httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False) as client,
    ):
        try:
            while True:
                try:
                    assert client.get("/healthz").status_code == 200
                    break
                except httpx.ConnectError:
                    assert server.poll() is None
                    time.sleep(0.1)
            assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
            assert client.get("/v1/about", headers={"x-forwarded-for": "10.9.8.7"}).status_code == 401
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
        finally:
            server.terminate()
            said = server.communicate()[1]
    assert f"client {'10.9.8.7' if proxy else '127.0.0.1'}" in said, said
