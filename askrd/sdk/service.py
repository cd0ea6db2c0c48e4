"""One name under which an agent offers commands, and what the registry is told about it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from askrd.sdk.shape import Shape
from askrd.sdk.signature import Function, Signature, read_signature
from askrd.wire.bodies import CommandSpec, EventSpec, Provision
from askrd.wire.errors import BadRequest
from askrd.wire.limits import COMMANDS_PER_SERVICE_MAX, TTL_MS_MAX
from askrd.wire.names import check_command, check_subject, check_word

F = TypeVar("F", bound=Function)

_NOT_BUILT = (
    "reply", "mode", "policy", "concurrency", "serial", "internal", "queue", "allow_from",
)  # fmt: skip
"""Options of a command that later versions carry out."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a service.

    Attributes:
        name: its name inside the service.
        function: the handler.
        signature: what the handler takes and gives.
        doc: the handler's docstring, or what was given.
        timeout_ms: its default deadline; 0 = the daemon's.
        idempotent: whether carrying it out twice does no harm.
    """

    name: str
    function: Function
    signature: Signature
    doc: str
    timeout_ms: int
    idempotent: bool

    def spec(self) -> CommandSpec:
        """Returns what the registry is told."""
        return CommandSpec(
            name=self.name,
            doc=self.doc,
            request=self.signature.request,
            response=self.signature.response,
            timeout_ms=self.timeout_ms,
            idempotent=self.idempotent,
        )


class Service:
    """A service of an agent: its commands and its events.

    Attributes:
        name: the word callers write in front of the dot.
        version: of the service, for people and the registry.
        doc: what it is for.
        tags: facts by which instances can be told apart.
        commands: by name, in the order they were registered.
        on_change: called when it offers something else than before.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "",
        doc: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.name = check_word(name, "service")
        self.version = version
        self.doc = doc
        self.tags = dict(tags or {})
        self.commands: dict[str, Command] = {}
        self._emitted: dict[str, tuple[Shape, EventSpec]] = {}
        self._heard: dict[str, EventSpec] = {}
        self.on_change: Callable[[Service], None] | None = None

    @overload
    def command(self, name: F, /) -> F: ...

    @overload
    def command(
        self,
        name: str | None = None,
        /,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        doc: str | None = None,
    ) -> Callable[[F], F]: ...

    def command(
        self,
        name: F | str | None = None,
        /,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        doc: str | None = None,
        **not_built: object,
    ) -> F | Callable[[F], F]:
        """Registers a function as a command; ``@agent.command`` or ``@agent.command("crawl")``.

        Args:
            name: the command's name; by default the function's.
            timeout: seconds a caller that names no deadline gives it; by default the daemon's 30.
            idempotent: whether carrying it out twice does no harm.
            doc: what it does; by default the docstring.
            **not_built: ``reply``, ``mode``, ``policy``, ``concurrency``, ``serial``,
                ``internal``, ``queue`` and ``allow_from``; giving one is refused.

        Raises:
            BadRequest: the name is taken or breaks the grammar, or the function cannot be a
                handler.
            TypeError: an option is not built yet.
        """
        _refuse(not_built)
        timeout_ms = _timeout_ms(timeout)

        def register(function: F) -> F:
            self._add(
                function, name if isinstance(name, str) else None, timeout_ms, idempotent, doc
            )
            return function

        if name is None or isinstance(name, str):
            return register
        return register(name)

    def _add(
        self,
        function: Function,
        name: str | None,
        timeout_ms: int,
        idempotent: bool,  # noqa: FBT001
        doc: str | None,
    ) -> None:
        name = check_command(name or str(getattr(function, "__name__", "")))
        if name in self.commands:
            raise BadRequest(
                f"{self.name}.{name} is registered twice: by {_place(self.commands[name].function)} "
                f"and by {_place(function)}; rename one of them"
            )
        if len(self.commands) >= COMMANDS_PER_SERVICE_MAX:
            raise BadRequest(
                f"{self.name} has {COMMANDS_PER_SERVICE_MAX} commands already, which is the limit; "
                "offer the rest under another name with agent.service()"
            )
        self.commands[name] = Command(
            name=name,
            function=function,
            signature=read_signature(function, name),
            doc=inspect.getdoc(function) or "" if doc is None else doc,
            timeout_ms=timeout_ms,
            idempotent=idempotent,
        )
        self._changed()

    def emits(self, event: str, type_: Any = Any, *, doc: str = "") -> None:
        """Publishes that the service emits ``event`` with payloads of ``type_``.

        Args:
            event: the event's name, without wildcards.
            type_: a type annotation; `Any` says nothing about the payload.
            doc: what it means.

        Raises:
            BadRequest: the name breaks the grammar, the event is published already, or the type
                cannot be written as a JSON Schema.
        """
        if check_subject(event) in self._emitted:
            raise BadRequest(f"{self.name} says twice that it emits {event}; say it once")
        shape = Shape(type_, event)
        schema = None if type_ is Any else shape.schema
        self._emitted[event] = (shape, EventSpec(event=event, doc=doc, schema=schema))
        self._changed()

    def hears(self, pattern: str, schema: Any, doc: str) -> None:
        """Publishes that the service listens to ``pattern``."""
        self._heard.setdefault(pattern, EventSpec(event=pattern, doc=doc, schema=schema))
        self._changed()

    def shape_of(self, event: str) -> Shape | None:
        """Returns the type the service says ``event`` has, or None when it says nothing."""
        found = self._emitted.get(event)
        return found[0] if found else None

    def shapes(self) -> dict[str, Shape]:
        """Returns the types of the events it says it emits."""
        return {event: shape for event, (shape, _) in self._emitted.items()}

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    def provision(self) -> Provision:
        """Returns what the registry is told about the service."""
        return Provision(
            service=self.name,
            version=self.version,
            doc=self.doc,
            tags=self.tags,
            commands=[command.spec() for command in self.commands.values()],
            emits=[spec for _, spec in self._emitted.values()],
            listens=list(self._heard.values()),
        )


def _refuse(options: Mapping[str, object]) -> None:
    for option in options:
        if option not in _NOT_BUILT:
            raise TypeError(f"command() got an unexpected keyword argument '{option}'")
        raise TypeError(
            f"command(): the option '{option}' is not built yet; leave it out. "
            "Built are timeout, idempotent and doc"
        )


def _timeout_ms(timeout: float | None) -> int:
    if timeout is None:
        return 0
    if not 0 < timeout * 1000 <= TTL_MS_MAX:
        raise BadRequest(f"timeout={timeout}: a timeout is above 0 and at most 49 days, in seconds")
    return max(1, round(timeout * 1000))


def _place(function: Function) -> str:
    name = getattr(function, "__qualname__", repr(function))
    code = getattr(inspect.unwrap(function), "__code__", None)
    line = f" (line {code.co_firstlineno})" if code else ""
    return f"{getattr(function, '__module__', '?')}.{name}{line}"
