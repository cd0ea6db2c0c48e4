"""The pages of help that are about no verb: exit codes, and the options that every verb has."""

from dataclasses import dataclass

from askr_cli import grammar
from askr_cli.exits import MEANINGS


@dataclass(frozen=True, slots=True)
class Topic:
    """One page of help.

    Attributes:
        name: what is typed after `askr help`.
        summary: one line for the list.
    """

    name: str
    summary: str


TOPICS = (
    Topic("exits", "what the exit codes mean"),
    Topic("options", "the options that every verb has"),
)
"""Every page, in the order of `askr help`."""


def page(name: str) -> str | None:
    """Returns the page called ``name``, or None."""
    topic = next((one for one in TOPICS if one.name == name), None)
    if topic is None:
        return None
    rows = _exits() if name == "exits" else grammar.shared_options()
    width = max(len(left) for left, _ in rows)
    lines = [f"  {left.ljust(width)}  {right}" for left, right in rows]
    return "\n".join([f"askr help {name}: {topic.summary}", "", *lines, *_MORE[name]])


def _exits() -> list[tuple[str, str]]:
    return [(f"{int(code):>3}", meaning) for code, meaning in MEANINGS.items()]


_MORE = {
    "exits": (
        "",
        "With --json a failure is an object with error.code, error.message and error.retryable.",
    ),
    "options": (
        "",
        "They stand before or after the verb. The environment gives defaults: ASKR_URL,",
        "ASKR_WORKSPACE, ASKR_TIMEOUT; so do .askr.toml here or above, and the user's config.toml.",
    ),
}
