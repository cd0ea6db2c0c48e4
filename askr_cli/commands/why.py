"""`askr why`: who would get a command or an event, or why nobody does, one verdict per candidate."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from askr_cli.commands.frames import show_call
from askr_cli.commands.registry import print_table
from askr_cli.durations import duration_text
from askr_cli.exits import Exit, Usage
from askr_cli.render import clock
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal
from askrd.wire.names import check_subject, parse_address, shown

Json = Any
Told = Mapping[str, Json]

Target = Annotated[
    str | None,
    typer.Argument(metavar="[TARGET]", help="a command, as `askr send` takes it"),
]
EventName = Annotated[
    str | None, typer.Option("--event", metavar="EVENT", help="who hears this event")
]
CommandId = Annotated[
    str | None,
    typer.Option(
        "--id", metavar="N", help="a command that was sent: its number, or INSTANCE:NUMBER"
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ID", help="without this instance; repeatable"),
]
Key = Annotated[
    str | None, typer.Option("--key", metavar="K", help="the key that the policy hash goes by")
]
_ID = re.compile(r"(?:([0-9A-Za-z]{6}):)?([0-9]{1,16})")
_HEAD = ("service", "instance", "verdict", "reason")
_REASONS = {
    "chosen": "it gets the next one",
    "eligible": "it could take it; it is not its turn",
    "draining": "it finishes what it has and takes nothing new",
    "disabled": "it was taken out of rotation; put it back: askr enable",
    "unresponsive": "it has been silent for too long",
    "paused": "it does not read what it was sent",
    "saturated": "it has as many commands as it takes at once",
    "forbidden": "a rule forbids it",
    "version": "its version is not in the range",
    "excluded": "it was excluded",
    "ejected": "it failed too often and gets a rest",
    "not_offered": "it does not offer this command",
    "not_addressed": "the address means others",
    "hears": "a pattern of it fits",
    "misses": "no pattern of it fits",
}
"""What a verdict means where the daemon gave no reason."""


def why(
    terminal: Terminal,
    target: Target = None,
    *,
    event: EventName = None,
    id: CommandId = None,
    exclude: Exclude = None,
    key: Key = None,
) -> int:
    """Explains who would get a command or an event, or what became of a command."""
    question = _question(target, event, id, exclude or [], key)
    body = msgspec.Raw(msgspec.json.encode(question))
    if terminal.dry_run:
        return show_call(terminal, "$askr.why", body)
    told = terminal.client().send("$askr.why", body, timeout=terminal.timeout_s)
    if terminal.json:
        terminal.print_json(told)
        return Exit.DONE
    terminal.write(escaped(outcome(told)))
    candidates = told.get("candidates") or []
    print_table(terminal, _HEAD, [_cells(one) for one in candidates])
    return Exit.DONE


def _question(
    target: str | None, event: str | None, id_: str | None, exclude: list[str], key: str | None
) -> dict[str, Json]:
    """Returns what the daemon is asked.

    Raises:
        Usage: there is none of the three subjects, or more than one, or an option that goes with
            a command's address alone.
        BadRequest: an address or a name breaks the grammar.
    """
    if [target, event, id_].count(None) != 2:
        raise Usage("why explains one thing: TARGET, or --event EVENT, or --id ID  (askr help why)")
    if target is None and (exclude or key is not None):
        raise Usage("--exclude and --key go with a TARGET: they say who may get a command")
    if event is not None:
        return {"event": check_subject(event)}
    if id_ is not None:
        return _command_asked(id_)
    assert target is not None
    parse_address(target)
    options: dict[str, Json] = {"exclude": exclude} if exclude else {}
    return {"target": target} | options | ({} if key is None else {"key": key})


def _command_asked(text: str) -> dict[str, Json]:
    match = _ID.fullmatch(text)
    if match is None:
        raise Usage(
            f"{shown(text)} names no command: write --id 17, or --id k3Tz9a:17 with the instance "
            "that sent it; askr send --json prints both"
        )
    return {"id": int(match[2])} | ({"instance": match[1]} if match[1] else {})


def outcome(told: Told) -> str:
    """Returns in one sentence how it ended, or would end."""
    target, verdict = told.get("target", ""), told.get("verdict")
    if "id" in told:
        return _command_outcome(told)
    match verdict:
        case "chosen":
            return f"{target} goes to {_chosen(told) or 'an instance'}"
        case "waits":
            return f"{target} waits: nobody who may take it is free now"
        case "queued":
            return f"{target} becomes a job and waits in its queue  (askr jobs queues)"
        case "heard":
            rows = _rows(told)
            hearers = sum(row.get("verdict") == "hears" for row in rows)
            return f"{target} is heard by {hearers} of {len(rows)} that listen"
        case "nobody":
            return f"nobody hears {target}{'' if _rows(told) else ': nobody listens to anything'}"
        case _:
            return f"{target} goes to nobody: {_error(told)} ({verdict})"


def _error(told: Told) -> str:
    message = str(told.get("error") or "it would fail")
    details = told.get("details")
    close = details.get("nearest") if isinstance(details, Mapping) else None
    if not isinstance(close, list) or not close or "Did you mean" in message:
        return message
    return f"{message} Did you mean: {', '.join(map(str, close))}?"


def _command_outcome(told: Told) -> str:
    caller, instance = told.get("caller"), told.get("instance")
    came, ms = told.get("came"), told.get("ms")
    by = f" of {caller}" if caller else ""
    when = f" at {clock(came)}" if isinstance(came, int) else ""
    after = f" after {duration_text(ms)}" if isinstance(ms, int | float) else ""
    match told.get("state"):
        case "running":
            time_so_far = after.replace(" after ", " for ")
            end = f"it runs{f' at {instance}' if instance else ''}{time_so_far}"
        case "answered":
            end = f"it was answered{f' by {instance}' if instance else ''}{after}"
        case _:
            code = told.get("code") or told.get("verdict")
            end = (
                f"it failed{f' at {instance}' if instance else ''}{after}: {_error(told)} ({code})"
            )
    return f"command {told['id']}{by} to {told.get('target', '')}{when}: {end}"


def _rows(told: Told) -> list[Told]:
    return [row for row in told.get("candidates") or [] if isinstance(row, Mapping)]


def _chosen(told: Told) -> str:
    chosen = [row for row in _rows(told) if row.get("verdict") == "chosen"]
    return ", ".join(f"{row.get('service', '')}@{row.get('instance', '')}" for row in chosen)


def _cells(row: Told) -> list[str]:
    verdict = str(row.get("verdict", ""))
    reason = str(row.get("reason") or _REASONS.get(verdict, ""))
    return [str(row.get("service", "")), str(row.get("instance", "")), verdict, reason]
