"""Events over HTTP: emitting, and listening as server-sent events."""

import json

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.http.sse import Stream
from tests.integration.http.web import ask
from tests.integration.peers import TextPeer

pytestmark = pytest.mark.integration


def test_what_is_emitted_is_heard_with_its_sender_and_number(port: int) -> None:
    with Stream(port, "/listen/NEWS.*").until_listening() as stream:
        emitted = ask(port, "POST", "/emit/NEWS.today", {"line": "one"})
        assert (emitted.status, emitted.json["receivers"]) == (200, 1)
        ask(
            port,
            "POST",
            "/emit/NEWS.today",
            b"\0\xff",
            {"content-type": "application/octet-stream"},
        )
        ask(port, "POST", "/emit/NEWS.today")
        first = stream.fields()
        event = json.loads(first["data"])
        assert set(event) == {"event", "payload", "from", "seq", "ts"}
        assert (event["event"], event["payload"]) == ("NEWS.today", {"line": "one"})
        assert event["from"]["service"] == "http"
        assert event["seq"] == emitted.json["seq"]
        assert first["id"].partition(":")[2] == str(event["seq"])
        assert stream.next()["payload"] == {"b": "AP8="}
        assert stream.next()["payload"] is None


def test_a_client_that_comes_back_is_told_of_what_it_may_have_missed(port: int) -> None:
    headers = {"Last-Event-ID": "0123456789ab:7"}
    with Stream(port, "/listen/NEWS.*", **headers) as stream:
        assert stream.fields()["event"] == "gap"


def test_a_client_that_comes_back_hears_what_was_told_meanwhile(port: int) -> None:
    with Stream(port, "/listen/NEWS.*").until_listening() as stream:
        ask(port, "POST", "/emit/NEWS.a", 1)
        last = stream.fields()["id"]
    for number in (2, 3):
        ask(port, "POST", "/emit/NEWS.a", number)
    with Stream(port, "/listen/NEWS.*", **{"Last-Event-ID": last}) as stream:
        assert [stream.next()["payload"] for _ in range(2)] == [2, 3]
        ask(port, "POST", "/emit/NEWS.a", 4)
        assert stream.next()["payload"] == 4


def test_a_retained_event_comes_first_and_is_no_place_to_come_back_to(
    port: int, daemon: DaemonProcess
) -> None:
    with TextPeer(daemon.unix_url) as peer:
        peer.say(k="emit", id=1, event="CONFIG.a", d=7, retain=True)
        peer.until("emitted", id=1)
    with Stream(port, "/listen/CONFIG.*") as stream:
        fields = stream.fields()
        assert "id" not in fields
        assert json.loads(fields["data"])["payload"] == 7


@pytest.mark.parametrize(
    "last", ["nonsense", ":", "x:-1", "x:99999999999999999999", f"x:{'9' * 5_000}"]
)
def test_a_place_that_is_none_is_a_gap_and_no_error(port: int, last: str) -> None:
    with Stream(port, "/listen/NEWS.*", **{"Last-Event-ID": last}) as stream:
        assert stream.fields()["event"] == "gap"


def test_a_slow_listener_is_told_what_it_lost(port: int, daemon: DaemonProcess) -> None:
    with (
        Stream(port, "/listen/FLOOD").until_listening() as stream,
        TextPeer(daemon.unix_url) as peer,
    ):
        text = "x" * 10_000
        for _ in range(3000):
            peer.say(k="emit", event="FLOOD", d=text)
        peer.call(1, "$askr.ping")
        peer.until("reply", id=1)
        came = missed = 0
        while came + missed < 3000:
            fields = stream.fields()
            if fields.get("event") == "gap":
                missed += json.loads(fields["data"])["missed"]
            else:
                came += 1
        assert missed > 0
        assert came + missed == 3000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/emit/$askr.fake", 400),
        ("POST", "/emit/a%20b", 400),
        ("POST", "/emit/", 400),
        ("GET", "/listen/a..b", 400),
        ("GET", "/listen/", 400),
        ("PUT", "/emit/X", 405),
        ("POST", "/listen/X", 405),
    ],
)
def test_a_bad_name_or_method_is_refused(port: int, method: str, path: str, status: int) -> None:
    answer = ask(port, method, path)
    assert (answer.status, answer.code) == (status, "bad_request")


def test_head_of_listen_ends_at_once(port: int) -> None:
    assert ask(port, "HEAD", "/listen/X").headers["content-type"] == "text/event-stream"


def test_listeners_are_let_go_when_the_daemon_drains() -> None:
    with DaemonProcess() as daemon:
        with Stream(daemon.port, "/listen/X").until_listening() as stream:
            assert daemon.stop() == 0
            with pytest.raises(ConnectionError):
                stream.fields()
