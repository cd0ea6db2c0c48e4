"""The part of the table of verbs that is about what the daemon keeps: state, logs and jobs."""

from askr_cli.verb import Verb

_COMMANDS = "askr_cli.commands"

STATE_VERBS = (
    Verb(
        "state get",
        "print the value of a key",
        f"{_COMMANDS}.state:get",
        (
            ("askr state get config/theme", "its value"),
            ("askr state get config/theme --json", "with its revision"),
            ("askr state get logo --raw | file -", "bytes as they are"),
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
)
"""`askr state ...`."""

LOG_VERBS = (
    Verb(
        "logs list",
        "list the durable logs of events",
        f"{_COMMANDS}.logs:list_",
        (("askr logs", "a table"), ("askr logs list --json", "one JSON array")),
    ),
    Verb(
        "logs create",
        "make a log that keeps events, or change its limits",
        f"{_COMMANDS}.logs_writes:create",
        (
            ("askr logs create orders 'orders.**'", "keeps 7 days, 100 000 events, 64 MiB"),
            ("askr logs create orders 'orders.**' --age 30d --bytes 200M", "other limits"),
            ("askr logs create mail MAIL --ack-wait 5m --max-deliveries 3", "for slow consumers"),
        ),
        writes=True,
    ),
    Verb(
        "logs show",
        "show a log: its limits, what it holds, who reads it",
        f"{_COMMANDS}.logs:show",
        (
            ("askr logs show orders", "what is in it: askr listen --log orders --start first"),
            ("askr logs show orders --json", "for scripts"),
        ),
    ),
    Verb(
        "logs consumers",
        "list the consumers of a log, or forget one",
        f"{_COMMANDS}.logs:consumers",
        (
            ("askr logs consumers orders", "how far each is"),
            ("askr logs consumers orders --rm books", "forget where books is"),
        ),
        writes=True,
    ),
    Verb(
        "logs purge",
        "empty a log; it goes on taking in",
        f"{_COMMANDS}.logs_writes:purge",
        (
            ("askr logs purge orders", "everything in it"),
            ("askr logs purge orders --upto 812", "what is up to the sequence number 812"),
        ),
        writes=True,
    ),
    Verb(
        "logs rm",
        "remove a log with everything in it",
        f"{_COMMANDS}.logs_writes:rm",
        (("askr logs rm orders", "the log, its events, its consumers"),),
        writes=True,
    ),
)
"""`askr logs ...`."""

JOB_VERBS = (
    Verb(
        "jobs list",
        "list the jobs in durable queues",
        f"{_COMMANDS}.jobs:list_",
        (
            ("askr jobs list", "the newest of all; askr jobs alone does the same"),
            ("askr jobs list mail.post --state dead", "of one command, those given up"),
            ("askr jobs list --state queued --json", "one JSON array"),
        ),
    ),
    Verb(
        "jobs show",
        "show a job: its state, attempts, times, value or error",
        f"{_COMMANDS}.jobs:show",
        (("askr jobs show 17", "job 17"), ("askr jobs show 17 --json", "with its value")),
    ),
    Verb(
        "jobs wait",
        "wait for the end of a job, and print its value",
        f"{_COMMANDS}.jobs_wait:wait",
        (
            ("askr jobs wait 17", "exit 6 when it failed"),
            ("askr jobs wait 17 --timeout 1m", "exit 124 when it has not ended by then"),
        ),
    ),
    Verb(
        "jobs retry",
        "queue jobs again that have ended",
        f"{_COMMANDS}.jobs_writes:retry",
        (
            ("askr jobs retry 17", "with all its attempts"),
            ("askr jobs retry --state dead --target mail.post", "all that were given up"),
        ),
        writes=True,
    ),
    Verb(
        "jobs cancel",
        "take jobs back",
        f"{_COMMANDS}.jobs_writes:cancel",
        (("askr jobs cancel 17 18", "queued ones never run, running ones are told to stop"),),
        writes=True,
    ),
    Verb(
        "jobs purge",
        "forget jobs that have ended, or that wait",
        f"{_COMMANDS}.jobs_writes:purge",
        (
            ("askr jobs purge --state dead", "those that were given up"),
            ("askr jobs purge mail.post --state done", "the results of one command"),
        ),
        writes=True,
    ),
    Verb(
        "jobs queues",
        "list the queues, with how many jobs are in each",
        f"{_COMMANDS}.jobs:queues",
        (("askr jobs queues", "a row of each command that is queued"),),
    ),
)
"""`askr jobs ...`."""
