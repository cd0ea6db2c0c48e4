"""The keys of the shell that its line editor does not have by itself."""

from collections.abc import Callable
from dataclasses import dataclass

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, completion_is_selected, has_completions
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent


@dataclass(slots=True)
class Mood:
    """What the keys before this one began.

    Attributes:
        searching: whether the history is searched: what is typed looks for an earlier line.
        tab_waits: whether Tab was pressed before there was anything to choose from.
    """

    searching: bool = False
    tab_waits: bool = False

    def choices_came(self, buffer: Buffer) -> None:
        """Takes the first choice when Tab has been waiting for it."""
        state = buffer.complete_state
        if self.tab_waits and state is not None and state.completions:
            self.tab_waits = False
            if state.complete_index is None:
                buffer.complete_next()

    def text_changed(self, _: Buffer) -> None:
        """Forgets a Tab that waited: the person types on."""
        self.tab_waits = False


def bindings(mood: Mood, find: Callable[[str], str]) -> KeyBindings:
    """Returns the shell's own keys: Tab, Ctrl-R, Enter in a menu, the ways out of a search.

    Args:
        mood: what the keys begin and end.
        find: returns the best earlier line for what was typed, or nothing.
    """
    keys = KeyBindings()
    searching = Condition(lambda: mood.searching)

    @keys.add("tab")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        state = buffer.complete_state
        if state is not None and state.completions:
            buffer.complete_next()
            return
        mood.tab_waits = True
        buffer.start_completion(select_first=True)

    @keys.add("c-r")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if mood.searching and buffer.complete_state:
            buffer.complete_next()
            return
        mood.searching = True
        buffer.start_completion(select_first=False)

    @keys.add("enter", filter=has_completions & completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        mood.searching = False
        event.current_buffer.complete_state = None

    @keys.add("enter", filter=searching & ~completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        mood.searching = False
        buffer = event.current_buffer
        buffer.cancel_completion()
        line = find(buffer.text)
        if line:
            buffer.document = Document(line)

    @keys.add("c-g", filter=searching)
    @keys.add("escape", filter=searching, eager=True)
    def _(event: KeyPressEvent) -> None:
        mood.searching = False
        event.current_buffer.cancel_completion()

    return keys
