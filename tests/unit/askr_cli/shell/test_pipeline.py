"""Output of a command through programs of the person's own."""

import sys
from typing import TextIO

import pytest

from askr_cli.exits import Usage
from askr_cli.shell.pipeline import pipe

UPPER = (sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())")


def written_to(path) -> tuple[str, ...]:
    code = f"import sys; open({str(path)!r}, 'w').write(sys.stdin.read())"
    return (sys.executable, "-c", code)


def exits(code: int) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; sys.stdin.read(); sys.exit({code})")


def say(text: str, code: int = 0):
    def produce(out: TextIO) -> int:
        out.write(text)
        return code

    return produce


def test_output_goes_through_every_program(tmp_path) -> None:
    path = tmp_path / "out"
    assert pipe([UPPER, written_to(path)], say("häß\n")) == 0
    assert path.read_text() == "HÄSS\n"


def test_the_commands_failure_counts_before_the_programs() -> None:
    assert pipe([exits(3)], say("", 5)) == 5
    assert pipe([exits(3)], say("")) == 3


def test_a_program_that_has_seen_enough_ends_the_output() -> None:
    def produce(out: TextIO) -> int:
        out.writelines("a line that fills the pipe sooner or later\n" for _ in range(100_000))
        return 0

    assert pipe([(sys.executable, "-c", "input()")], produce) == 0


def test_a_program_that_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(Usage, match="no program 'nonexistent-program'"):
        pipe([UPPER, ("nonexistent-program",)], say("never"))
