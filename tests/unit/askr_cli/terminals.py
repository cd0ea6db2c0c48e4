"""A terminal whose streams are kept, for running command lines without a process."""

from collections.abc import Mapping
from io import BytesIO, TextIOWrapper
from pathlib import Path

from askr_cli.app import run
from askr_cli.profile import Options
from askr_cli.terminal import Terminal

NOWHERE = Path("/nonexistent")


class KeptStream(TextIOWrapper):
    """A text stream that remembers what was written."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__(BytesIO(), encoding="utf-8", write_through=True)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def text(self) -> str:
        kept = self.buffer
        assert isinstance(kept, BytesIO)
        return kept.getvalue().decode()


class KeptTerminal(Terminal):
    """A terminal with kept streams and no settings but those given."""

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        source: bytes = b"",
        is_terminal: bool = False,
        options: Options | None = None,
    ) -> None:
        self.kept_out = KeptStream(is_terminal=is_terminal)
        self.kept_err = KeptStream()
        super().__init__(
            out=self.kept_out,
            err=self.kept_err,
            source=BytesIO(source),
            environ=environ or {},
            cwd=NOWHERE,
            options=options,
        )


def said(
    *words: str, environ: Mapping[str, str] | None = None, source: bytes = b""
) -> tuple[int, str, str]:
    """Runs one command line; returns exit code, standard output and standard error."""
    terminal = KeptTerminal(environ=environ, source=source)
    code = run(words, terminal)
    return code, terminal.kept_out.text, terminal.kept_err.text
