"""State over HTTP: entries, revisions as ETags, and what lies below a key."""

import json

import pytest

from tests.integration.http.sse import Stream
from tests.integration.http.web import ask

pytestmark = pytest.mark.integration


def test_an_entry_is_written_read_and_deleted(port: int) -> None:
    put = ask(port, "PUT", "/state/config/theme", {"dark": True})
    assert (put.status, put.json["changed"]) == (200, True)
    got = ask(port, "GET", "/state/config/theme")
    assert got.json == {"dark": True}
    assert got.headers["etag"] == put.headers["etag"] == f'"{put.json["rev"]}"'
    assert ask(port, "DELETE", "/state/config/theme").status == 200
    for method in ("GET", "DELETE"):
        gone = ask(port, method, "/state/config/theme")
        assert (gone.status, gone.code) == (404, "not_found")


def test_bytes_stay_bytes(port: int) -> None:
    ask(port, "PUT", "/state/blob", b"\0\xff", {"content-type": "image/png"})
    got = ask(port, "GET", "/state/blob")
    assert (got.body, got.headers["content-type"]) == (b"\0\xff", "application/octet-stream")


def test_a_write_may_depend_on_the_revision(port: int) -> None:
    rev = ask(port, "PUT", "/state/n", 1).json["rev"]
    conflict = ask(port, "PUT", "/state/n", 2, {"if-match": f'"{rev + 1}"'})
    assert (conflict.status, conflict.code) == (409, "conflict")
    assert conflict.json["error"]["details"]["rev"] == rev
    assert ask(port, "PUT", f"/state/n?if_rev={rev}", 2).status == 200
    assert ask(port, "PUT", "/state/n", 3, {"if-none-match": "*"}).status == 409
    assert ask(port, "DELETE", "/state/n", headers={"if-match": f'"{rev}"'}).status == 409
    bad = ask(port, "PUT", "/state/n", 3, {"if-match": "x"})
    assert (bad.status, bad.code) == (400, "bad_request")


def test_what_has_not_changed_is_not_sent_again(port: int) -> None:
    tag = ask(port, "PUT", "/state/same", 1).headers["etag"]
    again = ask(port, "GET", "/state/same", headers={"if-none-match": tag})
    assert (again.status, again.body) == (304, b"")


def test_a_path_that_ends_with_a_slash_is_all_that_lies_below(port: int) -> None:
    for name in ("a", "b"):
        ask(port, "PUT", f"/state/many/{name}", name)
    rows = ask(port, "GET", "/state/many/").lines
    assert [(row["key"], row["value"]) for row in rows] == [("many/a", "a"), ("many/b", "b")]
    assert {"many/a", "many/b"} <= {row["key"] for row in ask(port, "GET", "/state/").lines}


def test_a_crowd_of_entries_comes_as_one_answer(port: int) -> None:
    for number in range(300):
        ask(port, "PUT", f"/state/crowd/{number}?fast=true", "x" * 5000)
    assert len(ask(port, "GET", "/state/crowd/").lines) == 300


def test_a_time_to_live_is_a_duration(port: int) -> None:
    assert ask(port, "PUT", "/state/brief?ttl=5m", 1).json["ttl_ms"] > 290_000
    assert ask(port, "PUT", "/state/brief?ttl=never", 1).status == 400
    assert ask(port, "PUT", "/state/brief?tll=5m", 1).status == 400


def test_a_condition_that_a_write_cannot_have_is_refused(port: int) -> None:
    answer = ask(port, "PUT", "/state/doc", 1, {"if-none-match": '"12"'})
    assert (answer.status, answer.code) == (400, "bad_request")
    assert ask(port, "PUT", "/state/doc", 1, {"if-match": "*"}).status == 400
    assert ask(port, "GET", "/state/doc").status == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/state/a//b", 1, 400, "bad_request"),
        ("/state/$askr/x", 1, 403, "forbidden"),
        ("/state/@lab/x", 1, 403, "forbidden"),
        ("/state/big", "x" * 300_000, 413, "payload_too_large"),
        ("/state/" + "k" * 600, 1, 400, "bad_request"),
    ],
)
def test_a_write_that_is_refused_says_why(
    port: int, path: str, body: object, status: int, code: str
) -> None:
    answer = ask(port, "PUT", path, body)
    assert (answer.status, answer.code) == (status, code)


SSE = {"accept": "text/event-stream"}


def test_changes_are_watched_from_what_there_is(port: int) -> None:
    ask(port, "PUT", "/state/seen/a", 1)
    with Stream(port, "/state/seen", **SSE) as stream:
        first = stream.next()
        assert (first["key"], first["value"], first["kept"]) == ("seen/a", 1, True)
        synced = stream.fields()
        assert synced["event"] == "synced"
        rev = ask(port, "PUT", "/state/seen/b", b"\0", {"content-type": "image/png"}).json["rev"]
        live = stream.fields()
        assert live["id"].endswith(f":{rev}")
        change = json.loads(live["data"])
        assert (change["key"], change["value"], change["op"]) == ("seen/b", {"b": "AA=="}, "set")
        ask(port, "DELETE", "/state/seen/b")
        assert stream.next()["op"] == "del"


def test_a_watch_goes_on_behind_the_last_change_that_was_seen(port: int) -> None:
    with Stream(port, "/state/later/", **SSE) as stream:
        last = stream.fields()["id"]
    ask(port, "PUT", "/state/later/a", 1)
    ask(port, "DELETE", "/state/later/a")
    with Stream(port, "/state/later/", **SSE, **{"last-event-id": last}) as stream:
        assert [stream.next()["op"], stream.next()["op"]] == ["set", "del"]
    for unknown in ("0123456789ab:7", f"{last}99999"):
        with Stream(port, "/state/later/", **SSE, **{"last-event-id": unknown}) as stream:
            assert stream.fields()["event"] == "gap"
            assert stream.fields()["event"] == "synced"


def test_a_prefix_that_is_none_is_refused(port: int) -> None:
    assert ask(port, "GET", "/state/a//b", headers=SSE).status == 400
    assert ask(port, "GET", "/state/a//b/").status == 400
    assert ask(port, "HEAD", "/state/a/").status == 200
    assert ask(port, "HEAD", "/state/a", headers=SSE).headers["content-type"] == SSE["accept"]
