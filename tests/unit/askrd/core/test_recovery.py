"""Holds how rows that a store kept find the tables they belong to."""

import pytest

from askrd.core import recovery
from askrd.core.effects import Attachment, Dial, Note
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from tests.unit.askrd.core.desk import Desk


def test_each_shelf_has_its_taker_and_gets_the_rest_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[tuple[str, str, bytes]] = []

    def take(board: Switchboard, workspace: Workspace, key: str, value: bytes) -> None:
        taken.append((workspace.name, key, value))

    monkeypatch.setitem(recovery.SHELVES, "shelf", take)
    desk = Desk()
    kept = [("shelf", "a", b"1"), ("shelf/orders", "0001", b"2")]
    desk.router.restore("askr", [], 0, desk.now_us, kept)
    assert taken == [("askr", "a", b"1"), ("askr", "orders/0001", b"2")]


def test_a_shelf_that_nobody_knows_is_left_alone_and_noted() -> None:
    desk = Desk()
    desk.router.restore("askr", [], 0, desk.now_us, [("unheard_of", "a", b"1")])
    desk.settle()
    assert [each.event for each in desk.effects if isinstance(each, Note)] == ["row left alone"]


def test_what_was_attached_is_dialled_again() -> None:
    desk = Desk()
    row = b'{"url":"node-askr://127.0.0.1:8801","service":"agent"}'
    desk.router.restore("lab", [], 0, desk.now_us, [("attachments", "agent", row)])
    desk.settle()
    agent = Attachment(workspace="lab", service="agent", host="127.0.0.1", port=8801)
    assert [each for each in desk.effects if isinstance(each, Dial)] == [Dial(agent)]
