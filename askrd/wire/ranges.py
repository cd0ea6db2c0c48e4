"""Which versions of a service a caller takes: `^2`, `~2.1`, `2.1.3`, as a pure predicate.

Versions are those of semver.org. A service may call its version anything; what is no such version
can only be asked for by its exact text.
"""

import re
from dataclasses import dataclass

from askrd.wire.errors import BadRequest
from askrd.wire.limits import VERSION_RANGE_CHARS_MAX
from askrd.wire.names import shown

_VERSION_CHARS_MAX = 200

_NUMBER = r"(0|[1-9][0-9]{0,15})"
_TAIL = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_TAIL}))?(?:\+{_TAIL})?")
_RANGE = re.compile(rf"([\^~]?){_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}(?:-({_TAIL}))?)?)?")
_TEXT = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._+-]*")
_WILDCARD = re.compile(r"(?:[0-9]+\.)*[xX*](?:\.[xX*0-9]+)*")

Numbers = tuple[int, int, int]
Precedence = tuple[Numbers, int, tuple[tuple[int, int, str], ...]]
"""What orders versions: the numbers, 0 for a pre-release (else 1), the pre-release's parts."""


@dataclass(frozen=True, slots=True)
class Range:
    """Versions that a caller takes.

    Attributes:
        text: as it was written; a version of exactly this text always fits.
        floor: lowest version that fits, or None when only the text does.
        ceiling: numbers of the first versions that do not fit any more, or None when only
            ``floor`` itself fits.
    """

    text: str
    floor: Precedence | None = None
    ceiling: Numbers | None = None

    def fits(self, version: str) -> bool:
        """Says whether a service of this version is taken.

        A pre-release fits only when the range names a pre-release of the same three numbers:
        `^2.1.0-rc.1` takes `2.1.0-rc.2` and `2.2.0`, not `2.2.0-rc.1`.
        """
        if version == self.text:
            return True
        found = _precedence(version)
        if found is None or self.floor is None:
            return False
        if self.ceiling is None:
            return found == self.floor
        numbers, is_release, _ = found
        if not is_release and (numbers != self.floor[0] or self.floor[1]):
            return False
        return self.floor <= found and numbers < self.ceiling


def parse_range(text: str) -> Range:
    """Reads a range of versions.

    Args:
        text: `^2.1.3`: from there to the next incompatible one (the first number that is not 0
            stays). `~2.1.3`: from there within 2.1. `2` and `2.1`: any that begins so. `2.1.3`:
            this one. What looks like no version (`nightly`) is an exact text.

    Raises:
        BadRequest: it is none of these, or longer than 64 characters.
    """
    match = _RANGE.fullmatch(text) if len(text) <= VERSION_RANGE_CHARS_MAX else None
    if match is None:
        return _exact_text(text)
    sign, *numbers, pre_release = match.groups()
    given = [int(number) for number in numbers if number is not None]
    major, minor, patch = (*given, 0, 0)[:3]
    floor = ((major, minor, patch), *_parts_of(pre_release))
    if not sign and len(given) == 3:
        return Range(text, floor)
    return Range(text, floor, _ceiling(sign, given))


def _exact_text(text: str) -> Range:
    """A range that is one version's text.

    Raises:
        BadRequest: no version is written so.
    """
    is_plain = len(text) <= VERSION_RANGE_CHARS_MAX and _TEXT.fullmatch(text)
    if not is_plain or _WILDCARD.fullmatch(text):
        raise BadRequest(
            f"{shown(text)} is no range of versions: write one of ^2 ^2.1 ~2.1 2 2.1 2.1.3, "
            f"or a version's exact text of at most {VERSION_RANGE_CHARS_MAX} characters"
        )
    return Range(text)


def _ceiling(sign: str, given: list[int]) -> Numbers:
    """Where a range ends: one more in the last number that is to stay."""
    stays = len(given) - 1
    if sign == "~":
        stays = min(stays, 1)
    elif sign == "^":
        stays = next((at for at, number in enumerate(given) if number), stays)
    raised = [*given[:stays], given[stays] + 1, 0, 0]
    return raised[0], raised[1], raised[2]


def _precedence(version: str) -> Precedence | None:
    """What orders this version among others; None when it is none of semver.org."""
    match = _VERSION.fullmatch(version) if len(version) <= _VERSION_CHARS_MAX else None
    if match is None:
        return None
    numbers = int(match[1]), int(match[2]), int(match[3])
    return numbers, *_parts_of(match[4])


def _parts_of(pre_release: str | None) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    """The rest of a precedence: a release comes after its pre-releases, numbers before words."""
    if pre_release is None:
        return 1, ()
    parts = pre_release.split(".")
    return 0, tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
