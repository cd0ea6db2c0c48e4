"""The table of verbs: everything `askr` can be told, in the order help shows it.

A verb's function is named by text and imported when it is needed, so that `askr send` never pays
for the shell. The function takes a `Terminal` and its own arguments, described with typer's
`Annotated[..., typer.Argument(...)]` and `typer.Option(...)`, and returns an exit code. Options
that every verb has (`--url`, `--json` and so on) are in the `Terminal`, not among its arguments.
"""

from askr_cli.verb import Verb
from askr_cli.verbs_of_kept import JOB_VERBS, LOG_VERBS, STATE_VERBS

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
            ("askr emit WEATHER sky=clear --retain", "who listens later gets it first"),
            ("askr emit WEATHER --retain", "without a payload: it is retained no more"),
            ("askr emit log.line text=hello --udp", "in a datagram, which may be lost"),
            ("askr emit WHO_IS_THERE --collect --timeout 1s", "the answers of those who listen"),
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
            ("askr listen 'orders.**' --since 10m", "those of the last ten minutes first"),
            ("askr listen 'weather.*' --retained", "the last one of each, where retained"),
            ("askr listen BUILD --group builders", "each event goes to one of the group"),
            ("askr listen --log orders --start first", "a durable log from its beginning on"),
            ("askr listen --log orders --consumer books --ack", "each event until it is acked"),
        ),
    ),
    *STATE_VERBS,
    *LOG_VERBS,
    *JOB_VERBS,
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

GROUPS = {
    "state": "read, write and watch the workspace's connected state",
    "logs": "durable logs of events: make them, look at them, read them again",
    "jobs": "commands in durable queues: list, inspect, retry, purge",
}
"""First words of two-word verbs, with the summary of each group."""

DEFAULTS = {"logs": "list", "jobs": "list"}
"""Groups that mean one of their verbs when no second word follows."""


def verb_of(name: str) -> Verb | None:
    """Returns the verb that is typed as ``name``, or None."""
    return next((verb for verb in VERBS if verb.name == name), None)
