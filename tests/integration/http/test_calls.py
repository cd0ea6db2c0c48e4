"""Commands over HTTP: what a body means, what comes back, and how errors look."""

import hashlib
import http.client
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import AgentProcess
from tests.integration.http.conftest import LAB
from tests.integration.http.web import ask, everything, read_until
from tests.integration.peers import TIMEOUT_S, TextPeer, connect

pytestmark = pytest.mark.integration

MIB = 1 << 20


def test_a_command_is_sent_with_its_body_and_answered_with_its_value(port: int) -> None:
    answer = ask(port, "POST", "/call/lab.move", {"point": {"x": 1, "y": 2}})
    assert (answer.status, answer.json) == (200, {"x": 2, "y": 2})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["askr-from"].startswith("lab@")


def test_a_body_that_curl_calls_a_form_is_json(port: int) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert ask(port, "POST", "/call/lab.add", b'{"a":2}', form).json["sum"] == 3
    refused = ask(port, "POST", "/call/lab.add", b"a=2", form)
    assert (refused.status, refused.code) == (400, "bad_request")
    assert "Content-Type" in refused.json["error"]["message"]


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b"NaN", b"\xff", b"[" * 100, b"{"])
def test_json_that_is_not_strict_is_refused_at_the_door(port: int, body: bytes) -> None:
    answer = ask(port, "POST", "/call/lab.add", body, {"content-type": "application/json"})
    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/call/lab.nope", None, 404, "command_unknown"),
        ("/call/nobody.add", None, 404, "service_unknown"),
        ("/call/lab@zzzzzz.add", {"a": 1}, 503, "no_instance"),
        ("/call/lab.add", {"a": "one"}, 422, "schema_invalid"),
        ("/call/lab.fail", {"code": "sold_out"}, 500, "sold_out"),
        ("/call/lab.fail", {"code": "sold_out", "status": 418}, 418, "sold_out"),
        ("/call/lab.fail", {"code": "sold_out", "status": 200}, 500, "sold_out"),
        ("/call/lab.fail", {"code": "not_found"}, 500, "not_found"),
        ("/call/lab.crash", None, 500, "handler_error"),
        ("/call/", None, 404, "command_unknown"),
        ("/call/a%20b", None, 400, "bad_request"),
        ("/call/%ff", None, 400, "bad_request"),
        ("/nowhere", None, 404, "not_found"),
    ],
)
def test_an_error_has_its_status_and_the_object_of_the_command_line(
    port: int, path: str, body: object, status: int, code: str
) -> None:
    answer = ask(port, "POST", path, body)
    assert (answer.status, answer.code) == (status, code)
    assert b"secret" not in answer.body


def test_the_deadline_comes_from_a_header(port: int, lab: AgentProcess) -> None:
    answer = ask(port, "POST", "/call/lab.wait", {"name": "late"}, {"askr-timeout": "200ms"})
    assert (answer.status, answer.code) == (504, "deadline_exceeded")
    lab.wait_until_it_says("late ended")


@pytest.mark.parametrize("header", [{"askr-timeout": "soon"}, {"askr-timeout": "0"},
    {"askr-reply": "all"}, {"askr-all": "perhaps"}, {"askr-quorum": "-1"}, {"askr-quorum": "9" * 5_000}, {"askr-version": ">=1"}])  # fmt: skip
def test_a_header_that_cannot_be_is_refused(port: int, header: dict[str, str]) -> None:
    answer = ask(port, "POST", "/call/lab.add", {"a": 1}, header)
    assert (answer.status, answer.code) == (400, "bad_request")


def test_further_headers_are_the_services(port: int) -> None:
    given = {
        "askr-user": "ada",
        "askr-timeout": "9s",
        "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
    }
    found = ask(port, "POST", "/call/lab.headers", headers=given).json
    assert found["headers"] == {"user": "ada", "traceparent": given["traceparent"]}
    assert 8 < found["remaining"] <= 9


def test_get_sends_an_idempotent_command_with_typed_arguments(port: int) -> None:
    assert ask(port, "GET", "/call/lab.add?a=1&b=2&note=3").json == {"sum": 3, "note": "3"}
    assert ask(port, "GET", "/call/lab.add?a=x").code == "bad_request"
    assert ask(port, "GET", "/call/lab.add?a=1&a=2").code == "bad_request"


def test_a_post_does_not_say_its_argument_twice(port: int) -> None:
    answer = ask(port, "POST", "/call/lab.add?a=1&b=2", {"a": 1})
    assert (answer.status, answer.code) == (400, "bad_request")


def test_get_does_not_send_what_is_not_idempotent(port: int) -> None:
    answer = ask(port, "GET", "/call/lab.move?point=1")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


def test_head_is_get_without_its_body(port: int) -> None:
    whole = ask(port, "GET", "/call/lab.add?a=1")
    head = ask(port, "HEAD", "/call/lab.add?a=1")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))


def test_head_of_a_survey_leaves_the_connection_as_it_was(daemon: DaemonProcess) -> None:
    """What nobody reads would be kept until the connection takes no more answers."""
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT_S)
    with ExitStack() as stack:
        said = {"name": "ask", "mode": "broadcast", "idempotent": True}
        crowd = [stack.enter_context(TextPeer(daemon.url)) for _ in range(4)]
        for peer in crowd:
            peer.say(k="provide", id=1, service="crowd", commands=[said])
            peer.until("provided")
        link = stack.enter_context(closing(client))
        for method, path, status in (("HEAD", "/call/crowd.ask", 200), ("GET", "/state/none", 404)):
            link.request(method, path)
            for peer in crowd if method == "HEAD" else ():
                peer.say(k="reply", id=peer.until("call")["id"], d="x" * 200_000)
            answer = link.getresponse()
            answer.read()
            assert answer.status == status


def test_another_type_than_json_is_bytes_also_above_the_limit_of_a_frame(port: int) -> None:
    kind = {"content-type": "application/octet-stream"}
    for size in (0, 5, 3 * MIB):
        assert ask(port, "POST", "/call/lab.size", b"\0" * size, kind).json == size


def test_bytes_come_back_as_they_are_also_above_the_limit_of_a_frame(port: int) -> None:
    answer = ask(port, "POST", "/call/lab.large", {"of": 3 * MIB})
    assert answer.body == b"x" * (3 * MIB)
    assert answer.headers["content-type"] == "application/octet-stream"


def test_json_above_the_limit_is_too_large(port: int) -> None:
    answer = ask(port, "POST", "/call/lab.add", {"note": "x" * MIB})
    assert (answer.status, answer.code) == (413, "payload_too_large")


def test_an_upload_is_streamed_to_its_command(port: int) -> None:
    content = bytes(range(256)) * 20_000
    found = ask(port, "POST", "/call/lab.put?name=a", content, {"content-type": "image/png"}).json
    assert found == {
        "name": "a",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_an_upload_may_come_in_chunks_of_unknown_number(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def chunks() -> Iterator[bytes]:
        for _ in range(50):
            yield b"y" * 10_000

    connection.request(
        "POST", "/call/lab.put", body=chunks(), headers={"content-type": "text/csv"},
        encode_chunked=True,
    )  # fmt: skip
    assert json.loads(connection.getresponse().read())["size"] == 500_000
    connection.close()


def test_an_upload_may_be_answered_by_a_stream(port: int) -> None:
    content = bytes(range(256)) * 10_000
    answer = ask(port, "POST", "/call/lab.back", content, {"content-type": "image/png"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == content


def test_lines_of_json_are_items_of_an_upload(port: int) -> None:
    kind = {"content-type": "application/x-ndjson"}
    assert ask(port, "POST", "/call/lab.total", b"1\n2\n\n3", kind).json == 6
    assert ask(port, "POST", "/call/lab.total", b"1\n{", kind).code == "bad_request"
    assert ask(port, "POST", "/call/lab.add", b"1\n2", kind).code == "bad_request"


def test_an_upload_that_is_refused_is_answered_before_it_ends(
    port: int, daemon: DaemonProcess
) -> None:
    with connect(daemon.url) as plug:
        plug.sendall(
            b"POST /call/lab.refuse HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\n"
            b"Content-Length: 100000000\r\n\r\nbeginning"
        )
        answer = everything(plug)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b'"code":"full"' in answer


def test_a_stream_is_lines_by_default_events_by_wish_and_one_value_by_wish(port: int) -> None:
    lines = ask(port, "POST", "/call/lab.count", {"to": 3})
    assert (lines.headers["content-type"], lines.lines) == ("application/x-ndjson", [1, 2, 3])
    assert lines.headers["transfer-encoding"] == "chunked"
    events = ask(port, "POST", "/call/lab.count", {"to": 2}, {"accept": "text/event-stream"})
    assert events.body == b"data: 1\n\ndata: 2\n\nevent: end\ndata: null\n\n"
    whole = ask(port, "POST", "/call/lab.count", {"to": 3}, {"accept": "application/json"})
    assert whole.json == [1, 2, 3]


def test_a_stream_of_bytes_is_bytes(port: int) -> None:
    answer = ask(port, "POST", "/call/lab.pieces")
    assert answer.body == b"one\0two\xffthree"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_long_stream_is_whole(port: int) -> None:
    assert ask(port, "POST", "/call/lab.count", {"to": 3000}).lines == list(range(1, 3001))


def test_a_stream_that_fails_is_cut_or_says_so(port: int) -> None:
    with pytest.raises(http.client.IncompleteRead):
        ask(port, "POST", "/call/lab.broken", {})
    said = ask(port, "POST", "/call/lab.broken", {}, {"accept": "text/event-stream"}).body
    assert b"event: error\ndata: " in said
    assert b"page_missing" in said
    at_once = ask(port, "POST", "/call/lab.broken", {"after": 0})
    assert (at_once.status, at_once.code) == (500, "page_missing")


def test_a_client_that_leaves_ends_the_stream(
    port: int, daemon: DaemonProcess, lab: AgentProcess
) -> None:
    with connect(daemon.url) as plug:
        plug.sendall(b"POST /call/lab.endless HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        read_until(plug, b"zzz")
    lab.wait_until_it_says("endless ended")


def test_a_client_that_leaves_cancels_its_command(
    port: int, daemon: DaemonProcess, lab: AgentProcess
) -> None:
    with connect(daemon.url) as plug:
        plug.sendall(
            b'POST /call/lab.wait HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n{"name":"left"}'
        )
        lab.wait_until_it_says("left began")
    lab.wait_until_it_says("left ended")


def test_a_survey_is_the_rows_of_the_command_line(port: int) -> None:
    for path, headers in (
        ("/call/lab@*.add", {}), ("/call/lab.add", {"askr-all": "true"}), ("/call/lab.roll", {}),
    ):  # fmt: skip
        body = {"a": 1} if "add" in path else None
        row, summary = ask(port, "POST", path, body, headers).lines
        assert row["ok"] is True
        assert set(row) == {"from", "ok", "value", "ms"}
        assert summary == {"summary": {"ok": 1, "failed": 0, "lost": 0}}


def test_accepted_and_told_commands_are_202(port: int) -> None:
    for word in ("ack", "none"):
        answer = ask(port, "POST", "/call/lab.add", {"a": 1}, {"askr-reply": word})
        assert (answer.status, answer.json) == (202, None)


def test_an_idempotency_key_returns_the_first_outcome(port: int) -> None:
    key = {"idempotency-key": "k1"}
    first = ask(port, "POST", "/call/lab.add", {"a": 1}, key).json
    assert ask(port, "POST", "/call/lab.add", {"a": 5}, key).json == first


def test_the_daemons_own_commands_are_there(port: int) -> None:
    assert ask(port, "GET", "/call/$askr.ping").json["protocol"] == "askr/1"
    kinds = {peer["kind"]: peer for peer in ask(port, "GET", "/call/$askr.peers").json}
    assert (kinds["http"]["via"], kinds["http"]["name"]) == ("http", "http")


def test_a_workspace_is_chosen_by_a_header(port: int) -> None:
    other = {"askr-workspace": "other"}
    assert ask(port, "POST", "/call/lab.add", {"a": 1}, other).status == 404
    assert ask(port, "POST", "/call/lab.add", {"a": 1}, {"askr-workspace": "global"}).status == 200
    bad = ask(port, "POST", "/call/lab.add", {"a": 1}, {"askr-workspace": "No Name"})
    assert (bad.status, bad.code) == (400, "bad_request")


def test_one_connection_is_in_one_workspace(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    for word, status in (("", 200), ("other", 421)):
        connection.request("GET", "/state/", headers={"askr-workspace": word})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_a_daemon_that_stops_lets_commands_finish() -> None:
    with DaemonProcess() as daemon, AgentProcess(LAB, daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")
        with TextPeer(daemon.unix_url) as peer, connect(daemon.url) as plug:
            plug.sendall(b"POST /call/lab.hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            agent.wait_until_it_says("hold began")
            os.kill(daemon.pid, signal.SIGTERM)
            peer.until("drain")
            peer.say(k="emit", event="GO")
            answer = everything(plug)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b'"held"\n')
        assert daemon.stop() == 0
