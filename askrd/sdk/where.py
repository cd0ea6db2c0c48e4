"""Where to look for the daemon when nobody says, and for which workspace."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from askrd.wire.addresses import (
    LOOPBACK_URL,
    RECORD_NAME,
    DaemonAddress,
    ListenAddress,
    parse_listen,
    parse_url,
    runtime_socket,
    temp_directory,
)
from askrd.wire.errors import BadRequest
from askrd.wire.names import check_workspace, shown

PROJECT_FILE = ".askr.toml"
_FILE_BYTES_MAX = 64 * 1024
_PLACES_MAX = 8
_RAW = {"ws": "tcp", "wss": "askrs", "http": "tcp", "https": "askrs"}
_RANKS = {"unix": 0, "tcp": 1, "askrs": 1}
_NOT_BUILT = ("ASKR_CONTEXT", "ASKR_KEY_FILE")


class _Record(msgspec.Struct):
    """What is of interest in the file that a daemon leaves beside its socket."""

    addresses: list[str]


@dataclass(frozen=True, slots=True)
class Where:
    """What to connect to.

    Attributes:
        addresses: places to try, in this order, until one answers.
        workspace: canonical name; empty for the daemon's own.
    """

    addresses: tuple[DaemonAddress, ...]
    workspace: str = ""

    @property
    def url(self) -> str:
        """The places, for people: each once, however many ways there are to talk there."""
        places = {(way.host, way.port or way.path): way.url for way in self.addresses}
        return ", ".join(places.values())


def find(
    url: str | None = None,
    workspace: str | None = None,
    *,
    compress: bool | None = None,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> Where:
    """Returns where to connect: what is given, else the environment, the project, the usual places.

    Args:
        url: where the daemon is; None to look for it.
        workspace: None for `ASKR_WORKSPACE`, the project's, or the daemon's own.
        compress: whether to ask for compression; None for `ASKR_COMPRESS`, else where the daemon
            is not on this machine.
        environ: `ASKR_URL`, `ASKR_WORKSPACE` and `ASKR_COMPRESS` are read, and what names the runtime directory.
        cwd: where the search for the nearest `.askr.toml` begins; None = the current directory.

    Raises:
        BadRequest: a URL, a workspace or the project's file is wrong, or the environment asks for
            something that is not built yet.
    """
    for name in _NOT_BUILT:
        if environ.get(name):
            raise BadRequest(f"{name} is set, which is not built yet: unset it")
    url = url or environ.get("ASKR_URL") or None
    workspace = workspace or environ.get("ASKR_WORKSPACE") or None
    if url is None or workspace is None:
        project = _project(cwd)
        url = url or project.get("url")
        workspace = workspace or project.get("workspace")
    addresses = (parse_url(url),) if url else _usual(environ)
    if compress is None:
        compress = _switch(environ, "ASKR_COMPRESS")
    return Where(
        addresses=tuple(replace(address, compress=compress) for address in addresses),
        workspace=check_workspace(workspace) if workspace else "",
    )


def find_datagrams(
    url: str | None, *, environ: Mapping[str, str] = os.environ
) -> tuple[ListenAddress, ...]:
    """Returns where a daemon of this machine takes datagrams, as it wrote down; often nowhere.

    Args:
        url: where the daemon is; None for the usual places.
        environ: names the runtime directory.

    Raises:
        BadRequest: it is no URL.
    """
    place = None if url is None else parse_url(url)
    if place is not None and place.scheme == "unix":
        record = Path(place.path).with_name(RECORD_NAME)
    else:
        record = _own_socket(environ).with_name(RECORD_NAME)
    if not _is_ours(record.parent, environ):
        return ()
    known = [parse_listen(text) for text in _urls_in(record)]
    if place is not None and not any(_is_same(place, way) for way in known):
        return ()
    return tuple(way for way in known if way.kind == "udp")


def _is_same(place: DaemonAddress, way: ListenAddress) -> bool:
    """Says whether a daemon that listens there is the one at ``place``."""
    if place.scheme == "unix" or way.kind != "tcp":
        return (place.scheme, place.path) == (way.kind, way.path)
    is_host = place.host == way.host or (place.is_local and way.is_local)
    return is_host and place.port == way.port


def _switch(environ: Mapping[str, str], name: str) -> bool | None:
    """Returns what a variable of 0 or 1 says; None when it is not set."""
    text = environ.get(name, "")
    if text not in {"", "0", "1"}:
        raise BadRequest(f"{name} is 0 or 1, not {shown(text)}")
    return bool(int(text)) if text else None


def _usual(environ: Mapping[str, str]) -> tuple[DaemonAddress, ...]:
    """Returns the default socket and what the daemon's record says, when ours, then the port.

    The best way comes first: unix sockets, then raw connections, then WebSocket.
    """
    path = _own_socket(environ)
    places: list[DaemonAddress] = []
    if _is_ours(path.parent, environ):
        if path.is_socket():
            places.append(DaemonAddress("unix", path=str(path)))
        places += _recorded(path.with_name(RECORD_NAME))
    ways = [way for place in places for way in _ways(place)]
    ways.sort(key=lambda way: _RANKS.get(way.scheme, len(_RANKS)))
    return tuple(dict.fromkeys([*ways, *_ways(parse_url(LOOPBACK_URL))]))


def _ways(place: DaemonAddress) -> tuple[DaemonAddress, ...]:
    """Returns how to talk at an address, the best first: one port takes raw connections too."""
    raw = _RAW.get(place.scheme)
    return (place,) if raw is None else (replace(place, scheme=raw, path=""), place)


def _own_socket(environ: Mapping[str, str]) -> Path:
    return Path(runtime_socket(environ, os.getuid(), temp_directory(environ)))


def _is_ours(directory: Path, environ: Mapping[str, str]) -> bool:
    """Says whether what lies in a directory was put there by us, or by who started us."""
    try:
        return directory.stat().st_uid == os.getuid() or bool(environ.get("RUNTIME_DIRECTORY"))
    except OSError:
        return False


def _recorded(path: Path) -> list[DaemonAddress]:
    """Returns where the daemon that wrote `askrd.json` listens, or listened."""
    places = [url for url in _urls_in(path) if not url.startswith("udp:")]
    try:
        return [parse_url(url) for url in places[:_PLACES_MAX]]
    except BadRequest:
        return []


def _urls_in(path: Path) -> list[str]:
    """Returns the addresses in an `askrd.json`; none when it cannot be read or understood."""
    try:
        with path.open("rb") as file:
            record = msgspec.json.decode(file.read(_FILE_BYTES_MAX), type=_Record)
        for url in record.addresses:
            parse_listen(url)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, BadRequest):
        return []
    return record.addresses


def _project(cwd: Path | None) -> dict[str, str]:
    """Returns what the nearest `.askr.toml` upwards says about url and workspace."""
    try:
        start = cwd or Path.cwd()
    except OSError:  # the current directory has been deleted
        return {}
    for folder in (start, *start.parents):
        path = folder / PROJECT_FILE
        try:
            if path.is_file():
                return _read(path)
        except OSError:
            continue  # a folder above that may not be read
    return {}


def _read(path: Path) -> dict[str, str]:
    import tomllib

    try:
        with path.open("rb") as file:
            table = tomllib.loads(file.read(_FILE_BYTES_MAX).decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise BadRequest(f"{path} is not TOML: {exc}") from exc
    found = {}
    for name in ("url", "workspace"):
        value = table.get(name)
        if value is not None and not isinstance(value, str):
            raise BadRequest(f"{path}: {name} is {shown(str(value))}, which is no text; quote it")
        if value:
            found[name] = value
    return found
