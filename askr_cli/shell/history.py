"""Remembers typed lines across sessions, without what looks like a secret, and finds them again."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from prompt_toolkit.history import FileHistory

from askr_cli.shell.choices import has_letters

LINES_MAX = 5_000
FILE_BYTES_MAX = 1_000_000

_SECRET = re.compile(
    r"token|secret|passw(or)?d|passphrase|credential|(ask|atk)1_"
    r"""|(^|[\s"'{,_-])(api|private)?key["']?\s*:?[:=]""",
    re.IGNORECASE,
)


def looks_secret(line: str) -> bool:
    """Says whether a line seems to hold a secret: it speaks of a token, password or ``key=``."""
    return _SECRET.search(line) is not None


def history_path(environ: Mapping[str, str]) -> Path:
    """Returns ``$XDG_STATE_HOME/askr/history``, by default below ``~/.local/state``."""
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = Path(environ.get("HOME", "~")).expanduser() / ".local" / "state"
    return state / "askr" / "history"


class ShellHistory(FileHistory):
    """A history file that only its owner reads (0600), bounded, and free of secrets.

    A line that looks like a secret is remembered until the shell ends, and not written. When the
    file cannot be written the history lasts as long as the shell.

    Args:
        path: of the file; its directory is made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._writable = self._prepare()

    def _prepare(self) -> bool:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
            self._path.chmod(0o600)
            if self._path.stat().st_size > FILE_BYTES_MAX:
                self._shorten()
        except OSError:
            return False
        return True

    def _shorten(self) -> None:
        newest = list(self.load_history_strings())[:LINES_MAX]
        self._path.write_bytes(b"")
        for line in reversed(newest):
            super().store_string(line)

    def load_history_strings(self) -> Iterable[str]:
        """Returns the stored lines, newest first, each once."""
        try:
            return list(dict.fromkeys(super().load_history_strings()))
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        """Writes a line to the file, unless it looks like a secret."""
        if not self._writable or looks_secret(string):
            return
        try:
            super().store_string(string)
        except OSError:
            self._writable = False


def search(typed: str, lines: Iterable[str]) -> list[str]:
    """Returns the lines that hold ``typed``, then those with its letters in order; newest first.

    Args:
        typed: what to look for, in any case; white space is ignored in the second round.
        lines: newest first.
    """
    low = typed.lower()
    letters = "".join(low.split())
    unique = list(dict.fromkeys(lines))
    holding = [line for line in unique if low in line.lower()]
    taken = set(holding)
    return holding + [
        line for line in unique if line not in taken and has_letters(letters, line.lower())
    ]
