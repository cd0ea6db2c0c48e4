"""The prompt: reads a line, has it carried out, and comes back, whatever happened."""

import signal
from collections.abc import Callable, Iterable
from types import FrameType

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from askr_cli.exits import Terminated
from askr_cli.safe_text import escaped
from askr_cli.shell.colours import LineLexer
from askr_cli.shell.completer import ShellCompleter
from askr_cli.shell.history import search as search_lines
from askr_cli.shell.keys import Mood, bindings
from askr_cli.shell.line import is_open
from askr_cli.shell.live_names import LiveNames
from askr_cli.shell.registry import Registry
from askr_cli.shell.runner import Leave, Runner
from askr_cli.shell.toolbar import hint, laid_out

SEARCHING = "history: type to narrow it, Tab or ↑↓ choose, Enter takes the line, Esc leaves"
LINES_SHOWN_MAX = 200

_STYLE = Style.from_dict(
    {
        "bottom-toolbar": "noreverse bg:default ansibrightblack",
        "bottom-toolbar.trouble": "ansiyellow bold",
        "prompt": "bold",
        "continuation": "ansibrightblack",
    }
)


class _Ended(Exception):
    """SIGTERM came while the prompt was there."""


def prompt_words(workspace: str) -> str:
    """Returns the prompt; ``workspace`` stands in it unless it is empty."""
    return f"askr:{workspace}> " if workspace else "askr> "


def run_plain(runner: Runner, workspace: str) -> int:
    """Reads and carries out lines on a terminal that cannot move its cursor; returns 0."""
    while True:
        try:
            text = input(prompt_words(workspace))
            while is_open(text):
                text += "\n" + input("..... ")
            runner.run(text)
        except KeyboardInterrupt:
            continue
        except (EOFError, Leave):
            return 0


class Prompt:
    """The line editor of the shell.

    Args:
        runner: carries out what was typed.
        registry: knows what can be typed.
        history: remembers what was typed.
        workspace: shown in the prompt unless it is empty.
        trouble: says why the daemon cannot be reached now; empty when it can.
        colour: whether colours are wanted.
    """

    def __init__(
        self,
        runner: Runner,
        registry: Registry,
        history: History,
        *,
        workspace: str,
        trouble: Callable[[], str],
        colour: bool,
    ) -> None:
        self._runner = runner
        self._registry = registry
        self._trouble = trouble
        self._mood = Mood()
        self._words = prompt_words(workspace)
        self._session: PromptSession[str] = PromptSession(
            history=history,
            completer=SwitchingCompleter(ShellCompleter(_names_for(registry)), history, self._mood),
            complete_in_thread=True,
            complete_while_typing=True,
            auto_suggest=AutoSuggestFromHistory(),
            lexer=LineLexer(),
            multiline=Condition(lambda: is_open(get_app().current_buffer.text)),
            prompt_continuation=_continuation,
            bottom_toolbar=self._toolbar,
            key_bindings=bindings(self._mood, lambda typed: next(iter(_found(typed, history)), "")),
            style=_STYLE,
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            reserve_space_for_menu=6,
        )
        buffer = self._session.default_buffer
        buffer.on_completions_changed += self._mood.choices_came
        buffer.on_text_changed += self._mood.text_changed

    def run(self) -> int:
        """Reads and carries out lines until the person leaves; returns the exit code 0."""
        before = signal.signal(signal.SIGTERM, self._terminate)
        try:
            while True:
                self._mood.searching = False
                try:
                    text = self._session.prompt([("class:prompt", self._words)])
                    if text.strip():
                        self._runner.run(text)
                except KeyboardInterrupt:
                    continue
                except (EOFError, Leave):
                    return 0
                except _Ended:
                    raise Terminated from None
        finally:
            signal.signal(signal.SIGTERM, before)

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        """Ends the prompt from inside its loop, so that it leaves the terminal in order."""
        app = self._session.app
        if app.is_running and app.loop is not None:
            app.loop.call_soon_threadsafe(self._leave)
        else:
            raise Terminated

    def _leave(self) -> None:
        if not self._session.app.is_done:
            self._session.app.exit(exception=_Ended())

    def redraw(self) -> None:
        """Draws the prompt again, when it is there; may be called from any thread."""
        self._session.app.invalidate()

    def _toolbar(self) -> StyleAndTextTuples:
        app = get_app()
        text = app.current_buffer.document.text_before_cursor
        words = SEARCHING if self._mood.searching else hint(text, self._registry.names)
        columns = app.output.get_size().columns
        return [*laid_out(escaped(words), escaped(self._trouble()), columns)]


def _continuation(width: int, _line: int, _wrapped: int) -> StyleAndTextTuples:
    return [("class:continuation", "." * max(0, width - 1) + " ")]


def _names_for(registry: Registry) -> Callable[[str], LiveNames]:
    def names(text: str) -> LiveNames:
        typed = text.lstrip().removeprefix("askr ")
        is_kept = typed.startswith(("logs", "jobs")) or "--log" in typed
        return registry.fresh_names(with_keys=typed.startswith("state"), with_kept=is_kept)

    return names


def _found(typed: str, history: History) -> list[str]:
    return search_lines(typed, reversed(history.get_strings()))


class SwitchingCompleter(Completer):
    """Completes the line, or finds earlier lines while the history is searched.

    Args:
        line: completes the line.
        history: has the earlier lines.
        mood: says which of the two is wanted.
    """

    def __init__(self, line: Completer, history: History, mood: Mood) -> None:
        self._line = line
        self._history = history
        self._mood = mood

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yields what may take the place of what was typed."""
        if not self._mood.searching:
            yield from self._line.get_completions(document, complete_event)
            return
        typed = document.text_before_cursor
        for line in _found(typed, self._history)[:LINES_SHOWN_MAX]:
            yield Completion(line, start_position=-len(typed), display=escaped(line))
