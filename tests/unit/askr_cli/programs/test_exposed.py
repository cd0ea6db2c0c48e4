"""Holds which parameters a program has as the handler of a command."""

import pytest

from askr_cli.exits import Usage
from askr_cli.programs.exposed import Exposed, Pace
from askr_cli.programs.output import Form
from askr_cli.programs.running import Running
from askr_cli.programs.template import Template
from askrd.sdk.service import Service
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.bodies import CommandSpec
from askrd.wire.errors import SchemaInvalid
from askrd.wire.frames import Coding
from tests.unit.askr_cli.terminals import KeptTerminal


def exposed(*words: str, stdin_json: bool = False) -> Exposed:
    return Exposed("a.b", Template(words), Form(), Running(), KeptTerminal(), stdin_json=stdin_json)


def service_of(*words: str, stdin_json: bool = False) -> Service:
    service = Service("a")
    service.command("b")(exposed(*words, stdin_json=stdin_json).stream())
    return service


def spec_of(*words: str, stdin_json: bool = False) -> CommandSpec:
    (spec,) = service_of(*words, stdin_json=stdin_json).provision().commands
    return spec


def test_members_are_parameters_that_must_be_given() -> None:
    spec = spec_of("echo", "{size}", "{name}")
    assert (spec.reply, spec.upload) == ("stream", True)
    assert spec.request["required"] == ["size", "name"]
    assert set(spec.request["properties"]) == {"size", "name"}


@pytest.mark.parametrize("payload", [b'{"a": "x"}', b'{"a": 1}', b'{"a": 1.5}', b'{"a": true}'])
def test_texts_numbers_and_truth_fill_words(payload: bytes) -> None:
    signature = service_of("echo", "{a}").commands["b"].signature
    assert "a" in signature.bind(payload, Coding.JSON)


@pytest.mark.parametrize(
    "payload", [b"{}", b"1", b'{"a": null}', b'{"a": []}', b'{"a": {}}', b'{"a": 1, "b": 2}']
)
def test_anything_else_is_refused(payload: bytes) -> None:
    signature = service_of("echo", "{a}", "{c}").commands["b"].signature
    with pytest.raises(SchemaInvalid):
        signature.bind(payload, Coding.JSON)


def test_without_members_the_payload_is_what_the_program_reads() -> None:
    signature = service_of("cat").commands["b"].signature
    assert signature.bind(b"any\0thing", Coding.BYTES)["input"] == b"any\0thing"
    assert signature.bind(b'"text"', Coding.JSON)["input"] == "text"
    assert "input" not in {k: v for k, v in signature.bind(b"", Coding.NONE).items() if v}


def test_json_on_standard_input_may_be_more_than_the_words_want() -> None:
    signature = service_of("cat", "{a}", stdin_json=True).commands["b"].signature
    bound = signature.bind(b'{"a": 1, "b": [2]}', Coding.JSON)
    assert {"a": 1, "b": [2]}.items() <= bound.items()
    anything = service_of("cat", stdin_json=True).commands["b"].signature
    assert anything.bind(b'{"b": [2]}', Coding.JSON)["input"] == {"b": [2]}


def test_a_word_of_the_language_names_no_argument() -> None:
    with pytest.raises(Usage) as told:
        exposed("echo", "{class}")
    assert "{class}" in told.value.sentence


def test_many_lines_are_told_at_a_bounded_pace() -> None:
    loop = VirtualTimeLoop()

    async def tell_all() -> float:
        pace = Pace()
        for _ in range(2_500):
            await pace.step()
        return loop.time()

    try:
        assert 2.0 <= loop.run_until_complete(tell_all()) < 3.0
    finally:
        loop.close()
