"""The pages of help that are about no verb: exit codes, addresses, options of every verb, programs."""

from collections.abc import Callable, Sequence
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
    Topic("addresses", "how commands are addressed: one instance, some, or all"),
    Topic("programs", "how askr expose and askr on run programs"),
    Topic("keeping", "what is kept for those who come later, and for how long"),
)
"""Every page, in the order of `askr help`."""


ADDRESSES = (
    ("agent.fetch", "fetch of an instance of agent, each one in its turn"),
    ("fetch", "the same, when no other service offers a fetch"),
    (".cache.clear", "a command with dots in its name, whoever offers it"),
    ("agent@k3Tz9a.fetch", "this instance"),
    ("agent@{zone=eu}.fetch", "one with this tag; tags are joined by commas"),
    ("agent@{version=^2}.fetch", "one of this version: ^2 ~2.1 2.1.3"),
    ("agent@k3Tz9a,p01x7d.fetch", "these instances: a survey, a row of each"),
    ("agent@*.fetch", "every instance: a survey"),
    ("*@*.fetch", "every instance of every service that offers fetch: a survey"),
    ("$askr.services", "a command of the daemon"),
)
"""Every form of an address with what it means."""

PROGRAMS = (
    ("{name}", "in an argument: a member of the payload; {{ is a brace; one word stays one word"),
    ("no shell", "write one where you want one: sh -c 'echo \"$1\"' sh {name}"),
    ("expose: input", "a payload of bytes or text, then what is uploaded: askr send --in FILE"),
    ("expose: output", "each line is an item of a stream; --value: all of it is one value"),
    ("expose: stderr", "each line is progress; the last ones stand in the error"),
    ("expose: status", "above 0: the caller gets exit_status with it; a signal likewise"),
    ("on: input", "the payload as one line of JSON, or its bytes"),
    ("on: status", "above 0: told, and askr on ends with 1 if it ends by itself"),
    ("on: variables", "ASKR_EVENT ASKR_FROM ASKR_SEQ ASKR_TS ASKR_URL"),
    ("expose: variables", "ASKR_COMMAND ASKR_FROM ASKR_URL"),
    ("the end", "cancel, deadline, Ctrl-C: SIGTERM to the program's group, SIGKILL 2 s later"),
)
"""What holds for the programs that askr runs."""

KEEPING = (
    (
        "listen PATTERN",
        "nothing: what is told from now on; who reads too slowly is told of the gap",
    ),
    ("listen --since 10m", "the recent past, in memory: up to 10 minutes, 10 000 events, 64 MiB"),
    ("emit --retain", "the last event of each name; listen --retained has it first"),
    ("listen --group G", "nothing: each event goes to one member of the group that is there"),
    ("listen --log L", "a durable log, made by askr logs create: read again, then followed"),
    ("... --consumer C", "the log remembers how far C is; it moves when an event is delivered"),
    ("... --consumer C --ack", "it moves when an event is acked; what is not acked comes again"),
    ("send to a queue", "a job: kept until it is done, tried again when it fails; askr jobs"),
    ("state set", "the last value of a key; state history, in memory: its last changes"),
)
"""What is kept of what is said, by how it is said or heard."""


def page(name: str) -> str | None:
    """Returns the page called ``name``, or None."""
    topic = next((one for one in TOPICS if one.name == name), None)
    if topic is None:
        return None
    rows = _ROWS[name]()
    width = max(len(left) for left, _ in rows)
    lines = [f"  {left.ljust(width)}  {right}" for left, right in rows]
    return "\n".join([f"askr help {name}: {topic.summary}", "", *lines, *_MORE[name]])


def _exits() -> list[tuple[str, str]]:
    return [(f"{int(code):>3}", meaning) for code, meaning in MEANINGS.items()]


_ROWS: dict[str, Callable[[], Sequence[tuple[str, str]]]] = {
    "exits": _exits,
    "options": grammar.shared_options,
    "addresses": lambda: ADDRESSES,
    "programs": lambda: PROGRAMS,
    "keeping": lambda: KEEPING,
}
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
    "addresses": (
        "",
        "--all, --first and --quorum N make a survey of any address. --exclude ID leaves one out.",
        "A survey exits 0 when every row is good (or as many as were wanted), else 6.",
    ),
    "programs": (
        "",
        "{name} inside a line for sh -c would run what the payload says: it is refused.",
        "A value that begins with - may look like an option: write -- before {name}.",
        "What a program has started ends with it. Only SIGKILL to askr itself leaves it behind.",
    ),
    "keeping": (
        "",
        "What is kept outlives the daemon when it has a data directory: askrd serve --data DIR.",
        "What is in memory begins anew. An event that nobody acks is given up after some",
        "deliveries and told as $askr.dead.LOG; a job that nobody does as $askr.dead.COMMAND.",
    ),
}
