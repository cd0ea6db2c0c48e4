"""A view too large for one frame goes on at once; an answer too large for one is refused."""

import msgspec

from askrd.wire.frames import Kind
from askrd.wire.limits import ROSTER_BYTES
from tests.unit.askrd.core.desk import Desk

COMMANDS = [f"command_with_a_rather_long_name_so_that_rows_are_large_{n:03}" for n in range(900)]
SERVICES = 30


def crowded() -> Desk:
    desk = Desk()
    for number in range(SERVICES):
        desk.serve(f"service{number}", *COMMANDS)
    return desk


def test_a_large_view_goes_on_as_joins_and_nothing_is_missing() -> None:
    desk = crowded()
    me = desk.connect()
    me.hello(roster=True)

    rosters = [frame for frame in me.heard() if frame.kind == Kind.ROSTER]
    assert len(rosters) > 1
    assert max(len(frame.payload) for frame in rosters) < 2 * ROSTER_BYTES
    first, *others = [msgspec.json.decode(frame.payload) for frame in rosters]
    assert first["full"] is True
    changes = [change for body in others for change in body["changes"]]
    assert {change["op"] for change in changes} == {"joined"}
    services = first["services"] + [c["service"] for c in changes if "service" in c]
    assert sorted(row["service"] for row in services) == sorted(
        f"service{number}" for number in range(SERVICES)
    )
    peers = first["peers"] + [c["peer"] for c in changes if "peer" in c]
    assert len(peers) == SERVICES + 1


def test_a_list_too_large_for_one_frame_is_refused_in_words() -> None:
    desk = crowded()
    me = desk.join()
    me.call(1, "$askr.services")

    (fail,) = me.heard()
    assert (fail.kind, fail.id) == (Kind.FAIL, 1)
    body = msgspec.json.decode(fail.payload)
    assert body["code"] == "payload_too_large"
    assert "$askr.describe" in body["message"]
