"""The grammar of names: workspaces, services, addresses, event subjects, patterns, keys.

A name that breaks the grammar raises `BadRequest` with the rule it broke; everything here is a
pure function of its arguments.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from askrd.wire.errors import BadRequest
from askrd.wire.limits import KEY_BYTES_MAX, NAME_BYTES_MAX

WORKSPACE_DEFAULT = "askr"
WORKSPACE_ALIAS = "global"

_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COMMAND = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64})*")
_TAG_VALUE = re.compile(r"[^\s,{}=]{1,64}")
_SHOWN_CHARS_MAX = 80
_COMPARED_MAX = 1_000


def shown(text: str) -> str:
    """Quotes foreign text for a message: short, on one line, without control characters."""
    clipped = text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…"
    return "'" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in clipped) + "'"


def check_workspace(name: str) -> str:
    """Returns the canonical workspace name; `global` is an alias of `askr`.

    Raises:
        BadRequest: the name is not `[a-z0-9][a-z0-9_-]{0,62}`.
    """
    if name == WORKSPACE_ALIAS:
        return WORKSPACE_DEFAULT
    if not _WORKSPACE.fullmatch(name):
        raise BadRequest(
            f"{shown(name)} is not a workspace name: 1 to 63 of a-z 0-9 _ -, "
            "beginning with a letter or digit"
        )
    return name


def check_word(name: str, what: str) -> str:
    """Returns ``name`` when it is 1 to 64 of ``A-Z a-z 0-9 _ -``: services, peers, instances.

    Raises:
        BadRequest: it is not; the message calls it ``what``.
    """
    if not _WORD.fullmatch(name):
        raise BadRequest(f"{shown(name)} is no {what} name: 1 to 64 of A-Z a-z 0-9 _ -")
    return name


def check_command(name: str) -> str:
    """Returns ``name`` when it can name a command inside a service.

    Raises:
        BadRequest: it is not one or more dot-joined words, or too long.
    """
    if not _COMMAND.fullmatch(name) or len(name) > NAME_BYTES_MAX:
        raise BadRequest(
            f"{shown(name)} is not a command name: words of A-Z a-z 0-9 _ - joined by dots, "
            f"at most {NAME_BYTES_MAX} bytes"
        )
    return name


@dataclass(frozen=True, slots=True)
class Address:
    """Where a command goes: ``[service[@selector].]command``.

    Attributes:
        service: the service's name, or None for a bare name.
        command: the command's name inside the service; may contain dots.
        instances: ids after ``@``; empty when there is no such selector.
        everyone: whether the selector is ``*``.
        tags: pairs of a ``{tag=value,...}`` selector.
    """

    service: str | None
    command: str
    instances: tuple[str, ...] = ()
    everyone: bool = False
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def is_survey(self) -> bool:
        """Whether the address asks several instances at once."""
        return self.everyone or len(self.instances) > 1


def parse_address(text: str) -> Address:
    """Reads an address.

    Args:
        text: ``fetch``, ``agent.fetch``, ``agent@k3Tz9a.fetch``, ``agent@*.fetch``,
            ``agent@a,b.fetch``, ``agent@{zone=eu}.fetch``, ``.cache.clear`` (a bare name with
            dots) or ``$askr.peers``.

    Raises:
        BadRequest: the text is none of these, or longer than 200 bytes.
    """
    if len(text.encode("utf-8", "surrogatepass")) > NAME_BYTES_MAX:
        raise BadRequest(f"an address has at most {NAME_BYTES_MAX} bytes")
    if text.startswith("$"):
        service, _, command = text.partition(".")
        if service != "$askr":
            raise BadRequest(f"{shown(text)}: names with $ are the daemon's; it offers $askr.*")
        return Address(service, check_command(command))
    if text.startswith("."):
        return Address(None, check_command(text[1:]))
    if "@" in text:
        return _parse_selected(text)
    service, dot, command = text.partition(".")
    if not dot:
        return Address(None, check_command(text))
    return Address(check_word(service, "service"), check_command(command))


def _parse_selected(text: str) -> Address:
    service, _, rest = text.partition("@")
    if service == "*":
        if not rest.startswith("*."):
            raise BadRequest(f"{shown(text)}: '*' as a service goes with the selector '@*' only")
        return Address(service, check_command(rest[2:]), everyone=True)
    check_word(service, "service")
    if rest.startswith("{"):
        inside, brace, command = rest[1:].partition("}.")
        if not brace:
            raise BadRequest(f"{shown(text)}: a tag selector is written @{{tag=value}}.command")
        return Address(service, check_command(command), tags=_parse_tags(inside))
    selector, dot, command = rest.partition(".")
    if not dot:
        raise BadRequest(f"{shown(text)}: a selector is followed by .command")
    check_command(command)
    if selector == "*":
        return Address(service, command, everyone=True)
    ids = tuple(check_word(part, "instance") for part in selector.split(","))
    return Address(service, command, instances=ids)


def _parse_tags(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in text.split(","):
        tag, equals, value = part.partition("=")
        fits = _WORD.fullmatch(tag) and _TAG_VALUE.fullmatch(value) and value.isprintable()
        if not equals or not fits:
            raise BadRequest(
                f"{shown(text)}: a tag selector is a list of tag=value; a value is 1 to 64 "
                "printable characters without white space , = { }"
            )
        pairs.append((tag, value))
    return tuple(pairs)


def check_subject(text: str) -> str:
    """Returns ``text`` when an event can be called so.

    Raises:
        BadRequest: a segment is empty or has white space, control characters or ``*``, the
            name begins with ``$`` (the daemon's own), or it is longer than 200 bytes.
    """
    _check_segments(text, "an event's name", allow_star=False)
    if text.startswith("$"):
        raise BadRequest(f"{shown(text)}: events that begin with $ are the daemon's own")
    return text


def check_pattern(text: str) -> str:
    """Returns ``text`` when it is a subject with optional wildcards.

    ``*`` stands for one segment or for part of one; ``**`` as the last segment stands for zero
    or more trailing segments.

    Raises:
        BadRequest: a segment is empty or has white space or control characters, ``**`` stands
            elsewhere than at the end, or the pattern is longer than 200 bytes.
    """
    _check_segments(text, "a pattern", allow_star=True)
    segments = text.split(".")
    if any("**" in segment for segment in segments[:-1]):
        raise BadRequest(f"{shown(text)}: '**' may only be the last segment")
    if "**" in segments[-1] and segments[-1] != "**":
        raise BadRequest(f"{shown(text)}: '**' is a segment of its own")
    return text


def _check_segments(text: str, what: str, *, allow_star: bool) -> None:
    if not text:
        raise BadRequest(f"{what} is empty; an example: orders.paid")
    if len(text.encode("utf-8", "surrogatepass")) > NAME_BYTES_MAX:
        raise BadRequest(f"{what} has at most {NAME_BYTES_MAX} bytes")
    if not text.isprintable() or any(c.isspace() for c in text):
        raise BadRequest(f"{shown(text)}: {what} has no white space or control characters")
    if "" in text.split("."):
        raise BadRequest(f"{shown(text)}: {what} has an empty segment between dots")
    if not allow_star and "*" in text:
        raise BadRequest(f"{shown(text)}: {what} has no '*'; wildcards are for listening")


def segment_matches(pattern: str, segment: str) -> bool:
    """Says whether one pattern segment, with ``*`` for any run of characters, fits ``segment``."""
    if "*" not in pattern:
        return pattern == segment
    pieces = pattern.split("*")
    first, last = pieces[0], pieces[-1]
    if len(segment) < len(first) + len(last):
        return False
    if not segment.startswith(first) or not segment.endswith(last):
        return False
    at, end = len(first), len(segment) - len(last)
    for piece in pieces[1:-1]:
        found = segment.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def pattern_matches(pattern: str, subject: str) -> bool:
    """Says whether ``subject`` fits ``pattern``; both are checked names.

    A pattern that begins with a wildcard never matches a subject of the daemon's own (``$...``).
    """
    if subject.startswith("$") and pattern.startswith("*"):
        return False
    wanted, had = pattern.split("."), subject.split(".")
    if wanted[-1] == "**":
        wanted = wanted[:-1]
        had = had[: len(wanted)] if len(had) >= len(wanted) else had
    if len(wanted) != len(had):
        return False
    return all(segment_matches(w, h) for w, h in zip(wanted, had, strict=True))


def check_key(text: str) -> str:
    """Returns ``text`` when it can name a state entry.

    Raises:
        BadRequest: a ``/`` segment is empty or has white space or control characters, or the
            key is longer than 512 bytes.
    """
    if not text:
        raise BadRequest("a state key is empty; an example: config/theme")
    if len(text.encode("utf-8", "surrogatepass")) > KEY_BYTES_MAX:
        raise BadRequest(f"a state key has at most {KEY_BYTES_MAX} bytes")
    if not text.isprintable() or any(c.isspace() for c in text):
        raise BadRequest(f"{shown(text)}: a state key has no white space or control characters")
    if "" in text.split("/"):
        raise BadRequest(f"{shown(text)}: a state key has no empty segment between slashes")
    return text


def check_prefix(text: str) -> str:
    """Returns ``text`` when it can be watched: empty (everything), a key, or a key and ``/``.

    Raises:
        BadRequest: it is none of these.
    """
    if text:
        check_key(text.removesuffix("/"))
    return text


def prefix_matches(prefix: str, key: str) -> bool:
    """Says whether ``key`` is at or below ``prefix``; ``a`` covers ``a`` and ``a/b``, not ``ab``."""
    if not prefix or key == prefix:
        return True
    return key.startswith(prefix if prefix.endswith("/") else prefix + "/")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Returns up to three known names that ``name`` may have been meant to be, best first.

    The work is bounded, because strangers choose ``name``: nothing is near to a name longer than
    an address can be, and of the known names of similar length the first 1 000 are compared.
    """
    length = len(name)
    if length > NAME_BYTES_MAX:
        return []
    similar = (word for word in known if length <= 3 * len(word) and len(word) <= 3 * length)
    return get_close_matches(name, sorted(set(islice(similar, _COMPARED_MAX))), n=3, cutoff=0.6)
