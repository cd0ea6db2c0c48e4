"""What the daemon shows of itself over HTTP: health, figures, and a description of its services."""

import http.client
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as metrics

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.http.web import ask, raw
from tests.integration.peers import TIMEOUT_S, TextPeer

pytestmark = pytest.mark.integration

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
VALIDATE = """
const Ajv = require("ajv"), formats = require("ajv-formats"), fs = require("fs");
const schema = JSON.parse(fs.readFileSync("node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"));
const ajv = new Ajv({strict: false, validateSchema: false});
formats(ajv);
const fits = ajv.compile(schema);
const document = JSON.parse(fs.readFileSync(0));
if (!fits(document)) { console.log(JSON.stringify(fits.errors)); process.exit(1); }
delete document.info.version;
if (fits(document)) { console.log("the schema allows everything"); process.exit(2); }
"""


def test_a_daemon_that_lives_says_so(daemon: DaemonProcess) -> None:
    assert ask(daemon.port, "GET", "/healthz").json == {"ok": True}
    assert ask(daemon.port, "HEAD", "/healthz").status == 200


def test_the_unix_socket_speaks_http_too(daemon: DaemonProcess) -> None:
    answer = raw(daemon.unix_url, b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b'{"ready":true,"reasons":[]}\n')


def test_a_daemon_that_drains_is_not_ready_and_says_why() -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url, name="slow") as service:
        assert ask(daemon.port, "GET", "/readyz").json == {"ready": True, "reasons": []}
        service.provide("slow", "wait")
        with TextPeer(daemon.unix_url) as caller:
            caller.call(1, "slow.wait")
            service.until("call")
            kept = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT_S)
            kept.request("GET", "/healthz")
            kept.getresponse().read()
            os.kill(daemon.pid, signal.SIGTERM)
            caller.until("drain")
            kept.request("GET", "/readyz")
            answer = kept.getresponse()
            reasons = json.loads(answer.read())["reasons"]
            assert (answer.status, reasons[0]["check"]) == (503, "draining")
            kept.close()


def test_figures_are_there_for_prometheus_in_both_forms(port: int) -> None:
    ask(port, "POST", "/call/lab.add", {"a": 1})
    plain = ask(port, "GET", "/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    found = {family.name: family for family in metrics(plain.body.decode())}
    calls = {
        sample.labels["command"]: sample.value
        for sample in found["askrd_commands"].samples
        if sample.name == "askrd_commands_total"
    }
    assert calls["lab.add"] >= 1
    strict = ask(port, "GET", "/metrics", headers={"accept": OPEN_METRICS})
    assert strict.headers["content-type"].startswith("application/openmetrics-text")
    assert {f.name for f in open_metrics(strict.body.decode())} >= {"askrd_replies", "askrd"}


def test_labels_do_not_grow_with_what_peers_invent(port: int, daemon: DaemonProcess) -> None:
    with TextPeer(daemon.unix_url, name="many") as service:
        service.provide("many", *(f"c{number}" for number in range(300)))
        for number in range(300):
            service.say(k="call", id=number + 10, to=f"many.c{number}")
            call = service.until("call")
            service.say(k="reply", id=call["id"])
            service.until("reply", id=number + 10)
    shown = ask(port, "GET", "/metrics").body.decode()
    lines = [line for line in shown.splitlines() if line.startswith("askrd_commands_total{")]
    assert len(lines) == 201
    assert any('command="(others)"' in line for line in lines)
    assert sum("many.c" in line for line in lines) < 300


def test_services_are_described_as_asyncapi(port: int) -> None:
    headers = {"x-forwarded-prefix": "/askr", "x-forwarded-proto": "https", "host": "a.localhost"}
    document = ask(port, "GET", "/askr/asyncapi.json", headers=headers).json
    assert document["asyncapi"] == "3.0.0"
    server = {"host": "a.localhost", "protocol": "https", "pathname": "/askr"}
    assert document["servers"]["askrd"] == server
    assert document["channels"]["lab_add"]["address"] == "call/lab.add"
    assert document["operations"]["lab_add"]["description"] == "Adds two numbers."
    every_reference_leads_somewhere(document, document)
    assert "Point" in json.dumps(document["components"]["schemas"])


def test_names_that_look_alike_as_keys_are_both_described(port: int, daemon: DaemonProcess) -> None:
    offers = {
        "user": {"commands": [{"name": "get_all"}], "emits": [{"event": "get_all"}]},
        "user_get": {"commands": [{"name": "all"}], "emits": []},
        "event": {"commands": [{"name": "get_all"}], "emits": []},
    }
    with TextPeer(daemon.url) as peer:
        for id_, (service, more) in enumerate(offers.items(), start=1):
            peer.say(k="provide", id=id_, service=service, **more)
            peer.until("provided", id=id_)
        document = ask(port, "GET", "/asyncapi.json").json
    found = {channel["address"] for channel in document["channels"].values()}
    own = ["call/user.get_all", "call/user_get.all", "call/event.get_all", "listen/get_all"]
    assert found.issuperset(own)
    assert len(document["operations"]) >= len(own)
    every_reference_leads_somewhere(document, document)


def every_reference_leads_somewhere(document: object, part: object) -> None:
    if isinstance(part, dict):
        if "$ref" in part:
            found = document
            for name in part["$ref"].removeprefix("#/").split("/"):
                assert isinstance(found, dict)
                found = found[name]
        for each in part.values():
            every_reference_leads_somewhere(document, each)
    elif isinstance(part, list):
        for each in part:
            every_reference_leads_somewhere(document, each)


@pytest.mark.timeout(180)
def test_the_description_is_valid_asyncapi(port: int, tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: the AsyncAPI schema cannot be had")
    fetched = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--silent", "@asyncapi/specs@6", "ajv@8", "ajv-formats@3"],
        cwd=tmp_path, env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    if fetched.returncode:
        pytest.skip(f"npm could not fetch the AsyncAPI schema: {fetched.stderr[-300:]}")
    document = ask(port, "GET", "/asyncapi.json").body
    verdict = subprocess.run(
        ["node", "-e", VALIDATE], cwd=tmp_path, input=document, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert verdict.returncode == 0, (verdict.stdout + verdict.stderr)[:3000].decode()
