"""Makes foreign text harmless before it reaches a terminal.

Payloads, names and error texts come from strangers. A control character in them could move the
cursor, change colours or the title, or turn the reading direction around; here it becomes visible
text. Escapes are those of JSON, so JSON stays the same JSON.
"""

import codecs
import re

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and newline; C1 included
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible
    "\ud800-\udfff"  # lone surrogates: bytes that were no UTF-8
    "\U000e0000-\U000e007f]"  # tag characters
)
_BREAKS = re.compile("[\t\n]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


UNENCODABLE = "askr-json-escape"
"""Name of the error handler for streams that cannot say every character."""


def escaped(text: str) -> str:
    """Returns ``text`` on one line, with everything that could drive a terminal made visible."""
    return _BREAKS.sub(_visible, _HARMFUL.sub(_visible, text))


def escaped_lines(text: str) -> str:
    """Returns ``text`` like `escaped`, but leaves its tabs and line breaks."""
    return _HARMFUL.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    return _SHORT.get(match[0]) or _json_escape(match[0])


def _json_escape(character: str) -> str:
    number = ord(character)
    if number <= 0xFFFF:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_json_escape, error.object[error.start : error.end])), error.end


codecs.register_error(UNENCODABLE, _escape_unencodable)
