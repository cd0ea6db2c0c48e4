"""The one table of the daemon's settings: name, type, range, unit, default and a sentence each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from askrd.wire.addresses import LOOPBACK_URL
from askrd.wire.channels import ChannelRule
from askrd.wire.limits import DEFAULT_LIMITS, MIB, PAYLOAD_BYTES_HARD_MAX, TTL_MS_MAX, Limits
from askrd.wire.logs import LogDefinition
from askrd.wire.names import WORKSPACE_DEFAULT

ENVIRONMENT_PREFIX = "ASKRD_"
TABLES = ("logs", "channel")
"""Names of the lists of tables, which stand in the file only."""
ORIGIN = r"^https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?$|^https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?$"
"""A web origin as browsers send it: scheme, host, and the port where it is not the usual one."""


def _milliseconds(sentence: str) -> Meta:
    return Meta(ge=1, le=TTL_MS_MAX, description=sentence, extra={"unit": "ms"})


def _count(sentence: str) -> Meta:
    return Meta(ge=1, le=10_000_000, description=sentence, extra={"unit": ""})


class ConfiguredLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[limits]`: every bound of the wire's `Limits` with its sentence and range."""

    handshake_timeout_ms: Annotated[
        int, _milliseconds("Time a connection has from its first byte to a complete hello.")
    ] = DEFAULT_LIMITS.handshake_timeout_ms
    payload_bytes_max: Annotated[
        int,
        Meta(
            ge=1024,
            le=PAYLOAD_BYTES_HARD_MAX,
            description="Largest payload of one frame; larger ones are refused.",
            extra={"unit": "bytes"},
        ),
    ] = DEFAULT_LIMITS.payload_bytes_max
    subscriptions_max: Annotated[int, _count("Subscriptions one session may have.")] = (
        DEFAULT_LIMITS.subscriptions_max
    )
    commands_in_flight_max: Annotated[
        int, _count("Commands one session may have sent that are not answered yet.")
    ] = DEFAULT_LIMITS.commands_in_flight_max
    outbox_bytes_max: Annotated[
        int,
        Meta(
            ge=64 * 1024,
            le=1024 * MIB,
            description="Bytes that may wait for a session that does not read.",
            extra={"unit": "bytes"},
        ),
    ] = DEFAULT_LIMITS.outbox_bytes_max
    outbox_frames_max: Annotated[
        int, _count("Frames that may wait for a session that does not read.")
    ] = DEFAULT_LIMITS.outbox_frames_max
    sessions_per_address_max: Annotated[
        int, _count("Sessions from one remote address; loopback and unix sockets are exempt.")
    ] = DEFAULT_LIMITS.sessions_per_address_max
    heartbeat_after_ms: Annotated[
        int, _milliseconds("Silence after which the daemon asks a session whether it lives.")
    ] = DEFAULT_LIMITS.heartbeat_after_ms
    unresponsive_after_ms: Annotated[
        int, _milliseconds("Silence after which an instance gets no new commands.")
    ] = DEFAULT_LIMITS.unresponsive_after_ms
    gone_after_ms: Annotated[int, _milliseconds("Silence after which a session is closed.")] = (
        DEFAULT_LIMITS.gone_after_ms
    )
    command_timeout_ms: Annotated[
        int, _milliseconds("Deadline of a command when neither caller nor service names one.")
    ] = DEFAULT_LIMITS.command_timeout_ms
    stream_idle_ms: Annotated[
        int, _milliseconds("Silence after which a stream that has begun is given up.")
    ] = DEFAULT_LIMITS.stream_idle_ms
    resume_terminal_ms: Annotated[
        int, _milliseconds("How long a terminal that lost its connection may come back.")
    ] = DEFAULT_LIMITS.resume_terminal_ms
    resume_service_ms: Annotated[
        int, _milliseconds("How long a service that lost its connection may come back.")
    ] = DEFAULT_LIMITS.resume_service_ms


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of the daemon: its name, type, default, range, unit and sentence."""

    listen: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            max_length=64,
            description="Where to listen: ws://HOST:PORT, tcp://HOST:PORT or unix:PATH; "
            "unix: alone is the default socket.",
            extra={"unit": ""},
        ),
    ] = (LOOPBACK_URL, "unix:")
    workspace: Annotated[
        str,
        Meta(
            description="Workspace of the peers that do not name one.",
            extra={"unit": ""},
        ),
    ] = WORKSPACE_DEFAULT
    data: Annotated[
        str,
        Meta(
            pattern=r"^[^\x00]*$",
            description="Directory where state is kept; empty: in memory. systemd's state "
            "directory is the default where it gives one.",
            extra={"unit": ""},
        ),
    ] = ""
    insecure: Annotated[
        bool,
        Meta(
            description="Listen beyond this machine although nobody has to authenticate.",
            extra={"unit": ""},
        ),
    ] = False
    tls_certificate: Annotated[
        str,
        Meta(
            pattern=r"^[^\x00]*$",
            description="PEM file with the certificate, and its chain, that TLS connections are "
            "greeted with; read again on SIGHUP. Empty: no TLS.",
            extra={"unit": ""},
        ),
    ] = ""
    tls_key: Annotated[
        str,
        Meta(
            pattern=r"^[^\x00]*$",
            description="PEM file with the private key of tls_certificate.",
            extra={"unit": ""},
        ),
    ] = ""
    compression: Annotated[
        bool,
        Meta(
            description="Compress connections whose peer asks for it.",
            extra={"unit": ""},
        ),
    ] = True
    allow_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=ORIGIN)], ...],
        Meta(
            max_length=64,
            description="Web origins whose pages may use the daemon, such as "
            "https://console.example.org; empty: none.",
            extra={"unit": ""},
        ),
    ] = ()
    log_format: Annotated[
        Literal["auto", "text", "json"],
        Meta(
            description="Form of the log on stderr: auto, text or json; auto is text, with "
            "priorities under systemd.",
            extra={"unit": ""},
        ),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(
            description="Least severe entry that is logged: debug, info, warning or error.",
            extra={"unit": ""},
        ),
    ] = "info"
    socket_mode: Annotated[
        str,
        Meta(
            pattern="^0?[0-7]{3}$",
            description="Permissions of the unix sockets, in octal.",
            extra={"unit": ""},
        ),
    ] = "0600"
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Time that commands in flight have to finish after SIGTERM.",
            extra={"unit": "s"},
        ),
    ] = 20.0
    limits: ConfiguredLimits = ConfiguredLimits()
    logs: tuple[LogDefinition, ...] = ()
    channel: tuple[ChannelRule, ...] = ()

    @property
    def socket_mode_bits(self) -> int:
        """The permissions of the unix sockets as `chmod` takes them."""
        return int(self.socket_mode, 8)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting as people see it.

    Attributes:
        name: dotted path, `limits.payload_bytes_max`.
        default: its value when nothing sets it.
        sentence: what it means.
        unit: `ms`, `s`, `bytes`, or empty.
    """

    name: str
    default: object
    sentence: str
    unit: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.name.replace(".", "_").upper()


def _keys_of(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[Key]:
    for field in msgspec.structs.fields(struct):
        name = prefix + field.name
        if field.name == "limits":
            yield from _keys_of(ConfiguredLimits, "limits.")
            continue
        if field.name in TABLES:  # lists of tables, not settings with one value
            continue
        meta: Meta = field.type.__metadata__[0]
        yield Key(name, field.default, meta.description or "", (meta.extra or {})["unit"])


KEYS: tuple[Key, ...] = tuple(_keys_of(Config))
"""Every setting, in the order of the file."""


def default_toml() -> str:
    """Returns the configuration file that changes nothing: every key, commented, explained."""
    lines = [
        "# Configuration of askrd. Every key stands here with its default, commented out.",
        "# A flag or an ASKRD_* environment variable wins over this file.",
        "# Check a change with: askrd config check FILE",
    ]
    table = ""
    for key in KEYS:
        head, _, name = key.name.rpartition(".")
        if head != table:
            table = head
            lines += ["", f"[{table}]"]
        unit = f" Unit: {key.unit}." if key.unit else ""
        lines += ["", f"# {key.sentence}{unit}", f"#{name} = {toml_value(key.default)}"]
    log = LogDefinition(name="orders", patterns=["orders.**"])
    lines += ["", "# Logs that the workspace has from the start, one table each, for instance:"]
    lines += [f"# {line}" for line in tables_toml(Config(logs=(log,))) if line]
    rule = ChannelRule(match="log.*", via="udp")
    lines += [
        "",
        "# Events that SDKs send in datagrams, which may be lost; the first table that fits",
    ]
    lines += ["# decides, via is udp or connection, for instance:"]
    lines += [f"# {line}" for line in tables_toml(Config(channel=(rule,))) if line]
    return "\n".join(lines) + "\n"


def tables_toml(config: Config) -> list[str]:
    """Returns the lines that hold the lists of tables in a configuration file."""
    lines = []
    for name in TABLES:
        for table in getattr(config, name):
            members = msgspec.structs.asdict(table).items()
            lines += [
                "",
                f"[[{name}]]",
                *(f"{key} = {toml_value(value)}" for key, value in members),
            ]
    return lines


def toml_value(value: object) -> str:
    """Returns one value as TOML writes it.

    Args:
        value: a bool, number, string, or tuple or list of these.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case float() | int():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case list() | tuple():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case _:
            return msgspec.json.encode(value).decode()
