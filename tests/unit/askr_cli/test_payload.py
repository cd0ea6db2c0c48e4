"""Holds the grammar of payloads on a command line."""

from pathlib import Path

import msgspec
import pytest

from askr_cli.exits import Usage
from askr_cli.payload import read_payload
from askrd.wire.errors import BadRequest


def nothing() -> bytes:
    raise AssertionError("standard input was read")


def read(*words: str, raw_file: str | None = None) -> object:
    return read_payload(words, raw_file=raw_file, read_stdin=nothing)


def value(*words: str) -> object:
    payload = read(*words)
    assert isinstance(payload, msgspec.Raw)
    return msgspec.json.decode(bytes(payload))


def test_nothing_is_null() -> None:
    assert read() is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("42", 42),
        ("null", None),
        ('"text"', "text"),
        ('"a=b"', "a=b"),
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ("[]", []),
        ("-1.5e3", -1500.0),
    ],
)
def test_one_json_text_is_itself(text: str, found: object) -> None:
    assert value(text) == found


def test_json_travels_as_it_was_written() -> None:
    assert bytes(read(" 123456789012345678901234567890 ")) == b"123456789012345678901234567890"  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("name=west",), {"name": "west"}),
        (("depth:=2",), {"depth": 2}),
        (("url=https://e.org/?a=b", "deep:=[1]"), {"url": "https://e.org/?a=b", "deep": [1]}),
        (("empty=",), {"empty": ""}),
        (("text=:=5",), {"text": ":=5"}),
        (("with space=1",), {"with space": "1"}),
    ],
)
def test_items_make_an_object(words: tuple[str, ...], found: object) -> None:
    assert value(*words) == found


def test_items_take_files(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a\n", encoding="utf-8")
    (tmp_path / "json").write_text("[1]\n", encoding="utf-8")
    assert value(f"t=@{tmp_path / 'text'}", f"j:=@{tmp_path / 'json'}") == {"t": "a\n", "j": [1]}


def test_a_file_travels_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\0\xff")
    assert read(raw_file=str(tmp_path / "raw")) == b"\0\xff"


def test_standard_input_is_read_for_a_dash_only() -> None:
    payload = read_payload(["-"], raw_file=None, read_stdin=lambda: b"[1]\n")
    assert payload == msgspec.Raw(b"[1]")


@pytest.mark.parametrize(
    "words",
    [
        ("hello",),
        ("{",),
        ("NaN",),
        ('{"a":1,"a":2}',),
        ("[" * 65 + "]" * 65,),
        ('"\udc80"',),
        ("a:=",),
        ("a:=nope",),
        ("a=1", "a=2"),
        ("a=1", "hello"),
        ("1", "2"),
        ("a=\udc80",),
        ("",),
    ],
)
def test_what_is_no_payload_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as caught:
        read(*words)
    assert caught.value.at == "client"


def test_the_refusal_says_how_a_string_is_written() -> None:
    with pytest.raises(BadRequest, match="""A string is written '"text"', an argument key=text"""):
        read("hello")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("a:=x", "the value of 'a' is not JSON: invalid character .byte 0.. Use a=x for text"),
        ("a:={b}", "Put it in quotes: a:="),
        ("{a:1}", "Arguments are easier as items: key=text key:=1"),
        ("[", "is not JSON: it ends too early"),
    ],
)
def test_the_refusal_says_what_to_write_instead(word: str, hint: str) -> None:
    with pytest.raises(BadRequest, match=hint):
        read(word)


@pytest.mark.parametrize(
    ("words", "raw_file"), [(("a=@/nowhere",), None), ((), "/nowhere"), (("1",), "/nowhere")]
)
def test_files_that_cannot_be_read_are_a_usage_error(
    words: tuple[str, ...], raw_file: str | None
) -> None:
    with pytest.raises(Usage):
        read(*words, raw_file=raw_file)


def test_standard_input_goes_with_no_items() -> None:
    with pytest.raises(Usage):
        read("-", "a=1")


def test_a_payload_above_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"1" * (8 * 1024 * 1024 + 1))
    with pytest.raises(BadRequest):
        read(raw_file=str(tmp_path / "big"))
