"""What `askr send --in` uploads: a file or standard input in pieces, never all of it at once."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from askr_cli.exits import Usage
from askr_cli.terminal import Terminal
from askrd.wire.errors import InternalError
from askrd.wire.limits import STREAM_ITEM_BYTES
from askrd.wire.names import shown

STDIN = "-"


class UploadPieces:
    """The pieces of one upload; iterated once, by the client that sends them.

    Attributes:
        sent_bytes: how many bytes were taken from it.
    """

    def __init__(self, terminal: Terminal, name: str) -> None:
        """Opens the file ``name``, or standard input when it is `-`.

        Raises:
            Usage: it cannot be read.
        """
        self.sent_bytes = 0
        self._terminal = terminal
        self._name = "standard input" if name == STDIN else shown(name)
        self._file = None if name == STDIN else _opened(name)

    def __iter__(self) -> Iterator[bytes]:
        """Yields pieces of at most 64 KiB as they come, and closes the file.

        Raises:
            InternalError: reading failed half-way.
        """
        file: AbstractContextManager[BinaryIO | None] = self._file or nullcontext()
        with file as opened:
            while piece := self._read(opened):
                self.sent_bytes += len(piece)
                yield piece

    def _read(self, file: BinaryIO | None) -> bytes:
        try:
            if file is None:
                return self._terminal.read_piece(STREAM_ITEM_BYTES)
            return file.read(STREAM_ITEM_BYTES)
        except OSError as exc:
            raise InternalError(
                f"reading {self._name} failed ({exc.strerror}); the upload was given up "
                f"after {self.sent_bytes} bytes",
                at="client",
            ) from exc


def _opened(name: str) -> BinaryIO:
    path = Path(name)
    try:
        if path.is_dir():
            raise Usage(f"{shown(name)} is a directory; an upload is one file: nothing was sent")
        return path.open("rb", buffering=0)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise Usage(f"cannot read {shown(name)} ({reason}); nothing was sent") from exc
