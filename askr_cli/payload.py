"""The grammar of payloads on a command line: JSON, items, a file, standard input, or nothing."""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from askr_cli.exits import Usage
from askrd.wire import strict_json
from askrd.wire.errors import BadRequest
from askrd.wire.limits import PAYLOAD_BYTES_HARD_MAX
from askrd.wire.names import shown

_ITEM = re.compile(r"([^\s:=\"'{\[][^:=]*?)(:=@|:=|=@|=)(.*)", re.DOTALL)

Payload = msgspec.Raw | bytes | None
"""JSON as it was written, or bytes, or null."""

_ITEMS_HINT = "Arguments are easier as items: key=text key:=1"

HELP = "JSON, or items key=text key:=json key=@file key:=@file, or - for standard input"


def read_payload(
    words: Sequence[str],
    *,
    raw_file: str | None,
    read_stdin: Callable[[], bytes],
    bytes_max: int = PAYLOAD_BYTES_HARD_MAX,
) -> Payload:
    """Makes the payload of a command or an event from what was typed.

    Args:
        words: the arguments after the target.
        raw_file: file whose bytes are the payload (`--raw-payload`), or None.
        read_stdin: reads all of standard input; called only when the payload is ``-``.
        bytes_max: largest payload.

    Raises:
        BadRequest: it is neither JSON nor items, or too large.
        Usage: a file cannot be read, or two ways are mixed.
    """
    if raw_file is not None:
        if words:
            raise Usage("give a payload or --raw-payload FILE, not both")
        return _file(raw_file, bytes_max)
    if not words:
        return None
    if len(words) > 1 or _is_item(words[0]):
        return _object(words)
    if words[0] == "-":
        return json_of(read_stdin(), "standard input", bytes_max=bytes_max)
    return json_of(
        words[0].encode("utf-8", "surrogateescape"), shown(words[0]), _word_hint(words[0])
    )


def json_of(
    text: bytes, what: str, hint: str = "", *, bytes_max: int = PAYLOAD_BYTES_HARD_MAX
) -> msgspec.Raw:
    """Returns one JSON text as it will travel.

    Args:
        text: what was given.
        what: what the message calls it.
        hint: a sentence on what to write instead; empty = items.
        bytes_max: largest payload.

    Raises:
        BadRequest: it is not strict JSON, or too large.
    """
    if len(text) > bytes_max:
        raise _refused(f"{what} is above {bytes_max >> 20} MiB, the largest payload")
    try:
        strict_json.check(text)
    except BadRequest as exc:
        why = str(exc).removeprefix("not strict JSON: ").removeprefix("JSON is malformed: ")
        why = why.replace("Input data was truncated", "it ends too early")
        raise _refused(f"{what} is not JSON: {why}. {hint or _ITEMS_HINT}") from exc
    return msgspec.Raw(text.strip())


def _word_hint(word: str) -> str:
    """Returns what to write instead of one word that is no JSON."""
    if word[:1] in {"{", "["}:
        return _ITEMS_HINT
    return "A string is written '\"text\"', an argument key=text, a number key:=1"


def _value_hint(key: str, text: str) -> str:
    """Returns what to write instead of ``key:=text``."""
    if text[:1] in {"{", "["}:
        return f'Put it in quotes: {key}:=\'{{"name": "text"}}\''
    return f"Use {key}={shlex.quote(text)} for text"


def _refused(sentence: str) -> BadRequest:
    return BadRequest(sentence, at="client")


def item_of(word: str) -> tuple[str, str, str] | None:
    """Returns name, sign and text of an item, or None when the word is none."""
    match = _ITEM.fullmatch(word)
    return None if match is None else (match[1], match[2], match[3])


def is_item_name(name: str) -> bool:
    """Whether ``name`` can stand before the sign of an item."""
    match = _ITEM.fullmatch(f"{name}=")
    return match is not None and match[1] == name and not name.startswith("-")


def _is_item(word: str) -> bool:
    return _ITEM.fullmatch(word) is not None and not _is_json(word)


def _is_json(word: str) -> bool:
    try:
        msgspec.json.decode(word.encode("utf-8", "surrogateescape"))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _object(words: Sequence[str]) -> msgspec.Raw:
    found: dict[str, Any] = {}
    for word in words:
        item = item_of(word)
        if item is None:
            _refuse_word(word, len(words))
        key, sign, text = item
        if key in found:
            raise _refused(f"{shown(key)} is given twice")
        found[key] = _value(key, sign, text)
    try:
        return msgspec.Raw(msgspec.json.encode(found))
    except UnicodeEncodeError as exc:
        raise _refused("an item of the payload is not UTF-8") from exc


def _refuse_word(word: str, count: int) -> NoReturn:
    if word == "-":
        raise Usage("- (standard input) is a whole payload; it goes with no items")
    raise _refused(
        f"{shown(word)} is no item: write key=text, key:=json, key=@file or key:=@file"
        + (". One JSON text is one argument: put it in quotes" if count > 1 else "")
    )


def _value(key: str, sign: str, text: str) -> Any:
    match sign:
        case "=":
            return text
        case ":=":
            data = text.encode("utf-8", "surrogateescape")
            return json_of(data, f"the value of {shown(key)}", _value_hint(key, text))
        case ":=@":
            return json_of(_file(text), f"the file of {shown(key)}")
        case _:
            return _text_file(key, text)


def _text_file(key: str, name: str) -> str:
    try:
        return _file(name).decode()
    except UnicodeDecodeError as exc:
        raise _refused(f"the file of {shown(key)} is not UTF-8 text") from exc


def _file(name: str, bytes_max: int = PAYLOAD_BYTES_HARD_MAX) -> bytes:
    try:
        with Path(name).open("rb") as file:
            data = file.read(bytes_max + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise Usage(f"cannot read {shown(name)} ({reason}); nothing was sent") from exc
    if len(data) > bytes_max:
        raise _refused(
            f"{shown(name)} is above {bytes_max >> 20} MiB, the largest payload; nothing was sent"
        )
    return data
