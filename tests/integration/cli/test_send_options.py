"""Black box: `askr send` with ways to be answered, keys, waiting, versions and traces."""

import json
import re
from contextlib import ExitStack

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration


def test_who_is_told_answers_nothing(askr: Askr, service: TextService) -> None:
    told = askr("send", "lab.slow", "1", "--tell")
    assert (told.code, told.out, told.err) == (0, "", "")
    call = service.wait_for_call()
    assert (call["silent"], call["d"]) == (True, 1)


def test_telling_says_where_it_went_for_programs(askr: Askr, service: TextService) -> None:
    answer = askr("send", "lab.slow", "--tell", "--json").json
    assert (answer["ok"], answer["target"], answer["value"]) == (True, "lab.slow", None)
    assert answer["from"] == {"service": "lab", "instance": service.instance}


def test_telling_nobody_fails(askr: Askr) -> None:
    told = askr("send", "nobody.here", "--tell", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "service_unknown")


def test_ack_leaves_when_it_is_accepted(askr: Askr, daemon: DaemonProcess) -> None:
    commands = [{"name": "build", "reply": "ack"}]
    answers = {"build": lambda call: {"more": True}}
    with TextService(daemon.unix_url, "index", answers, commands=commands) as index:
        told = askr("send", "index.build", "--ack")
        assert (told.code, told.out, told.err) == (0, "", "")
        answer = askr("send", "index.build", "--ack", "--json").json
        assert (answer["ok"], answer["value"]) == (True, None)
        assert answer["from"]["instance"] == index.instance


@pytest.mark.parametrize("flag", ["--stream"])
def test_more_than_is_declared_is_refused(askr: Askr, service: TextService, flag: str) -> None:
    told = askr("send", "lab.echo", flag, "--json")
    assert (told.code, told.json["error"]["code"]) == (3, "bad_request")


def test_one_key_runs_once(askr: Askr, service: TextService) -> None:
    first = askr("send", "lab.echo", "1", "--idempotency-key", "o7")
    again = askr("send", "lab.echo", "2", "--idempotency-key", "o7", "-v")
    other = askr("send", "lab.echo", "3", "--idempotency-key", "o8")
    assert [told.out for told in (first, again, other)] == ["1\n", "1\n", "3\n"]
    assert "kept under its key" in again.err
    assert len(service.calls) == 2


def test_one_key_meets_one_instance(askr: Askr, daemon: DaemonProcess) -> None:
    with ExitStack() as stack:
        for number in range(3):
            answers = {"get": lambda call, number=number: {"d": number}}
            stack.enter_context(TextService(daemon.unix_url, "shard", answers, policy="hash"))
        seen = {askr("send", "shard.get", "--key", "customer-7").out for _ in range(4)}
    assert len(seen) == 1


def test_it_can_wait_for_somebody(askr: Askr, daemon: DaemonProcess) -> None:
    with askr.running("send", "later.run", "--wait", "20s", "-v") as run:
        run.wait_for_narration("connected to")
        with TextService(daemon.unix_url, "later", {"run": lambda call: {"d": "here"}}):
            told = run.end()
    assert (told.code, told.out) == (0, '"here"\n')


def test_waiting_ends_with_the_reason_why_nobody_took_it(askr: Askr) -> None:
    told = askr("send", "later.run", "--wait", "50ms", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, told.json["error"]["code"])
    assert told.json["error"]["code"] in {"service_unknown", "no_instance"}


def test_a_full_service_is_busy(askr: Askr, daemon: DaemonProcess) -> None:
    commands = [{"name": "run", "concurrency": 1, "waiting_max": 0}]
    with TextService(
        daemon.unix_url, "full", {"run": lambda call: None}, commands=commands
    ) as full:
        with askr.running("send", "full.run"):
            full.wait_for_call()
            told = askr("send", "full.run", "--json")
    assert (told.code, told.json["error"]["code"]) == (75, "busy")
    assert told.json["error"]["retryable"] is True


def test_a_version_is_chosen_in_the_address(askr: Askr, daemon: DaemonProcess) -> None:
    with ExitStack() as stack:
        for version in ("1.4.0", "2.1.3"):
            answers = {"get": lambda call, version=version: {"d": version}}
            stack.enter_context(TextService(daemon.unix_url, "many", answers, version=version))
        assert askr("send", "many@{version=^2}.get").out == '"2.1.3"\n'
        assert askr("send", "many@{version=~1.4}.get").out == '"1.4.0"\n'
        told = askr("send", "many@{version=^3}.get", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "no_instance")


def test_an_excluded_instance_is_not_asked(askr: Askr, service: TextService) -> None:
    told = askr("send", "lab.echo", "1", "--exclude", service.instance, "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "no_instance")


def test_a_trace_reaches_the_service_and_is_told_beside(askr: Askr, service: TextService) -> None:
    told = askr("send", "lab.headers", "--trace", "-H", "x=y")
    headers = json.loads(told.out)
    match = re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-01", headers["traceparent"])
    assert (told.code, headers["x"], match is not None) == (0, "y", True)
    assert match is not None
    assert told.err.startswith(f"trace {match[1]}\n")
    assert f"lab-{service.instance} answered" in told.err
