"""What is known of one verb: its name, its examples, and where the code is that carries it out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from askrd.wire.errors import InternalError


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that `askr` can be told.

    Attributes:
        name: what is typed: one word, or two for a verb of a group (`state get`).
        summary: one line for the list of verbs.
        where: `module:function` that carries it out.
        examples: command lines, each with a few words that say what it does.
        writes: whether it changes something outside the terminal.
        shows_frame: whether it has `--dry-run`, because it says one thing to the daemon.
        hidden: whether help leaves it out, because programs call it and people do not.
    """

    name: str
    summary: str
    where: str
    examples: tuple[tuple[str, str], ...] = field(default=())
    writes: bool = False
    shows_frame: bool = True
    hidden: bool = False

    def function(self) -> Callable[..., int]:
        """Imports and returns the function that carries the verb out."""
        module, _, name = self.where.partition(":")
        found: Any = getattr(import_module(module), name)
        if not callable(found):
            raise InternalError(f"{self.where} is not a verb")
        return found  # type: ignore[no-any-return]
