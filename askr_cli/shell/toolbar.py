"""Says under the line what is being typed: the signature of the command, the usage of the verb."""

from rich.cells import cell_len, set_cell_size

from askr_cli.shell.grammar import unknown_verb
from askr_cli.shell.line import Word, typing
from askr_cli.shell.live_names import LiveNames
from askr_cli.shell.verbs import Kind, Verb, find_verb, verbs

IDLE = "Tab completes  Ctrl-R history  VERB | jq .  VERB &  help  Ctrl-D leaves"


def hint(text: str, names: LiveNames) -> str:
    """Returns one line of help for the text that is being typed.

    Args:
        text: all that stands left of the cursor.
        names: what is there right now.
    """
    at = typing(text)
    if not at.before and not at.current:
        return IDLE
    if at.is_program:
        return "the output goes to this program, which your PATH finds"
    words = [word.text for word in at.before]
    verb, length = find_verb([*words, at.current])
    if verb is None:
        return _verb_hint(words, at.current)
    waiting = _option_hint(verb, at.before)
    if waiting:
        return waiting
    if verb.places and verb.places[0].kind in {Kind.TARGET, Kind.THING}:
        command = names.find(_target(words, at.current, length))
        if command is not None:
            return f"{command.signature}   {command.doc}".rstrip()
    return _about(verb)


def _target(words: list[str], current: str, length: int) -> str:
    rest = [*words, current][length:]
    return rest[0] if rest else ""


def _verb_hint(words: list[str], current: str) -> str:
    typed = " ".join([*words, current]).strip()
    found = [verb for verb in verbs() if verb.name.startswith(typed)]
    if len(found) == 1:
        return _about(found[0])
    if found:
        return "  ".join(verb.name for verb in found)
    return unknown_verb((words or [current])[0]).message


def _about(verb: Verb) -> str:
    own = [f"[{option}]" for option in verb.options if not option.shared]
    return "   ".join(filter(None, [verb.usage, verb.doc, " ".join(own)]))


def _option_hint(verb: Verb, before: tuple[Word, ...]) -> str:
    if not before or not before[-1].is_option:
        return ""
    option = verb.option(before[-1].text)
    return f"{option}   {option.doc}" if option and option.word else ""


def laid_out(words: str, trouble: str, columns: int) -> list[tuple[str, str]]:
    """Returns the toolbar as styled pieces: one line, or two when ``words`` need them.

    Args:
        words: the hint.
        trouble: stands at the right end of the first line; may be empty.
        columns: width of the terminal.
    """
    right = f"  {trouble} " if trouble else ""
    room = max(1, columns - cell_len(right) - 1)
    first, rest = _cut(words, room)
    pieces = [("", set_cell_size(f" {first}", max(0, columns - cell_len(right))))]
    if right:
        pieces.append(("class:bottom-toolbar.trouble", right))
    if rest:
        second, more = _cut(rest, max(1, columns - 1))
        line = set_cell_size(f" {second}", columns)
        pieces.append(("", f"\n{line[:-1]}…" if more else f"\n{line}"))
    return pieces


def _cut(words: str, columns: int) -> tuple[str, str]:
    """Cuts ``words`` at the last space that leaves a line of ``columns`` cells."""
    if cell_len(words) <= columns:
        return words, ""
    fitting = set_cell_size(words, columns)
    at = fitting.rfind(" ")
    at = at if at > columns // 2 else len(fitting)
    return words[:at].rstrip(), words[at:].lstrip()
