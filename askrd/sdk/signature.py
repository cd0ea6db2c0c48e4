"""What a typed function says about the payloads it takes and gives.

The parameters and the result of a handler become two JSON Schemas, and the same types check every
payload on its way in and out. msgspec does the work; pydantic models are taken by duck typing.
"""

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from askrd.sdk.context import Context
from askrd.sdk.shape import Shape, said, value_of
from askrd.sdk.upload import Upload
from askrd.wire.errors import BadRequest, SchemaInvalid
from askrd.wire.frames import Coding

Function = Callable[..., Any]

_JSON, _BYTES = Coding.JSON, Coding.BYTES
_EMPTY = inspect.Parameter.empty
_FLOWING = (AsyncIterator, AsyncGenerator, AsyncIterable, Iterator, Generator, Iterable)
"""What a generator may be annotated to return; the first argument is the type of an item."""
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """The request and the response of one command, read off its handler.

    Attributes:
        name: the handler as messages call it.
        request: JSON Schema of the payload.
        response: JSON Schema of the result, of each item when it is a stream, or None when the
            handler does not say.
        is_async: whether the handler is a coroutine function or an asynchronous generator; others
            run in a thread.
        is_stream: whether the handler is a generator.
        context_name: the parameter that takes the `Context`, or empty.
        upload_name: the parameter that takes the `Upload`, or empty.
        piece: type of the upload's pieces, or None when any will do.
        parameters: the other parameters, in order.
        takes_any_name: whether the handler has ``**kwargs``.
    """

    name: str
    request: dict[str, Any]
    response: dict[str, Any] | None
    is_async: bool
    is_stream: bool
    context_name: str
    upload_name: str
    piece: Shape | None
    parameters: tuple[str, ...]
    takes_any_name: bool
    _arguments: Shape
    _sole: Shape | None
    _sole_takes_objects: bool
    _sole_is_optional: bool
    _is_closed: bool
    _result: Shape | None

    def bind(self, data: bytes, coding: int, context: Context | None = None) -> dict[str, Any]:
        """Returns the keyword arguments for a handler that gets this payload.

        An object payload is keyword arguments; anything else is the sole parameter. A sole
        parameter that is itself an object may also be sent as it is.

        Args:
            data: the payload's bytes.
            coding: a `Coding`.
            context: goes to the parameter annotated `Context`.

        Raises:
            SchemaInvalid: the payload does not fit; ``details`` has ``path`` and ``expected``.
        """
        if coding == _BYTES and self._sole is not None:
            arguments = {self.parameters[0]: self._sole.read(data, coding, at="request")}
        else:
            arguments = self._bind(data, coding)
        if self.context_name:
            arguments[self.context_name] = context
        return arguments

    def _bind(self, data: bytes, coding: int) -> dict[str, Any]:
        is_object = coding == _JSON and (data[:1] == b"{" or data.lstrip()[:1] == b"{")
        if self._sole is not None:
            return self._bind_sole(data, coding, is_object=is_object)
        if not is_object:
            if coding == Coding.NONE or (coding == Coding.JSON and data.strip() == b"null"):
                data = b"{}"
            else:
                raise _misfit("$", self._wanted(), f"{self.name} takes {self._wanted()}")
        return self._named(data)

    def _bind_sole(self, data: bytes, coding: int, *, is_object: bool) -> dict[str, Any]:
        assert self._sole is not None
        (name,) = self.parameters
        if is_object and not (self._sole_takes_objects and not _has_only(data, name)):
            return self._named(data)
        if coding == Coding.NONE and (self._sole_is_optional or not self._sole.takes_null):
            return self._named(b"{}")
        return {name: self._sole.read(data, coding, at="request")}

    def _named(self, data: bytes) -> dict[str, Any]:
        bound = self._arguments.read(data, _JSON, at="request")
        if self._is_closed:
            return msgspec.structs.asdict(bound)
        found = {
            name: value
            for name in self.parameters
            if (value := getattr(bound, name)) is not msgspec.UNSET
        }
        if self.takes_any_name:
            found = {**value_of(data, Coding.JSON), **found}
        return found

    def _wanted(self) -> str:
        if not self.parameters:
            return "no arguments"
        return f"an object with {', '.join(self.parameters)}"

    def encode(self, result: Any) -> tuple[bytes, Coding]:
        """Returns a handler's result, or an item of its stream, as payload bytes and coding.

        Raises:
            SchemaInvalid: the result does not fit the handler's return annotation, or cannot be
                said in JSON; ``at`` is ``response``.
        """
        if self._result is None:
            return said(result, f"{self.name}'s result", at="response")
        return self._result.write(result, at="response")


def read_signature(function: Function, name: str = "") -> Signature:
    """Reads the signature of a command's handler.

    Args:
        function: a plain or coroutine function, or a generator of either kind. Parameters without
            an annotation take anything; one annotated `Context` gets the call's context, one
            annotated `Upload` what the caller sends while the command runs.
        name: how messages call it; by default the function's own name.

    Raises:
        BadRequest: the function cannot be a handler: it has ``*args`` or positional-only
            parameters, or an annotation cannot become a JSON Schema.
    """
    name = name or getattr(function, "__name__", "handler")
    if not callable(function):
        raise BadRequest(f"{name} is not a function")
    hints = hints_of(function, name)
    context_name = upload_name = ""
    taken: list[inspect.Parameter] = []
    takes_any_name = False
    for parameter in inspect.signature(function).parameters.values():
        if hints.get(parameter.name) is Context:
            context_name = parameter.name
        elif _takes_upload(hints.get(parameter.name)):
            if upload_name:
                raise BadRequest(f"{name}: a command has one upload; '{parameter}' is a second")
            upload_name = parameter.name
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_any_name = True
        elif parameter.kind in _NAMED:
            taken.append(parameter)
        else:
            raise BadRequest(
                f"{name}: '{parameter}' cannot be filled from a payload; "
                "a handler's parameters have names, and are not *args or positional-only"
            )
    arguments = _arguments_shape(name, taken, hints, open_ended=takes_any_name)
    sole = None
    if len(taken) == 1 and not takes_any_name:
        sole = Shape(hints.get(taken[0].name, Any), f"{name}({taken[0].name})")
    takes_objects = sole is not None and sole.takes_objects
    is_stream = is_generator(function)
    result = hints.get("return", _EMPTY)
    if is_stream:
        result = _item_of(result, name)
    result_shape = None if result in {_EMPTY, Any} else Shape(result, f"{name}'s result")
    return Signature(
        name=name,
        request=_request_schema(arguments, sole, taken, takes_objects=takes_objects),
        response=None if result_shape is None else result_shape.schema,
        is_async=is_async(function),
        is_stream=is_stream,
        context_name=context_name,
        upload_name=upload_name,
        piece=_piece_of(hints.get(upload_name), name),
        parameters=tuple(parameter.name for parameter in taken),
        takes_any_name=takes_any_name,
        _arguments=arguments,
        _sole=sole,
        _sole_takes_objects=takes_objects,
        _sole_is_optional=sole is not None and taken[0].default is not _EMPTY,
        _is_closed=not takes_any_name and all(one.default is _EMPTY for one in taken),
        _result=result_shape,
    )


def is_async(function: Function) -> bool:
    """Says whether ``function`` runs in the loop: a coroutine function, or such a generator."""
    return any(
        inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one)
        for one in _called(function)
    )


def is_generator(function: Function) -> bool:
    """Says whether calling ``function`` gives a generator, of either kind."""
    return any(
        inspect.isasyncgenfunction(one) or inspect.isgeneratorfunction(one)
        for one in _called(function)
    )


def _called(function: Function) -> tuple[Any, Any]:
    """Returns what runs when ``function`` is called; it may be an object with ``__call__``."""
    return function, getattr(function, "__call__", None)  # noqa: B004


def hints_of(function: Function, name: str) -> dict[str, Any]:
    """Returns the annotations of ``function``, evaluated, with `Annotated` kept.

    Raises:
        BadRequest: an annotation names something that cannot be found from the module.
    """
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError) as exc:
        raise BadRequest(
            f"{name}: its annotations cannot be read ({exc}); "
            "the types of a handler are defined at the top of its module"
        ) from exc


def default_of(function: Function, name: str) -> Any:
    """Returns the default of a parameter; None when it has none, or there is no such parameter."""
    parameter = inspect.signature(function).parameters.get(name)
    return None if parameter is None or parameter.default is _EMPTY else parameter.default


def _takes_upload(hint: Any) -> bool:
    return (get_origin(hint) or hint) is Upload


def _piece_of(hint: Any, name: str) -> Shape | None:
    """Returns the type of an upload's pieces; None takes any."""
    inner = get_args(hint)
    if not inner or inner[0] is Any:
        return None
    return Shape(inner[0], f"a piece of {name}'s upload")


def _item_of(result: Any, name: str) -> Any:
    """Returns the type of a stream's items; empty when the generator does not say."""
    if result in {_EMPTY, Any}:
        return _EMPTY
    if (get_origin(result) or result) not in _FLOWING:
        raise BadRequest(
            f"{name} is a generator, so it returns AsyncIterator[...] or Iterator[...]; "
            "what stands in the brackets is the type of an item"
        )
    return next(iter(get_args(result)), _EMPTY)


def _arguments_shape(
    name: str,
    parameters: list[inspect.Parameter],
    hints: Mapping[str, Any],
    *,
    open_ended: bool,
) -> Shape:
    fields: list[Any] = []
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if parameter.default is _EMPTY:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, Union[hint, msgspec.UnsetType], msgspec.UNSET))  # noqa: UP007  # hint may be a string
    try:
        struct = msgspec.defstruct(
            "Arguments", fields, kw_only=True, forbid_unknown_fields=not open_ended
        )
    except (TypeError, ValueError) as exc:
        raise BadRequest(f"{name}: {exc}") from exc
    return Shape(struct, name, members=tuple(parameter.name for parameter in parameters))


def _request_schema(
    arguments: Shape,
    sole: Shape | None,
    parameters: list[inspect.Parameter],
    *,
    takes_objects: bool,
) -> dict[str, Any]:
    if sole is not None and takes_objects:
        return sole.schema
    schema = arguments.schema
    schema.pop("title", None)
    properties = schema.get("properties", {})
    for parameter in parameters:
        if parameter.default is not _EMPTY and parameter.name in properties:
            properties[parameter.name] = _with_default(
                properties[parameter.name], parameter.default
            )
    return schema


def _with_default(schema: dict[str, Any], default: Any) -> dict[str, Any]:
    try:
        return {**schema, "default": msgspec.to_builtins(default)}
    except (TypeError, ValueError):
        return schema


def _has_only(data: bytes, name: str) -> bool:
    value = value_of(data, Coding.JSON)
    return isinstance(value, dict) and set(value) == {name}


def _misfit(path: str, expected: str, message: str) -> SchemaInvalid:
    return SchemaInvalid(message, details={"path": path, "expected": expected}, at="request")
