"""The strict check of JSON where text enters: what every decoder reads the same way, or nothing.

Refused: invalid UTF-8, NaN and Infinity, numbers out of range, lone surrogates, duplicate keys,
nesting deeper than 64.
"""

import json
import re
from collections import Counter
from typing import Any

import msgspec

from askrd.wire.errors import BadRequest
from askrd.wire.limits import JSON_DEPTH_MAX
from askrd.wire.names import shown

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def check(text: bytes) -> None:
    """Returns when ``text`` is one strict JSON text.

    Raises:
        BadRequest: it is not; the message says what and, where known, at which byte.
    """
    try:
        decoded = text.decode()
        msgspec.json.decode(text)  # First: it is fast, and its own nesting limit is safe.
        if text.count(b"[") + text.count(b"{") > JSON_DEPTH_MAX:
            _check_depth(text)
        _DECODER.decode(decoded)
    except UnicodeDecodeError as exc:
        raise BadRequest(f"not UTF-8: byte {exc.start} is {text[exc.start]:#04x}") from exc
    except RecursionError as exc:
        raise BadRequest(_TOO_DEEP) from exc
    except ValueError as exc:
        hint = "; \\uD800 to \\uDFFF stand in pairs only" if _SURROGATE.search(text) else ""
        raise BadRequest(f"not strict JSON: {exc}{hint}") from exc


_TOO_DEEP = f"not strict JSON: nested deeper than {JSON_DEPTH_MAX}"


def _check_depth(valid: bytes) -> None:
    """Takes the innermost brackets away, level by level, at the speed of `bytes.replace`."""
    brackets = _STRING.sub(b"", valid).translate(_AS_SQUARE, _NO_BRACKETS)
    for _ in range(JSON_DEPTH_MAX):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return
    raise BadRequest(_TOO_DEEP)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise BadRequest(f"not strict JSON: the key {shown(twice)} stands twice in an object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
