"""What a program writes to standard output, as the answer of a command."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from askr_cli.programs.program import LINE_BYTES_MAX, LineTooLong, Program, text_of
from askrd.wire.errors import CommandError
from askrd.wire.limits import GATHERED_BYTES_MAX

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How output becomes items, or one value.

    Attributes:
        as_bytes: pieces of bytes, as they come, in place of lines.
        as_json: every line, or the whole value, is JSON.
    """

    as_bytes: bool = False
    as_json: bool = False

    async def items(self, program: Program) -> AsyncIterator[Json]:
        """Yields what the program writes while it writes: lines without their end, or bytes.

        Raises:
            CommandError: a line is too long, or is no JSON.
        """
        if self.as_bytes:
            async for piece in program.pieces():
                yield piece
            return
        try:
            async for line in program.lines():
                if not self.as_json:
                    yield text_of(line)
                elif line.strip():
                    yield _json_in(line)
        except LineTooLong:
            raise CommandError(
                "bad_output",
                f"the program wrote a line of more than {LINE_BYTES_MAX} bytes; "
                "expose it with --bytes",
            ) from None

    async def gathered(self, program: Program) -> bytes:
        """Returns all that the program writes until it closes its output.

        Raises:
            CommandError: it is more than 64 MiB.
        """
        whole = bytearray()
        async for piece in program.pieces():
            whole += piece
            if len(whole) > GATHERED_BYTES_MAX:
                raise CommandError(
                    "bad_output",
                    f"the program wrote more than {GATHERED_BYTES_MAX} bytes; "
                    "expose it without --value, as a stream",
                )
        return bytes(whole)

    def value(self, whole: bytes) -> Json:
        """Returns what gathered output stands for: text without its last line end, bytes, or JSON.

        Raises:
            CommandError: it is no JSON where it should be.
        """
        if self.as_bytes:
            return whole
        return _json_in(whole) if self.as_json else text_of(whole)


def _json_in(text: bytes) -> Json:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CommandError("bad_output", f"the program wrote what is no JSON: {exc}") from None
