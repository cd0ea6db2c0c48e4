"""The table of verbs: everything `askr` can be told, in the order help shows it.

A verb's function is named by text and imported when it is needed, so that `askr send` never pays
for the shell. The function takes a `Terminal` and its own arguments, described with typer's
`Annotated[..., typer.Argument(...)]` and `typer.Option(...)`, and returns an exit code. Options
that every verb has (`--url`, `--json` and so on) are in the `Terminal`, not among its arguments.
"""

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


_COMMANDS = "askr_cli.commands"

VERBS = (
    Verb(
        "send",
        "send a command and print its value",
        f"{_COMMANDS}.send:send",
        (
            ("askr send fetch", "the command fetch of whoever offers it"),
            ("askr send agent.crawl url=https://example.org depth:=2", "with named arguments"),
            ("""askr send agent.crawl '{"depth": 2}' --timeout 5s""", "with a JSON payload"),
            ("echo '[1, 2]' | askr send sum -", "with a payload from standard input"),
            ("askr send agent@k3Tz9a.fetch --json", "one instance; the whole answer as JSON"),
            ("askr send agent@*.status", "every instance: a row of each"),
            ("askr send agent.status --quorum 2 --exclude k3Tz9a", "until two others did it"),
            ("askr send agent.tail path=log --stream | head", "items as they come, one a line"),
            ("tar c . | askr send store.put name=home --in -", "with an upload of any size"),
            ("askr send orders.pay id:=7 --idempotency-key o7", "sent twice, it runs once"),
            ("askr send index.build --ack", "leave when it is accepted"),
        ),
        writes=True,
    ),
    Verb(
        "emit",
        "emit an event to everyone who listens",
        f"{_COMMANDS}.emit:emit",
        (
            ("askr emit DEPLOYED version=1.2", "an event with a payload"),
            ("askr emit TICK --count 10 --every 1s", "ten of them, one a second"),
            ("askr emit orders.paid id:=7 --require-listener", "exit 5 when nobody listens"),
        ),
        writes=True,
    ),
    Verb(
        "listen",
        "print events as they come",
        f"{_COMMANDS}.listen:listen",
        (
            ("askr listen FETCHED_TIME", "until Ctrl-C"),
            ("askr listen 'orders.**' 'FETCHED_*' --json", "two patterns, one JSON object a line"),
            ("askr listen FETCHED_TIME --count 3 --timeout 10s", "exit 124 when fewer came"),
            ("askr listen 'orders.*' --fields payload.id,from.service", "chosen fields only"),
        ),
    ),
    Verb(
        "state get",
        "print the value of a key",
        f"{_COMMANDS}.state:get",
        (
            ("askr state get config/theme", "its value"),
            ("askr state get config/theme --json", "with its revision"),
        ),
    ),
    Verb(
        "state set",
        "set a key to a value",
        f"{_COMMANDS}.state_writes:set_",
        (
            ("""askr state set config/theme '"dark"'""", "a JSON value"),
            ("askr state set config active:=true name=west", "an object"),
            ("askr state set config/theme 1 --if-rev 7", "only if its revision is still 7"),
            ("askr state set lock/a 1 --if-rev 0 --ttl 30s", "a lock, for half a minute"),
            ("askr state set lock/a 1 --if-rev 0 --ephemeral", "a lock, as long as this runs"),
        ),
        writes=True,
    ),
    Verb(
        "state patch",
        "merge a patch into the value of a key",
        f"{_COMMANDS}.state_writes:patch",
        (
            ("askr state patch config name=east", "one member; the others stay"),
            ("""askr state patch config '{"name": null}'""", "null takes a member away"),
        ),
        writes=True,
    ),
    Verb(
        "state incr",
        "count a key up, and print it",
        f"{_COMMANDS}.state_writes:incr",
        (
            ("askr state incr visits", "1, 2, 3, ..."),
            ("askr state incr stock/pears --by -5", "down by five"),
            ("askr state incr visits/today --ttl 24h", "gone after a day without a visit"),
        ),
        writes=True,
    ),
    Verb(
        "state touch",
        "let a key live longer",
        f"{_COMMANDS}.state:touch",
        (
            ("askr state touch lock/a", "as long again as it was given"),
            ("askr state touch lock/a --ttl 1m", "a minute from now"),
        ),
        writes=True,
    ),
    Verb(
        "state rm",
        "delete a key",
        f"{_COMMANDS}.state:rm",
        (
            ("askr state rm config/theme", "exit 5 when there is no such key"),
            ("askr state rm config/theme --if-rev 7", "only if its revision is still 7"),
        ),
        writes=True,
    ),
    Verb(
        "state ls",
        "list keys and values",
        f"{_COMMANDS}.state:ls",
        (
            ("askr state ls", "everything"),
            ("askr state ls config --json", "what is at or below config, as one JSON array"),
        ),
    ),
    Verb(
        "state history",
        "print the last changes of a key, newest first",
        f"{_COMMANDS}.state:history",
        (
            ("askr state history config/theme", "what it was, when, and why it changed"),
            ("askr state history config/theme --count 3 --json", "as one JSON array"),
        ),
    ),
    Verb(
        "state watch",
        "print changes as they come",
        f"{_COMMANDS}.state_watch:watch",
        (
            ("askr state watch config", "what changes at or below config"),
            ("askr state watch config --initial --json", "what is there first, then the changes"),
            ("askr state watch config --since 812", "what changed after revision 812 first"),
        ),
    ),
    Verb(
        "state export",
        "print entries as JSON Lines",
        f"{_COMMANDS}.state_copies:export",
        (
            ("askr state export | tee state.jsonl", "everything"),
            ("askr state export config | askr state import -w lab", "to another workspace"),
        ),
    ),
    Verb(
        "state import",
        "set the entries that JSON Lines say",
        f"{_COMMANDS}.state_copies:import_",
        (
            ("askr state import state.jsonl", "what export wrote"),
            ("askr state import state.jsonl --prefix old", "below old/"),
        ),
        writes=True,
        shows_frame=False,
    ),
    Verb(
        "services",
        "list services and their instances",
        f"{_COMMANDS}.registry:services",
        (("askr services", "a table"), ("askr services --json", "one JSON array")),
    ),
    Verb(
        "describe",
        "explain a service, a command or an event",
        f"{_COMMANDS}.describe:describe",
        (
            ("askr describe agent", "a service with its commands and events"),
            ("askr describe agent.crawl", "a command with its arguments"),
        ),
    ),
    Verb(
        "why",
        "explain who would get a command, or why nobody does",
        f"{_COMMANDS}.why:why",
        (
            ("askr why agent.crawl", "a verdict for each instance; nothing is sent to them"),
            ("askr why agent.crawl --exclude k3Tz9a --key a", "as if it were sent so"),
            ("askr why --event FETCHED_TIME", "who hears an event, and who just misses it"),
            ("askr why --id k3Tz9a:17", "what became of a command; ids: askr send --json"),
        ),
    ),
    Verb(
        "drain",
        "take instances out of rotation and wait until they are idle",
        f"{_COMMANDS}.rotation:drain",
        (
            ("askr drain agent@k3Tz9a", "before that instance is stopped"),
            ("askr drain agent --timeout 1m", "all of them; exit 124 when some still work then"),
        ),
        writes=True,
    ),
    Verb(
        "disable",
        "take instances out of rotation at once",
        f"{_COMMANDS}.rotation:disable",
        (("askr disable agent@k3Tz9a", "what it is doing goes on"),),
        writes=True,
    ),
    Verb(
        "enable",
        "put instances back into rotation",
        f"{_COMMANDS}.rotation:enable",
        (("askr enable agent", "every instance, drained or disabled"),),
        writes=True,
    ),
    Verb(
        "attach",
        "have the daemon dial a node-askr service and offer it",
        f"{_COMMANDS}.attachments:attach",
        (
            ("askr attach node-askr://127.0.0.1:8801 --as agent", "then: askr send agent.fetch"),
            (
                "askr attach node-askr://127.0.0.1:8801 --as agent --commands fetch,start",
                "listed, so that askr send fetch finds it, too",
            ),
            ("askr attach", "what is attached"),
        ),
        writes=True,
    ),
    Verb(
        "detach",
        "hang up on a service that was attached",
        f"{_COMMANDS}.attachments:detach",
        (("askr detach agent", "the daemon dials it no more"),),
        writes=True,
    ),
    Verb(
        "expose",
        "offer a program as a command",
        "askr_cli.programs.expose:expose",
        (
            ("askr expose disk -- df -h {path}", "askr send disk path=/ --stream"),
            (
                "askr expose img.resize --bytes -- convert - -resize {size} png:-",
                "bytes in and out",
            ),
            ("askr expose load --value -- uptime", "one value: askr send load"),
        ),
        writes=True,
        shows_frame=False,
    ),
    Verb(
        "on",
        "run a program for each event",
        "askr_cli.programs.on_event:on",
        (
            ("askr on DEPLOYED -- notify-send {version}", "{field} = a member of the payload"),
            ("askr on 'orders.**' -- jq .total", "the payload is its standard input"),
            ("askr on BUILD --concurrency 4 -- ./build.sh", "four at once, in no order"),
        ),
        shows_frame=False,
    ),
    Verb(
        "peers",
        "list who is connected",
        f"{_COMMANDS}.registry:peers",
        (("askr peers", "a table"), ("askr peers --json", "one JSON array")),
    ),
    Verb(
        "ping",
        "measure the round trip to the daemon",
        f"{_COMMANDS}.ping:ping",
        (("askr ping", "exit 7 when there is no daemon"), ("askr ping --json", "for scripts")),
    ),
    Verb(
        "top",
        "watch rates, delays and queues live",
        "askr_cli.top.verb:top",
        (("askr top", "q leaves"), ("askr top --once --json", "one snapshot for scripts")),
        shows_frame=False,
    ),
    Verb(
        "shell",
        "open the interactive shell",
        "askr_cli.shell.verb:shell",
        (
            ("askr shell", "the same verbs, with completion; Ctrl-D leaves"),
            ("askr shell -c 'send fetch; services'", "a line for scripts"),
        ),
        writes=True,
        shows_frame=False,
    ),
    Verb(
        "demo",
        "take a guided tour on a temporary daemon",
        "askr_cli.demo:demo",
        (("askr demo", "starts a daemon and a service, shows them, stops them"),),
        shows_frame=False,
    ),
    Verb(
        "completion",
        "print or install completion for your shell",
        f"{_COMMANDS}.completion:completion",
        (
            ("askr completion bash", "the script"),
            ("askr completion zsh install", "puts it where zsh finds it"),
        ),
        shows_frame=False,
    ),
    Verb(
        "help",
        "explain a verb, with examples",
        f"{_COMMANDS}.help:help_",
        (
            ("askr help send", "one verb"),
            ("askr help exits", "the exit codes; askr help options: what every verb takes"),
            ("askr help --json", "the tree of verbs for programs"),
        ),
        shows_frame=False,
    ),
    Verb(
        "__complete",
        "print what may follow; the scripts of completion call it",
        f"{_COMMANDS}.completion:complete",
        shows_frame=False,
        hidden=True,
    ),
)
"""Every verb, in the order of `askr help`."""

GROUPS = {"state": "read, write and watch the workspace's connected state"}
"""First words of two-word verbs, with the summary of each group."""


def verb_of(name: str) -> Verb | None:
    """Returns the verb that is typed as ``name``, or None."""
    return next((verb for verb in VERBS if verb.name == name), None)
