"""How a setting finds its value: flag, else environment, else file, else default.

Each value is checked where it was written, so an error names that place.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from askrd.config.settings import ENVIRONMENT_PREFIX, KEYS, TABLES, Config, Key
from askrd.wire.addresses import ListenAddress, parse_listen, runtime_socket, temp_directory
from askrd.wire.channels import ChannelRule, check_rule, check_rules
from askrd.wire.errors import BadRequest
from askrd.wire.limits import LOGS_BYTES_MAX, LOGS_MAX
from askrd.wire.logs import LogDefinition, check_definition
from askrd.wire.names import check_workspace, nearest, shown

SYSTEM_FILE = Path("/etc/askr/askrd.toml")
"""The configuration file that is read when none is named, if it exists."""
FILE_NAME = "askrd.toml"
FILE_BYTES_MAX = 1024 * 1024

T = TypeVar("T")
_STRUCT_OF = {"logs": LogDefinition, "channel": ChannelRule}
_KEY_BY_NAME = {key.name: key for key in KEYS}
_KEY_BY_VARIABLE = {key.variable: key for key in KEYS}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNKNOWN_FIELD = re.compile(
    r"Object contains unknown field `(.*?)`(?: - at `\$\.(.*)`)?", re.DOTALL
)
_ENUM = re.compile(r"Invalid enum value .* - at `\$\.(.*)`", re.DOTALL)
_NO_TABLES = re.compile(r"Expected `array`, got .* - at `\$\.(logs|channel)`")
_KUBERNETES_VARIABLE = re.compile(r"ASKRD_(SERVICE_(HOST|PORT)|PORT)(_.*)?")
"""What Kubernetes sets in every container beside a service called `askrd`; not meant for us."""


class ConfigError(BadRequest):
    """The configuration was refused and nothing was started; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A complete configuration and where each value came from.

    Attributes:
        config: the values; `listen` has every path written out.
        origin: dotted key to `default`, `environment ASKRD_X`, `file PATH` or `flag`.
        file: the file that was read, if one was.
        listen: the parsed `config.listen`.
    """

    config: Config
    origin: Mapping[str, str]
    file: Path | None
    listen: tuple[ListenAddress, ...]

    @property
    def values(self) -> dict[str, object]:
        """Every setting's value by its dotted key."""
        found: dict[str, object] = {}
        for key in KEYS:
            table, _, name = key.name.rpartition(".")
            found[key.name] = getattr(self.config.limits if table else self.config, name)
        return found

    @property
    def tables(self) -> dict[str, object]:
        """The lists of tables under their keys, as JSON has them; none that is empty."""
        found = {name: msgspec.to_builtins(getattr(self.config, name)) for name in TABLES}
        return {name: list(tables) for name, tables in found.items() if tables}


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: Path | None,
    *,
    system_file: Path = SYSTEM_FILE,
) -> Loaded:
    """Finds every value: flag, else environment, else file, else default.

    Args:
        flags: dotted key to value; a key that is None or absent was not given.
        environ: the environment; `ASKRD_*` variables set keys, `ASKRD_LISTEN` holds URLs
            parted by commas, and systemd's `STATE_DIRECTORY` is the default of `data`.
        file: the file of `--config`; without it `$ASKRD_CONFIG`, else
            `$CONFIGURATION_DIRECTORY/askrd.toml` or ``system_file`` if it exists.
        system_file: the file of the whole system.

    Raises:
        ConfigError: a value, a key or a file was refused; nothing was changed.
    """
    used = _chosen_file(environ, file, system_file)
    merged: dict[str, object] = {}
    origin = dict.fromkeys(_KEY_BY_NAME, "default")
    if used is not None:
        found = _flat(_from_file(used))
        merged |= found
        origin |= dict.fromkeys(found, f"file {used}")
    for key, value in _from_environment(environ):
        merged[key.name] = value
        origin[key.name] = f"environment {key.variable}"
    for name, value in flags.items():
        if value is not None:
            merged[name] = _checked(name, value, f"flag --{_flag_of(name)}")
            origin[name] = "flag"
    directory = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if directory and "data" not in merged:
        merged["data"], origin["data"] = directory, "environment STATE_DIRECTORY"
    if data := merged.get("data"):
        merged["data"] = str(Path(str(data)).absolute())
    listen = _listen(merged.get("listen", Config().listen), origin["listen"], environ)
    merged["listen"] = tuple(address.url for address in listen)
    config = msgspec.convert(_nested(merged), Config, strict=False)
    _check_together(config, listen)
    return Loaded(config, origin, used, listen)


def duration_s(text: str) -> float:
    """Returns the seconds of `300ms`, `5s`, `2m`, `1h` or a bare number of seconds.

    Raises:
        ConfigError: it is no duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{shown(text)} is not a duration: write 300ms, 5s, 2m or 1h")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def _chosen_file(environ: Mapping[str, str], file: Path | None, system_file: Path) -> Path | None:
    if file is not None:
        return file
    if named := environ.get("ASKRD_CONFIG"):
        return Path(named)
    directories = environ.get("CONFIGURATION_DIRECTORY", "").split(":")
    candidates = [Path(directory) / FILE_NAME for directory in directories if directory]
    return next((path for path in (*candidates, system_file) if path.exists()), None)


def _from_file(path: Path) -> dict[str, Any]:
    where = f"file {path}"
    details = {"source": where}
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise ConfigError(f"{where}: larger than {FILE_BYTES_MAX} bytes", details=details)
        found = tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError as exc:
        raise ConfigError(
            f"{where}: there is no such file. Write one: askrd config default > {path}",
            details=details,
        ) from exc
    except OSError as exc:
        raise ConfigError(f"{where}: cannot be read ({exc.strerror})", details=details) from exc
    except RecursionError as exc:
        raise ConfigError(f"{where}: nested too deeply", details=details) from exc
    except ValueError as exc:
        raise ConfigError(f"{where}: not TOML: {exc}", details=details) from exc
    _convert(found, where, strict=True)
    return found


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Key, object]]:
    for variable, text in sorted(environ.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == "ASKRD_CONFIG":
            continue
        key = _KEY_BY_VARIABLE.get(variable)
        if key is None:
            if _KUBERNETES_VARIABLE.fullmatch(variable):
                continue
            raise ConfigError(
                f"environment {shown(variable)[1:-1]}: there is no such setting."
                f"{_did_you_mean(variable, (*_KEY_BY_VARIABLE, 'ASKRD_CONFIG'))}",
                details={"source": f"environment {variable}"},
            )
        yield key, _checked(key.name, text, f"environment {variable}")


def _checked(name: str, value: object, source: str) -> object:
    """Checks one value that was given as text or by a flag, and returns it converted."""
    if isinstance(value, str) and name in {"listen", "allow_origins"}:
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, str) and name == "drain_s":
        try:
            value = duration_s(value)
        except ConfigError as exc:
            raise ConfigError(f"{source}: {exc.message}", details={"source": source}) from exc
    return _flat(msgspec.to_builtins(_convert(_nested({name: value}), source, strict=False)))[name]


def _convert(found: dict[str, Any], source: str, *, strict: bool) -> Config:
    try:
        config = msgspec.convert(found, Config, strict=strict)
        check_workspace(config.workspace)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{source}: {_explained(str(exc))}", details={"source": source}) from exc
    except UnicodeEncodeError as exc:
        raise ConfigError(
            f"{source}: holds bytes that are not UTF-8", details={"source": source}
        ) from exc
    except BadRequest as exc:
        raise ConfigError(
            f"{source}: {exc.message} - at `$.workspace`", details={"source": source}
        ) from exc
    _check_logs(config.logs, source)
    _check_each("channel", config.channel, check_rule, source)
    return config


def _check_logs(logs: tuple[LogDefinition, ...], source: str) -> None:
    """Returns when all logs can be there together.

    Raises:
        ConfigError: they cannot; the message says which one.
    """
    details = {"source": source}
    _check_each("logs", logs, check_definition, source)
    names = [log.name for log in logs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{source}: there are two logs {shown(twice)}", details=details)
    if len(logs) > LOGS_MAX or sum(log.bytes for log in logs) > LOGS_BYTES_MAX:
        raise ConfigError(
            f"{source}: a workspace has at most {LOGS_MAX} logs, with {LOGS_BYTES_MAX} bytes "
            "together",
            details=details,
        )


def _check_each(name: str, tables: Iterable[T], check: Callable[[T], object], source: str) -> None:
    """Returns when every table says what can be.

    Raises:
        ConfigError: one does not; the message says which.
    """
    for at, table in enumerate(tables):
        try:
            check(table)
        except BadRequest as exc:
            message = f"{source}: {exc.message} - at `$.{name}[{at}]`"
            raise ConfigError(message, details={"source": source}) from exc


def _explained(message: str) -> str:
    """Adds to the message about an unknown key which key may have been meant."""
    match = _UNKNOWN_FIELD.fullmatch(message)
    if match is None:
        return message + _choices(message)
    struct = _STRUCT_OF.get((match[2] or "").partition("[")[0])
    if struct is not None:
        hint = _did_you_mean(match[1], struct.__struct_fields__)
        return f"unknown key `{shown(match[1])[1:-1]}` in [{match[2]}].{hint}"
    name = f"{match[2]}.{match[1]}" if match[2] else match[1]
    shown_name = shown(match[1])[1:-1]
    where = f" in [{match[2]}]" if match[2] else ""
    return f"unknown key `{shown_name}`{where}.{_did_you_mean(name, (*_KEY_BY_NAME, *_STRUCT_OF))}"


def _choices(message: str) -> str:
    """Adds what a key takes, where it takes one of a few words, or tables."""
    if tables := _NO_TABLES.fullmatch(message):
        return f". Each is a table of its own: [[{tables[1]}]]"
    if "`$.allow_origins[" in message:
        return (
            ". An origin is scheme and host, and the port where it has one: https://a.example:8443"
        )
    match = _ENUM.fullmatch(message)
    key = _KEY_BY_NAME.get(match[1]) if match is not None else None
    return f". {key.sentence}" if key is not None else ""


def _did_you_mean(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    meant = nearest(name, known)
    if meant:
        return f" Did you mean: {meant[0]}?"
    return " See: askrd config default"


def _listen(urls: object, source: str, environ: Mapping[str, str]) -> tuple[ListenAddress, ...]:
    assert isinstance(urls, list | tuple)
    addresses = []
    for url in urls:
        try:
            address = parse_listen(url)
            if address.kind == "unix":
                address = parse_listen("unix:" + _absolute_socket(address.path, environ))
        except BadRequest as exc:
            where = "flag --listen" if source == "flag" else source
            raise ConfigError(f"{where}: {exc.message}", details={"source": where}) from exc
        addresses.append(address)
    return tuple(dict.fromkeys(addresses))


def _absolute_socket(path: str, environ: Mapping[str, str]) -> str:
    if not path:
        path = runtime_socket(environ, os.getuid(), temp_directory(environ))
    return str(Path(path).absolute())


def _check_together(config: Config, listen: tuple[ListenAddress, ...]) -> None:
    limits = config.limits
    if not limits.heartbeat_after_ms < limits.unresponsive_after_ms < limits.gone_after_ms:
        raise ConfigError(
            "limits.heartbeat_after_ms, limits.unresponsive_after_ms and limits.gone_after_ms "
            f"must rise in this order; they are {limits.heartbeat_after_ms}, "
            f"{limits.unresponsive_after_ms} and {limits.gone_after_ms}"
        )
    if limits.outbox_bytes_max < limits.payload_bytes_max:
        raise ConfigError(
            f"limits.outbox_bytes_max ({limits.outbox_bytes_max}) must be at least "
            f"limits.payload_bytes_max ({limits.payload_bytes_max}), or no outbox holds one reply"
        )
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise ConfigError("tls_certificate and tls_key go together: give both files, or neither")
    only_tls = [address.url for address in listen if address.is_tls_only]
    if only_tls and not config.tls_certificate:
        raise ConfigError(
            f"{', '.join(only_tls)}: TLS needs a certificate. Give it with ASKRD_TLS_CERTIFICATE "
            "and ASKRD_TLS_KEY, or tls_certificate and tls_key in the configuration file"
        )
    try:
        check_rules(config.channel, listen)
    except BadRequest as exc:
        raise ConfigError(exc.message) from exc
    exposed = [address.url for address in listen if not address.is_local]
    if exposed and not config.insecure:
        flags = " ".join(f"--listen {address.url}" for address in listen)
        raise ConfigError(
            f"will not listen on {', '.join(exposed)}: nobody has to authenticate there, so "
            "anyone who reaches it may send every command. Nothing was started. Listen on "
            f"127.0.0.1, or accept the risk: askrd serve {flags} --insecure",
            details={"exposed": exposed},
        )


def _flag_of(name: str) -> str:
    return "drain" if name == "drain_s" else name.replace("_", "-")


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in found.items() if name != "limits"}
    return flat | {f"limits.{name}": value for name, value in found.get("limits", {}).items()}


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        head, _, leaf = name.rpartition(".")
        (nested.setdefault(head, {}) if head else nested)[leaf] = value
    return nested
