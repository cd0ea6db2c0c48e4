"""Black box: `askr send` to several instances: a row of each, a summary, and the exit code."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr, Ended
from tests.integration.text_peer import Frame, TextService

pytestmark = pytest.mark.integration


class Crew:
    """Three instances of the service `crew`: the first is in zone eu, the last one fails `fail`."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.members = [
            stack.enter_context(self._member(url, number, "eu" if number == 0 else "us"))
            for number in range(3)
        ]

    def _member(self, url: str, number: int, zone: str) -> TextService:
        def fail(call: Frame) -> Frame:
            if number == 2:
                return {"k": "fail", "code": "oops", "message": "it broke"}
            return {"d": number}

        answers = {
            "status": lambda call: {"d": {"number": number, "got": call.get("d")}},
            "fail": fail,
            "slow": lambda call: {"d": number} if number == 0 else None,
            "never": lambda call: None,
        }
        return TextService(url, "crew", answers, tags={"zone": zone})

    @property
    def ids(self) -> list[str]:
        return [member.instance for member in self.members]


@pytest.fixture
def crew(daemon: DaemonProcess) -> Iterator[Crew]:
    with ExitStack() as stack:
        yield Crew(daemon.unix_url, stack)


def rows(told: Ended) -> tuple[list[Any], dict[str, int]]:
    """The rows by instance id, and the summary, which comes last."""
    *found, last = told.lines
    assert all(set(row["from"]) == {"service", "instance"} for row in found), found
    assert all(row["ms"] >= 0 for row in found)
    return sorted(found, key=lambda row: row["from"]["instance"]), last["summary"]


@pytest.mark.parametrize(
    "words",
    [
        ("crew@*.status",),
        ("*@*.status",),
        ("crew.status", "--all"),
        ("status", "--all"),
    ],
)
def test_every_instance_has_a_row(askr: Askr, crew: Crew, words: tuple[str, ...]) -> None:
    target, *flags = words
    told = askr("send", target, '{"x": 1}', *flags, "--json")
    found, summary = rows(told)
    assert (told.code, told.err, summary) == (0, "", {"ok": 3, "failed": 0, "lost": 0})
    assert [row["from"]["instance"] for row in found] == sorted(crew.ids)
    assert all(row["ok"] and row["value"]["got"] == {"x": 1} for row in found)


def test_chosen_instances_are_asked(askr: Askr, crew: Crew) -> None:
    first, second, third = crew.ids

    def asked(*words: str) -> list[str]:
        found, _ = rows(askr("send", *words, "--json"))
        return sorted(row["from"]["instance"] for row in found)

    assert asked(f"crew@{first},{third}.status") == sorted([first, third])
    assert asked("crew.status", "--all", "--exclude", second) == sorted([first, third])
    assert asked("crew@{zone=us}.status", "--all") == sorted([second, third])
    assert asked("crew@*.status", "--exclude", first, "--exclude", second) == [third]


def test_plain_rows_are_lines_and_the_summary_stands_beside_them(askr: Askr, crew: Crew) -> None:
    told = askr("send", "crew@*.fail")
    assert told.code == 6
    assert sorted(told.out.splitlines()) == sorted(
        [
            f"crew@{crew.ids[0]} 0",
            f"crew@{crew.ids[1]} 1",
            f"crew@{crew.ids[2]} failed: it broke (oops)",
        ]
    )
    assert told.err == "2 ok, 1 failed, 0 lost\n"
    assert askr("send", "crew@*.fail", "-q").err == ""


def test_a_failed_row_has_its_error_and_the_exit_code_is_6(askr: Askr, crew: Crew) -> None:
    told = askr("send", "crew@*.fail", "--json")
    found, summary = rows(told)
    assert (told.code, summary) == (6, {"ok": 2, "failed": 1, "lost": 0})
    (failed,) = [row for row in found if not row["ok"]]
    assert failed["from"]["instance"] == crew.ids[2]
    assert (failed["error"]["code"], failed["error"]["message"]) == ("oops", "it broke")
    assert "value" not in failed


def test_the_first_good_row_is_enough(askr: Askr, crew: Crew) -> None:
    told = askr("send", "crew.slow", "--first", "--json")
    found, summary = rows(told)
    assert (told.code, summary["ok"]) == (0, 1)
    assert [row["from"]["instance"] for row in found if row["ok"]] == [crew.ids[0]]
    for member in crew.members[1:]:
        assert member.wait_for("cancel")


def test_a_quorum_that_is_met_is_enough_and_one_that_is_not_exits_6(askr: Askr, crew: Crew) -> None:
    assert askr("send", "crew@*.fail", "--quorum", "2").code == 0
    told = askr("send", "crew@*.fail", "--quorum", "3")
    assert told.code == 6
    assert "3 good rows were wanted" in told.err


def test_who_leaves_has_a_lost_row(askr: Askr, crew: Crew) -> None:
    with askr.running("send", "crew@*.slow", "--json") as run:
        for member in crew.members:
            member.wait_for_call()
        for member in crew.members[1:]:
            member.drop()
        told = run.end()
    found, summary = rows(told)
    assert (told.code, summary["ok"], summary["lost"]) == (6, 1, 2)
    lost = [row for row in found if not row["ok"]]
    assert {row["error"]["code"] for row in lost} == {"instance_lost"}
    assert sorted(row["from"]["instance"] for row in lost) == sorted(crew.ids[1:])


def test_who_is_late_has_a_row_of_the_deadline(askr: Askr, crew: Crew) -> None:
    told = askr("send", "crew@*.slow", "--timeout", "300ms", "--json")
    found, summary = rows(told)
    assert (told.code, summary["ok"]) == (6, 1)
    late = [row["error"] for row in found if not row["ok"]]
    assert [(error["code"], error["at"]) for error in late] == [("deadline_exceeded", "daemon")] * 2


@pytest.mark.parametrize(
    ("target", "code"),
    [("nobody@*.status", "service_unknown"), ("crew@*.nothing", "command_unknown"),
     ("crew@aaaaaa,bbbbbb.status", "no_instance")],
)  # fmt: skip
def test_nobody_to_ask_is_one_error_and_no_rows(
    askr: Askr, crew: Crew, target: str, code: str
) -> None:
    told = askr("send", target, "--json")
    assert (told.code, told.json["ok"], told.json["error"]["code"]) == (5, False, code)


def test_ctrl_c_cancels_at_every_member(askr: Askr, crew: Crew) -> None:
    with askr.running("send", "crew@*.slow", "--json") as run:
        assert json.loads(run.line())["ok"]
        ended = run.stop()
    assert ended.code == 130
    assert ended.json["error"]["code"] == "cancelled"
    for member in crew.members[1:]:
        assert member.wait_for("cancel")


def test_each_line_is_a_survey_of_its_own(askr: Askr, crew: Crew) -> None:
    told = askr("send", "crew@*.status", "--lines", "-", "--json", stdin=b"1\n2\n")
    summaries = [line for line in told.lines if "summary" in line]
    got = [line["value"]["got"] for line in told.lines if "value" in line]
    assert (told.code, len(summaries), got) == (0, 2, [1, 1, 1, 2, 2, 2])


def test_several_can_be_told_or_asked_to_accept(askr: Askr, crew: Crew) -> None:
    assert askr("send", "crew@*.status", "--tell").code == 0
    for member in crew.members:
        assert member.wait_for_call()["silent"] is True
    told = askr("send", "crew@*.status", "--ack", "--json")
    found, summary = rows(told)
    assert (told.code, summary["ok"]) == (0, 3)
    assert len(found) == 3


def test_a_declared_broadcast_answers_with_a_row_of_each(askr: Askr, daemon: DaemonProcess) -> None:
    commands = [{"name": "hello", "mode": "broadcast"}]
    with ExitStack() as stack:
        ids = [
            stack.enter_context(
                TextService(
                    daemon.unix_url, "choir", {"hello": lambda call: {"d": 1}}, commands=commands
                )
            ).instance
            for _ in range(2)
        ]
        told = askr("send", "choir.hello", "--json")
    found, summary = rows(told)
    assert (told.code, summary) == (0, {"ok": 2, "failed": 0, "lost": 0})
    assert [row["from"]["instance"] for row in found] == sorted(ids)
