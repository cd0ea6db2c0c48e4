"""What a caller wants of a command, what the service agrees to, and what the instance is told of it."""

from __future__ import annotations

from collections.abc import Mapping

from askrd.core.course import MODES, NO_OPTIONS, Course
from askrd.core.flow import Flow
from askrd.core.session import Letter
from askrd.wire.bodies import CallOptions, CommandSpec, dump, load
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest
from askrd.wire.frames import (
    FLAG_HEAD,
    FLAG_OPTIONS,
    FLAG_SEALED,
    FLAG_SILENT,
    HEADER,
    SECTION,
    Frame,
)
from askrd.wire.limits import IDEMPOTENCY_KEY_CHARS_MAX
from askrd.wire.names import check_word
from askrd.wire.ranges import parse_range


def read_options(frame: Frame) -> CallOptions:
    """Reads what a caller wants.

    Raises:
        BadRequest: it wants what cannot be.
    """
    if not frame.flags & FLAG_OPTIONS:
        return NO_OPTIONS
    return check_options(load(CallOptions, frame.options, "the options of a call"))


def check_options(options: CallOptions) -> CallOptions:
    """Returns ``options`` when a command can have them.

    Raises:
        BadRequest: it cannot.
    """
    if options.reply not in {"", "ack", "value", "stream"}:
        raise BadRequest("reply is ack, value or stream (or the flag SILENT for none)")
    if options.upload not in {"", "items", "payload"}:
        raise BadRequest("upload is items or payload")
    if options.job or options.attempt:
        raise BadRequest("job and attempt are the daemon's words to an instance; leave them out")
    if options.quorum < 0 or options.wait_ms < 0:
        raise BadRequest("quorum and wait_ms are 0 or more")
    if len(options.idempotency_key) > IDEMPOTENCY_KEY_CHARS_MAX:
        raise BadRequest(f"idempotency_key has at most {IDEMPOTENCY_KEY_CHARS_MAX} characters")
    if options.version:
        parse_range(options.version)
    for suffix in options.exclude:
        check_word(suffix, "instance")
    return options


def agree(spec: CommandSpec, frame: Frame, options: CallOptions) -> str:
    """Returns the reply mode that caller and service have in common.

    Raises:
        BadRequest: the caller wants more than the service gives.
    """
    if options.upload == "items" and not spec.upload:
        raise BadRequest(f"'{spec.name}' takes no stream; send a payload without upload")
    wanted = options.reply or min("value", spec.reply, key=MODES.index)
    if frame.flags & FLAG_SILENT:
        wanted = "none"
    if wanted == "none" and options.upload:
        raise BadRequest("nothing can follow a command that nobody answers; leave upload out")
    if wanted == "ack" and options.upload == "items":
        raise BadRequest("an upload ends with the answer; ask for a value or a stream, not an ack")
    if MODES.index(wanted) > MODES.index(spec.reply):
        gives = {"none": "answers nothing", "ack": "only says that it began"}.get(
            spec.reply, "answers with one value"
        )
        raise BadRequest(
            f"'{spec.name}' {gives} (its reply mode is {spec.reply}); it cannot be asked for "
            f"{wanted}. Leave that out"
        )
    return wanted


def course_for(mode: str, options: CallOptions) -> Course:
    """Returns how a command goes on that was agreed on."""
    course = Course(mode, options)
    if mode == "stream":
        course.down = Flow()
    if options.upload:
        course.up = Flow()
    return course


def letter(frame: Frame, told: Mapping[str, str | int]) -> tuple[int, Raw]:
    """Returns tail and rest of what the instance gets: the caller's options give way to ``told``."""
    said = {name: value for name, value in told.items() if value}
    flags = frame.flags & (FLAG_HEAD | FLAG_SEALED | FLAG_SILENT)
    if said.get("reply") == "none":
        flags |= FLAG_SILENT
        del said["reply"]
    sections = b""
    if frame.head:
        sections = SECTION.pack(len(frame.head)) + frame.head
    if said:
        flags |= FLAG_OPTIONS
        options = dump(said)
        sections += SECTION.pack(len(options)) + options
    tail = frame.coding | flags << 8 | frame.hops << 16
    return tail, sections + frame.payload


def letter_for(frame: Frame, mode: str, spec: CommandSpec) -> tuple[int, Raw]:
    """Returns tail and rest of a survey's command for an instance that declared ``spec``."""
    return letter(frame, {} if mode == spec.reply else {"reply": mode})


def opened(letter: Letter) -> tuple[int, Raw]:
    """Returns tail and rest of a call that was kept for another instance."""
    if isinstance(letter, tuple):
        return letter
    frame = letter
    _, _, stamp_length, name_length, _, _, tail = HEADER.unpack_from(frame)
    return tail, frame[HEADER.size + stamp_length + name_length :]
