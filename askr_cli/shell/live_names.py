"""What is there to be typed right now: services, commands with their schemas, events, keys.

Pure: it is built from the rows that the daemon gives, and asked by completion and hints.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from askr_cli.daemon_rows import rows_in
from askr_cli.schema import Parameter, parameters, signature

DAEMON_COMMANDS = ("ping", "peers", "services", "describe", "stats")


@dataclass(frozen=True, slots=True)
class LiveCommand:
    """One command that somebody offers now.

    Attributes:
        service: its service.
        name: its name inside the service.
        doc: one sentence by its author; may be empty.
        request: schema of its payload, or None when it is not known.
        response: schema of its value, or None.
    """

    service: str
    name: str
    doc: str = ""
    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None

    @property
    def address(self) -> str:
        """The address that always means this command."""
        return f"{self.service}.{self.name}"

    @property
    def arguments(self) -> tuple[Parameter, ...]:
        """Its named arguments, as far as its schema names them."""
        return parameters(self.request)

    @property
    def signature(self) -> str:
        """Name, arguments and result on one line."""
        return signature(self.address, self.request, self.response)


@dataclass(frozen=True, slots=True)
class LiveNames:
    """Everything that can be completed, at one moment.

    Attributes:
        commands: by address, in the order of the registry.
        instances: service to its instance ids.
        events: name to a few words on who emits it.
        keys: of the state, as far as fetched.
        logs: durable logs, as far as fetched, with the patterns of each.
        jobs: ids of jobs, as far as fetched, with the command and the state of each.
    """

    commands: Mapping[str, LiveCommand] = field(default_factory=dict)
    instances: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the services."""
        return tuple(self.instances)

    def find(self, target: str) -> LiveCommand | None:
        """Returns the command that ``target`` means; None when there is none, or more than one."""
        service, at, selected = target.partition("@")
        if at:
            _, _, command = (
                selected.rpartition("}.") if "}." in selected else selected.partition(".")
            )
            target = f"{service}.{command}"
        if target in self.commands:
            return self.commands[target]
        bare = target.removeprefix(".")
        offers = [command for command in self.commands.values() if command.name == bare]
        return offers[0] if len(offers) == 1 else None

    def targets(self) -> dict[str, str]:
        """Returns what can follow ``send``, each with a few words: bare names where they are clear.

        A bare name is offered when one service has it, the full address always.
        """
        names = [command.name for command in self.commands.values()]
        found = {
            command.name: f"{command.service}  {command.doc}".strip()
            for command in self.commands.values()
            if names.count(command.name) == 1 and "." not in command.name
        }
        found.update({address: command.doc for address, command in self.commands.items()})
        found.update({f"$askr.{name}": "the daemon's own" for name in DAEMON_COMMANDS})
        return found


def live_names(
    services: Iterable[Mapping[str, Any]],
    descriptions: Mapping[str, Mapping[str, Any]],
    keys: Iterable[str] = (),
) -> LiveNames:
    """Builds the names from what the daemon said.

    Args:
        services: rows of ``$askr.services``.
        descriptions: service to its answer of ``$askr.describe``; may lack some.
        keys: of the state.
    """
    commands: dict[str, LiveCommand] = {}
    instances: dict[str, tuple[str, ...]] = {}
    events: dict[str, str] = {}
    for row in services:
        service = str(row.get("service", ""))
        instances[service] = (*instances.get(service, ()), str(row.get("instance", "")))
        for command in _commands(service, row, descriptions.get(service, {})):
            commands.setdefault(command.address, command)
        for name in _names(row.get("emits")):
            events.setdefault(name, f"emitted by {service}")
        for name in _names(row.get("listens")):
            events.setdefault(name, f"{service} listens")
    return LiveNames(commands, instances, events, tuple(keys))


def log_names(rows: object) -> dict[str, str]:
    """Returns the names in an answer of ``$askr.logs.list``, each with its patterns."""
    return {
        str(row["name"]): " ".join(map(str, row.get("patterns") or ()))
        for row in rows_in(rows, "logs")
        if "name" in row
    }


def job_names(rows: object) -> dict[str, str]:
    """Returns the ids in an answer of ``$askr.jobs.list``, each with its command and state."""
    return {
        str(row["id"]): f"{row.get('target', '')} {row.get('state', '')}"
        for row in rows_in(rows, "jobs")
        if "id" in row
    }


def _commands(
    service: str, row: Mapping[str, Any], description: Mapping[str, Any]
) -> Iterable[LiveCommand]:
    offered = description.get("commands") or row.get("commands")
    for each in offered if isinstance(offered, list) else []:
        if isinstance(each, str):
            yield LiveCommand(service, each)
        elif isinstance(each, Mapping) and "name" in each:
            yield LiveCommand(
                service,
                str(each["name"]),
                _first_line(each.get("doc")),
                _mapping(each.get("request")),
                _mapping(each.get("response")),
            )


def _names(listed: object) -> Iterable[str]:
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping) and "event" in each:
            yield str(each["event"])


def _first_line(text: object) -> str:
    return text.strip().partition("\n")[0] if isinstance(text, str) else ""


def _mapping(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None
