"""One name under which an agent offers commands, and what the registry is told about it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, overload

from askrd.sdk.shape import Shape
from askrd.sdk.signature import Function, Signature, read_signature
from askrd.sdk.terms import CommandTerms, ReplyMode, ServiceTerms
from askrd.wire.bodies import CommandSpec, EventSpec, Provision
from askrd.wire.errors import BadRequest
from askrd.wire.limits import COMMANDS_PER_SERVICE_MAX, WAITING_COMMANDS_MAX
from askrd.wire.names import check_command, check_subject, check_word

F = TypeVar("F", bound=Function)

_NOTHING_LAID_DOWN = ServiceTerms()
_OPTIONS = frozenset(one.name for one in fields(CommandTerms))


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a service.

    Attributes:
        name: its name inside the service.
        function: the handler.
        signature: what the handler takes and gives.
        doc: the handler's docstring, or what was given.
        reply: what a caller gets.
        terms: what else is laid down.
    """

    name: str
    function: Function
    signature: Signature
    doc: str
    reply: ReplyMode
    terms: CommandTerms

    @property
    def timeout_ms(self) -> int:
        """Its default deadline; 0 = the daemon's."""
        return self.terms.timeout_ms

    @property
    def is_plain(self) -> bool:
        """Whether it is one question and one answer, with nothing in between."""
        return (
            self.reply is ReplyMode.VALUE
            and not self.signature.upload_name
            and not self.terms.serial
        )

    def spec(self) -> CommandSpec:
        """Returns what the registry is told."""
        terms = self.terms
        gives_nothing = self.reply in {ReplyMode.NONE, ReplyMode.ACK}
        spec = CommandSpec(
            name=self.name,
            doc=self.doc,
            request=self.signature.request,
            response=None if gives_nothing else self.signature.response,
            reply=self.reply.value,
            timeout_ms=terms.timeout_ms,
            idempotent=terms.idempotent,
            mode=terms.mode,
            concurrency=terms.concurrency,
            internal=terms.internal,
            serial=terms.serial,
            allow_from=list(terms.allow_from or ()),
            upload=bool(self.signature.upload_name),
            waiting_max=terms.waiting,
        )
        if terms.policy:
            spec.policy = terms.policy
        if terms.queue:
            _declare_queue(spec, terms)
        return spec


class Service:
    """A service of an agent: its commands and its events.

    Attributes:
        name: the word callers write in front of the dot.
        version: of the service, for people and the registry.
        doc: what it is for.
        tags: facts by which instances can be told apart.
        terms: what else is laid down about it.
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
        terms: ServiceTerms = _NOTHING_LAID_DOWN,
    ) -> None:
        self.name = check_word(name, "service")
        self.version = version
        self.doc = doc
        self.tags = dict(tags or {})
        self.terms = terms
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
        reply: str | None = None,
        mode: str = "balanced",
        policy: str = "",
        concurrency: int = 0,
        waiting: int = WAITING_COMMANDS_MAX,
        serial: bool | str = False,
        internal: bool = False,
        allow_from: Sequence[str] | None = None,
        queue: bool = False,
        attempts: int | None = None,
        backoff: float | None = None,
        keep: float | None = None,
    ) -> Callable[[F], F]: ...

    def command(self, name: F | str | None = None, /, **options: Any) -> F | Callable[[F], F]:
        """Registers a function as a command; ``@agent.command`` or ``@agent.command("crawl")``.

        Args:
            name: the command's name; by default the function's.
            **options: members of `CommandTerms`: ``timeout``, ``idempotent``, ``doc``,
                ``reply``, ``mode``, ``policy``, ``concurrency``, ``waiting``, ``serial``,
                ``internal``, ``allow_from``, and ``queue`` with ``attempts``, ``backoff`` and
                ``keep``.

        Raises:
            BadRequest: the name is taken or breaks the grammar, the function cannot be a handler,
                or an option is none of those it may be.
            TypeError: an option is unknown, or not built yet.
        """
        _refuse(options)
        terms = CommandTerms(**options)

        def register(function: F) -> F:
            self._add(function, name if isinstance(name, str) else None, terms)
            return function

        if name is None or isinstance(name, str):
            return register
        return register(name)

    def _add(self, function: Function, name: str | None, terms: CommandTerms) -> None:
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
        signature = read_signature(function, name)
        _check_serial(signature, terms.serial)
        _check_upload(signature, terms.reply)
        _check_queue(signature, terms)
        self.commands[name] = Command(
            name=name,
            function=function,
            signature=signature,
            doc=inspect.getdoc(function) or "" if terms.doc is None else terms.doc,
            reply=_reply_of(signature, terms.reply),
            terms=terms,
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
        terms = self.terms
        return Provision(
            service=self.name,
            version=self.version,
            doc=self.doc,
            tags=self.tags,
            commands=[command.spec() for command in self.commands.values()],
            emits=[spec for _, spec in self._emitted.values()],
            listens=list(self._heard.values()),
            policy=terms.policy,
            concurrency=terms.concurrency,
            weight=terms.weight,
            allow_from=list(terms.allow_from or ()),
            connect_to=list(terms.connect_to or ()),
        )


def _refuse(options: Mapping[str, object]) -> None:
    for option in options:
        if option == "replaces":
            raise TypeError(f"command(): the option '{option}' is not built yet; leave it out")
        if option not in _OPTIONS:
            raise TypeError(f"command() got an unexpected keyword argument '{option}'")


def _declare_queue(spec: CommandSpec, terms: CommandTerms) -> None:
    spec.queue = True
    if terms.attempts is not None:
        spec.attempts = terms.attempts
    if terms.backoff is not None:
        spec.backoff_ms = round(terms.backoff * 1000)
    if terms.keep is not None:
        spec.keep_ms = round(terms.keep * 1000)


def _check_queue(signature: Signature, terms: CommandTerms) -> None:
    """Returns when jobs can be made of a command.

    Raises:
        BadRequest: it streams, or takes an upload: nobody waits who could take or send items.
    """
    if terms.queue and (signature.is_stream or signature.upload_name):
        what = "yields" if signature.is_stream else "takes an upload"
        raise BadRequest(
            f"{signature.name}: queue=True, but it {what}; nobody waits for a job meanwhile. "
            "Return one value, and take everything in the payload"
        )


def _reply_of(signature: Signature, reply: str | None) -> ReplyMode:
    """Returns the reply mode of a command; a generator is a stream and nothing else is.

    Raises:
        BadRequest: another one was asked for.
    """
    if reply is None:
        return ReplyMode.STREAM if signature.is_stream else ReplyMode.VALUE
    if signature.is_stream and reply != ReplyMode.STREAM:
        raise BadRequest(
            f"{signature.name}: reply='{reply}', but a generator is a stream; a caller may still "
            "ask it for a value, which is the list of its items"
        )
    if reply == ReplyMode.STREAM and not signature.is_stream:
        raise BadRequest(
            f"{signature.name}: reply='stream' is for a generator, a function that yields items"
        )
    return ReplyMode(reply)


def _check_upload(signature: Signature, reply: str | None) -> None:
    """Returns when somebody waits who could upload.

    Raises:
        BadRequest: the caller is free before it could.
    """
    if signature.upload_name and reply in {ReplyMode.NONE, ReplyMode.ACK}:
        raise BadRequest(
            f"{signature.name}: reply='{reply}' frees its caller at once, so '"
            f"{signature.upload_name}' would get no upload; leave reply out"
        )


def _check_serial(signature: Signature, serial: object) -> None:
    """Returns when commands can be put in a row by ``serial``.

    Raises:
        BadRequest: it names no parameter of the handler.
    """
    if isinstance(serial, bool) or serial in signature.parameters:
        return
    if isinstance(serial, str) and serial and signature.takes_any_name:
        return
    names = ", ".join(signature.parameters) or "none"
    raise BadRequest(
        f"{signature.name}: serial={serial!r} is True or the name of a parameter that comes from "
        f"the payload; there are: {names}"
    )


def _place(function: Function) -> str:
    name = getattr(function, "__qualname__", repr(function))
    code = getattr(inspect.unwrap(function), "__code__", None)
    line = f" (line {code.co_firstlineno})" if code else ""
    return f"{getattr(function, '__module__', '?')}.{name}{line}"
