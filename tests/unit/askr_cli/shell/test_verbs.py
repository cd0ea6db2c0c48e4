"""The table of verbs of the shell, against the command line's."""

from askr_cli import verbs as table
from askr_cli.shell.grammar import Request, read
from askr_cli.shell.line import statements
from askr_cli.shell.verbs import OUTSIDE, OWN, help_text, verbs


def test_the_shell_has_every_verb_of_the_command_line_that_makes_sense_inside() -> None:
    own = {verb.name for verb in OWN}
    outer = {verb.name for verb in table.VERBS if not verb.name.startswith("_")} - set(OUTSIDE)
    assert {verb.name for verb in verbs()} == outer | own


def test_help_lists_every_verb_and_explains_one() -> None:
    assert all(verb.name in help_text([]) for verb in verbs())
    text = help_text(["state", "set"])
    assert "state set KEY" in text
    assert "--if-rev N" in text
    assert help_text(["state"]).count("\n") == 10


def test_every_example_can_be_typed() -> None:
    for verb in verbs():
        for example in verb.examples:
            (statement,) = statements(example)
            request = read(statement)
            assert isinstance(request, Request), (example, request)
            assert request.verb is verb
