"""Which daemon, workspace and timeout a run uses, and which layer said so.

Precedence, value by value: flag, environment, nearest `.askr.toml` upwards, the user's
configuration file, built-in default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from askr_cli.durations import duration_ms
from askr_cli.exits import Usage
from askrd.wire.addresses import parse_url
from askrd.wire.errors import BadRequest
from askrd.wire.names import check_workspace, nearest, shown

PROJECT_FILE = ".askr.toml"
FILE_BYTES_MAX = 64 * 1024
_KEYS = ("url", "workspace", "timeout")
_NOT_YET = {
    "context": ("--context", "ASKR_CONTEXT", "contexts", "use --url, or url in .askr.toml"),
    "key_file": ("--key-file", "ASKR_KEY_FILE", "authentication", "leave the key file out"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options that every verb takes, as far as they were given on the command line.

    Attributes:
        url: where the daemon is.
        workspace: the workspace to work in.
        context: name of a context.
        key_file: file of a key.
        timeout_ms: how long to wait for an outcome, in milliseconds.
        json: machine-readable output.
        quiet: no narration.
        verbose: more narration.
        no_color: no colour.
        dry_run: show the frame, send nothing.
    """

    url: str | None = None
    workspace: str | None = None
    context: str | None = None
    key_file: str | None = None
    timeout_ms: int | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    dry_run: bool = False

    def over(self, below: "Options") -> "Options":
        """Returns these options, with those of ``below`` where nothing was given here."""
        given = {
            name: value
            for name in self.__slots__
            if (value := getattr(self, name)) is not None and value is not False
        }
        return replace(below, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a run works with.

    Attributes:
        url: where the daemon is, or None for the usual places.
        workspace: canonical name, or None for the daemon's own.
        timeout_ms: how long a request may take, or None for the service's default.
        origins: value's name to the layer that set it, for people.
    """

    url: str | None = None
    workspace: str | None = None
    timeout_ms: int | None = None
    origins: Mapping[str, str] = field(default_factory=dict)


def resolve(options: Options, environ: Mapping[str, str], cwd: Path) -> Profile:
    """Returns what a run works with.

    Args:
        options: what the command line says.
        environ: the process's environment; `ASKR_*` is read.
        cwd: where the search for `.askr.toml` begins.

    Raises:
        Usage: a value is wrong, a file cannot be read, or something is not built yet.
    """
    _refuse_not_built(options, environ)
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, values in _layers(options, environ, cwd):
        for name, value in values.items():
            if value is not None and name not in found:
                found[name] = _checked(name, value, origin)
                origins[name] = origin
    return Profile(
        url=found.get("url"),
        workspace=found.get("workspace"),
        timeout_ms=found.get("timeout"),
        origins=origins,
    )


def _layers(
    options: Options, environ: Mapping[str, str], cwd: Path
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    timeout = None if options.timeout_ms is None else f"{options.timeout_ms}ms"
    yield (
        "command line",
        {"url": options.url, "workspace": options.workspace, "timeout": timeout},
    )
    yield "environment", {name: environ.get(f"ASKR_{name.upper()}") or None for name in _KEYS}
    project = _nearest_file(cwd)
    if project is not None:
        yield str(project), _table(project)
    own = user_file(environ)
    if own is not None and own.is_file():
        yield str(own), _table(own)


def user_file(environ: Mapping[str, str]) -> Path | None:
    """Returns where the user's configuration is looked for: `ASKR_CONFIG`, else the usual place."""
    if named := environ.get("ASKR_CONFIG"):
        path = Path(named)
        return path / "config.toml" if path.is_dir() else path
    if base := environ.get("XDG_CONFIG_HOME"):
        return Path(base) / "askr" / "config.toml"
    home = environ.get("HOME")
    return Path(home) / ".config" / "askr" / "config.toml" if home else None


def _nearest_file(cwd: Path) -> Path | None:
    for folder in (cwd, *cwd.parents):
        candidate = folder / PROJECT_FILE
        try:
            if candidate.is_file():
                return candidate
        except OSError:
            continue  # a folder above that may not be read
    return None


def _table(path: Path) -> Mapping[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1).decode()
        if len(text) > FILE_BYTES_MAX:
            raise Usage(f"{path} is above 64 KiB, which no configuration of askr needs")
        table = tomllib.loads(text)
    except OSError as exc:
        raise Usage(f"cannot read {path} ({exc.strerror})") from exc
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise Usage(f"{path} is not TOML: {exc}") from exc
    for name in table:
        if name not in _KEYS:
            raise Usage(_unknown_key(path, name))
    return table


def _unknown_key(path: Path, name: str) -> str:
    close = nearest(name, _KEYS)
    hint = f"Did you mean: {close[0]}?" if close else f"It may say: {', '.join(_KEYS)}"
    return f"{path} says {shown(name)}, which this version does not know. {hint}"


def _checked(name: str, value: Any, origin: str) -> Any:
    try:
        if name == "timeout":
            if isinstance(value, int | float) and not isinstance(value, bool):
                value = str(value)
            return duration_ms(_text(value))
        if name == "workspace":
            return check_workspace(_text(value))
        return _url(_text(value))
    except BadRequest as exc:
        raise Usage(f"{name} ({origin}): {exc}") from exc
    except Usage as exc:
        raise Usage(f"{name} ({origin}): {exc.sentence}") from exc


def _url(text: str) -> str:
    return parse_url(text).url


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Usage(f"{shown(str(value))} is not a text: put it in quotes")
    return value


def _refuse_not_built(options: Options, environ: Mapping[str, str]) -> None:
    for name, (flag, variable, what, instead) in _NOT_YET.items():
        if getattr(options, name) is not None:
            raise Usage(f"{flag}: this version of askr has no {what} yet; {instead}")
        if environ.get(variable):
            raise Usage(f"{variable} is set: this version of askr has no {what} yet; unset it")
