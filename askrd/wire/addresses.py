"""Where a daemon can be: the URLs of clients and listeners, and the rule for the local socket.

Daemon and SDK share these rules, so that a client without any setting finds the daemon.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Literal

from askrd.wire.errors import BadRequest
from askrd.wire.names import nearest, shown

PORT_DEFAULT = 8800
LOOPBACK_URL = f"ws://127.0.0.1:{PORT_DEFAULT}"
"""Where a client looks when there is no socket, and where a daemon listens by default."""
SOCKET_NAME = "askrd.sock"
RECORD_NAME = "askrd.json"
"""File beside the socket in which a daemon says where it listens."""
SOCKET_PATH_BYTES_MAX = 107
"""Longest path the kernel takes for a unix socket."""

CLIENT_PORTS = {
    "ws": 80,
    "wss": 443,
    "http": 80,
    "https": 443,
    "tcp": PORT_DEFAULT,
    "askrs": PORT_DEFAULT,
}
"""Schemes of a client's URL, and the port each means when none is written."""
_TLS_SCHEMES = frozenset({"wss", "https", "askrs"})
_PATH_SCHEMES = frozenset({"ws", "wss", "http", "https"})
_LISTEN_SCHEMES = ("ws", "tcp", "wss", "askrs", "https", "udp", "unix")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})")
_PORT = re.compile(r"[0-9]{1,5}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DaemonAddress:
    """Where a client finds a daemon.

    Attributes:
        scheme: `ws wss http https tcp askrs` or `unix`.
        host: name or IP address without brackets; empty for `unix`.
        port: 1 to 65535; 0 for `unix`.
        path: file of a `unix` socket, resource of `ws wss http https` (at least `/`), else empty.
        compress: whether to ask for compression; None = where it is not this machine.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    compress: bool | None = field(default=None, compare=False)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is to be encrypted."""
        return self.scheme in _TLS_SCHEMES

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: loopback or a unix socket."""
        return self.scheme == "unix" or _is_loopback(self.host)

    @property
    def wants_compression(self) -> bool:
        """Whether to ask for it."""
        return not self.is_local if self.compress is None else self.compress

    @property
    def url(self) -> str:
        """The address as `parse_url` reads it back, with its port written out."""
        if self.scheme == "unix":
            return f"unix:{self.path}"
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}{self.path.removesuffix('/')}"

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a daemon listens.

    Attributes:
        kind: `tcp`, `udp` or `unix`; what may be spoken there is decided by a connection's first bytes.
        host: name or IP address without brackets; empty for `unix`.
        port: 0 to 65535, where 0 lets the kernel choose; 0 for `unix`.
        path: file of the `unix` socket; empty means the default socket of `runtime_socket`.
        scheme: how it was written: `ws`, `tcp`, `wss`, `askrs`, `https`, `udp` or `unix`.
    """

    kind: Literal["tcp", "udp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""
    scheme: str = "ws"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it: loopback or a unix socket."""
        return self.kind == "unix" or _is_loopback(self.host)

    @property
    def is_tls_only(self) -> bool:
        """Whether nothing but TLS is spoken there."""
        return self.scheme in _TLS_SCHEMES

    @property
    def url(self) -> str:
        """The address as `parse_listen` reads it back."""
        if self.kind == "unix":
            return f"unix:{self.path}"
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"

    def at_port(self, port: int) -> "ListenAddress":
        """Returns the same address with the port the kernel chose."""
        return replace(self, port=port)

    def __str__(self) -> str:
        return self.url


def parse_url(text: str) -> DaemonAddress:
    """Reads a client's URL: `ws://HOST:PORT/PATH`, `tcp://HOST:PORT`, `unix:PATH` and their kin.

    Args:
        text: the URL; without a port, `ws` and `http` mean 80, `wss` and `https` 443, `tcp` and
            `askrs` 8800. IPv6 addresses stand in brackets.

    Raises:
        BadRequest: it is no such URL, or carries a user, a query or a fragment.
    """
    scheme, rest = _split_scheme(text, (*CLIENT_PORTS, "unix"))
    if scheme == "unix":
        path = _socket_path(text, rest)
        if not path:
            raise BadRequest(f"{shown(text)} names no socket: write unix:/path/to/{SOCKET_NAME}")
        return DaemonAddress("unix", path=path)
    host, port_text, path = _split_authority(text, rest)
    if path not in {"", "/"} and scheme not in _PATH_SCHEMES:
        raise BadRequest(f"{shown(text)} has a path, which {scheme}:// addresses do not have")
    port = _port(text, port_text) if port_text else CLIENT_PORTS[scheme]
    if port == 0:
        raise BadRequest(f"{shown(text)} has port 0: name the port the daemon listens on")
    return DaemonAddress(scheme, host, port, (path or "/") if scheme in _PATH_SCHEMES else "")


def parse_listen(text: str) -> ListenAddress:
    """Reads one value of `--listen`: `ws://HOST:PORT`, `tcp://HOST:PORT`, `unix:PATH` and their kin.

    At `ws` and `tcp` addresses TLS is spoken besides when there is a certificate; at `wss`, `askrs`
    and `https` ones nothing else is. `udp` ones take events in datagrams.

    Args:
        text: the URL; without a port it means 8800, port 0 lets the kernel choose, and `unix:`
            without a path means the default socket.

    Raises:
        BadRequest: it is no such URL.
    """
    scheme, rest = _split_scheme(text, _LISTEN_SCHEMES)
    if scheme == "unix":
        return ListenAddress("unix", path=_socket_path(text, rest), scheme="unix")
    host, port_text, path = _split_authority(text, rest)
    if path not in {"", "/"}:
        raise BadRequest(f"{shown(text)} has a path: listen on {scheme}://{_bracketed(host)}:PORT")
    port = _port(text, port_text) if port_text else PORT_DEFAULT
    return ListenAddress("udp" if scheme == "udp" else "tcp", host, port, scheme=scheme)


def parse_node_askr(text: str) -> tuple[str, int]:
    """Reads `node-askr://HOST:PORT`, where a node-askr service listens; without a port it is 8800.

    Raises:
        BadRequest: it is no such URL.
    """
    _, rest = _split_scheme(text, ("node-askr",))
    host, port_text, path = _split_authority(text, rest)
    if path not in {"", "/"}:
        raise BadRequest(f"{shown(text)} has a path, which node-askr:// addresses do not have")
    port = _port(text, port_text) if port_text else PORT_DEFAULT
    if port == 0:
        raise BadRequest(f"{shown(text)} has port 0: name the port the service listens on")
    return host, port


def runtime_directory(environ: Mapping[str, str], uid: int, temp_dir: str) -> str:
    """Returns the directory of the default socket; the first that applies, nothing is looked up.

    `$RUNTIME_DIRECTORY` (its first entry; systemd sets it), else `$XDG_RUNTIME_DIR/askr`, else
    `<temp_dir>/askr-<uid>`.
    """
    if of_the_service := environ.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        return of_the_service
    if of_the_login := environ.get("XDG_RUNTIME_DIR"):
        return f"{of_the_login.rstrip('/')}/askr"
    return f"{temp_dir.rstrip('/')}/askr-{uid}"


def temp_directory(environ: Mapping[str, str]) -> str:
    """Returns the directory for temporary files: `$TMPDIR` if set, else `/tmp`."""
    return environ.get("TMPDIR") or "/tmp"  # noqa: S108  # the directory in it is checked


def runtime_socket(environ: Mapping[str, str], uid: int, temp_dir: str) -> str:
    """Returns the path of the default unix socket, in `runtime_directory`."""
    return f"{runtime_directory(environ, uid, temp_dir)}/{SOCKET_NAME}"


def _split_scheme(text: str, known: tuple[str, ...]) -> tuple[str, str]:
    if not text.isprintable() or " " in text:
        raise BadRequest(f"{shown(text)} is not a URL: it holds blanks or control characters")
    match = _SCHEME.fullmatch(text)
    choices = ", ".join("unix:PATH" if word == "unix" else f"{word}://HOST:PORT" for word in known)
    if match is None or not (match[1].lower() == "unix" or match[2].startswith("//")):
        raise BadRequest(f"{shown(text)} is not a URL: write one of {choices}")
    scheme = match[1].lower()
    if scheme not in known:
        raise BadRequest(_unknown_scheme(text, scheme, known, choices))
    return scheme, match[2]


def _unknown_scheme(text: str, scheme: str, known: tuple[str, ...], choices: str) -> str:
    meant = nearest(scheme, known)
    hint = f"did you mean {meant[0]}? " if meant else ""
    return f"{shown(text)} has an unknown scheme: {hint}write one of {choices}"


def _split_authority(text: str, rest: str) -> tuple[str, str, str]:
    """Returns host, port as written, and path of what follows the scheme."""
    authority, slash, path = rest.removeprefix("//").partition("/")
    if "@" in authority:
        raise BadRequest(f"{shown(text)} carries a user or password: leave it out of the URL")
    if "?" in rest or "#" in rest:
        raise BadRequest(f"{shown(text)} carries a query or fragment: leave it out of the URL")
    if authority.startswith("["):
        host, closed, port_part = authority[1:].partition("]")
        if not closed or not _is_ipv6(host) or (port_part and not port_part.startswith(":")):
            raise BadRequest(f"{shown(text)} has a bad IPv6 address: write [::1]:{PORT_DEFAULT}")
        return host, port_part.removeprefix(":"), slash + path
    host, _, port_text = authority.partition(":")
    if ":" in port_text:
        raise BadRequest(f"{shown(text)}: an IPv6 address stands in brackets, [{authority}]:PORT")
    if not host:
        raise BadRequest(f"{shown(text)} names no host: 127.0.0.1 is this machine only")
    if not _HOST.fullmatch(host):
        raise BadRequest(f"{shown(text)}: {shown(host)} is neither a host name nor an IP address")
    return host, port_text, slash + path


def _port(text: str, port_text: str) -> int:
    if not _PORT.fullmatch(port_text) or int(port_text) > 65_535:
        raise BadRequest(f"{shown(text)}: {shown(port_text)} is not a port number (0 to 65535)")
    return int(port_text)


def _socket_path(text: str, rest: str) -> str:
    path = rest
    if rest.startswith("//"):
        path = rest[2:]
        if path and not path.startswith("/"):
            raise BadRequest(f"{shown(text)} names a host: write unix:{path} or unix:///{path}")
    if len(path.encode("utf-8", "surrogatepass")) > SOCKET_PATH_BYTES_MAX:
        raise BadRequest(
            f"{shown(text)} is too long: the path of a unix socket has at most "
            f"{SOCKET_PATH_BYTES_MAX} bytes"
        )
    return path


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_ipv6(host: str) -> bool:
    if "%" in host or ":" not in host:
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
