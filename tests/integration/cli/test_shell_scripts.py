"""`askr shell -c` and `askr shell -`: the shell as scripts use it."""

import signal

import pytest

from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration


def test_statements_run_in_order_over_one_connection(askr: Askr, service: TextService) -> None:
    ran = askr("shell", "-c", "send echo 1; send echo two=2; send who | tr a-z A-Z")
    assert ran.code == 0, ran
    first, second, who = ran.out.splitlines()
    assert (first, second) == ("1", '{"two":"2"}')
    assert who.startswith('{"SERVICE":"SHELL"')
    assert len({call["from"]["instance"] for call in service.calls[-3:]}) == 1


def test_exit_code_is_that_of_the_last_failure_and_the_rest_still_runs(
    askr: Askr, service: TextService
) -> None:
    ran = askr("shell", "-c", 'send nope; send fail_with {"code": "no_ink"}; send echo 1')
    assert (ran.code, ran.out) == (6, "1\n")
    assert "nope" in ran.err


def test_exit_ends_the_script_with_the_failure_so_far(askr: Askr, service: TextService) -> None:
    ran = askr("shell", "-c", "send nope; exit; send echo 1")
    assert (ran.code, ran.out) == (5, "")


def test_statements_come_from_standard_input_only_when_asked(
    askr: Askr, service: TextService
) -> None:
    script = b'# a comment\nsend echo {\n  "a": 1\n}\n\nping -q\n'
    ran = askr("shell", "-", stdin=script)
    assert ran.code == 0, ran
    assert ran.out.splitlines()[0] == '{"a":1}'
    refused = askr("shell", stdin=b"send echo 1\n")
    assert (refused.code, refused.out) == (2, "")
    assert "needs a terminal" in refused.err


def test_json_holds_for_every_statement_and_for_errors(askr: Askr, service: TextService) -> None:
    ran = askr("shell", "--json", "-c", "send echo 1; sned x; jobs; help ping; kill 1")
    values = ran.lines
    assert (values[0]["value"], values[1]["error"]["code"], values[2]) == (1, "usage", [])
    assert values[3]["ok"] is True
    assert values[4]["error"]["code"] == "usage"
    assert ran.code == 2


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("-c", "send x {"), "is not closed"),
        (("-c", "send x | nonexistent-program"), "no program"),
        (("-c", "send x -"), "standard input is the keyboard"),
        (("x",), "-c"),
        (("-", "-c", "ping"), "not both"),
    ],
)
def test_what_cannot_be_run_exits_with_2(askr: Askr, words: tuple[str, ...], hint: str) -> None:
    refused = askr("shell", *words)
    assert refused.code == 2
    assert hint in refused.err


def test_a_statement_may_name_another_workspace(askr: Askr, service: TextService) -> None:
    ran = askr("shell", "-c", "send echo 1; send echo 2 -w elsewhere; send echo 3")
    assert (ran.code, ran.out) == (5, "1\n3\n")
    assert "workspace elsewhere" in ran.err


def test_a_background_job_ends_with_the_script(askr: Askr, service: TextService) -> None:
    ran = askr("shell", "-c", "listen X &; jobs")
    assert ran.code == 0
    assert "[1]  running" in ran.out


def test_without_a_daemon_it_exits_with_7(askr: Askr) -> None:
    assert askr("shell", "-c", "ping", "--url", "unix:/nonexistent/askrd.sock").code == 7


def test_sigterm_cancels_the_command_and_ends_the_script(askr: Askr, service: TextService) -> None:
    with askr.running("shell", "-c", "send slow; send echo 1") as run:
        service.wait_for_call()
        ended = run.stop(signal.SIGTERM)
    assert (ended.code, ended.out) == (143, "")
    assert service.wait_for("cancel")["k"] == "cancel"


def test_ctrl_c_cancels_the_command_and_ends_the_script(askr: Askr, service: TextService) -> None:
    with askr.running("shell", "-c", "send slow; send echo 1") as run:
        service.wait_for_call()
        ended = run.stop(signal.SIGINT)
    assert (ended.code, ended.out) == (130, "")
