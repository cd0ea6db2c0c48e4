"""Puts the choices of what can be typed next behind the Tab key."""

from collections.abc import Callable, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from askr_cli.safe_text import escaped
from askr_cli.shell.choices import choices
from askr_cli.shell.live_names import LiveNames


class ShellCompleter(Completer):
    """Completes from live names; runs in a thread, so that fetching them never blocks a key.

    Args:
        names: returns the live names that matter for a text.
    """

    def __init__(self, names: Callable[[str], LiveNames]) -> None:
        self._names = names

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yields the choices for the text left of the cursor."""
        text = document.text_before_cursor
        for choice in choices(text, self._names(text)):
            yield Completion(
                escaped(choice.text),
                start_position=-choice.length,
                display=escaped(choice.shown or choice.text),
                display_meta=escaped(choice.doc),
            )
