"""Remembers the names that are there to be typed, so that the Tab key need not ask the daemon.

One small file per daemon and workspace in the user's cache directory. Every run that had a
connection refreshes a file older than a minute before it ends. Failing to write it is no error:
it only makes completion poorer.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from askr_cli.profile import Profile
from askr_cli.terminal import Terminal
from askrd.wire.errors import AskrError

if TYPE_CHECKING:
    from askrd.sync import Client

FRESH_S = 60.0
REFRESH_S = 0.2
NAMES_MAX = 5_000
FILE_BYTES_MAX = 1024 * 1024


class KnownNames(msgspec.Struct, kw_only=True):
    """Names seen in one workspace.

    Attributes:
        services: names of services.
        commands: full addresses, `agent.fetch`.
        events: subjects and patterns that services say they emit or listen to.
        keys: state keys seen.
        instances: services with the ids of their instances.
        requests: commands with the schemas of their payloads, as far as they were asked for.
        saved_at: Unix seconds at which the services were asked for; 0 = never.
        keys_at: Unix seconds at which the keys were asked for; 0 = never, those seen are here.
    """

    services: list[str] = []
    commands: list[str] = []
    events: list[str] = []
    keys: list[str] = []
    instances: dict[str, list[str]] = {}
    requests: dict[str, Any] = {}
    saved_at: float = 0.0
    keys_at: float = 0.0

    @property
    def fresh(self) -> bool:
        """Whether the names need not be asked for again."""
        return 0 <= time.time() - self.saved_at < FRESH_S

    @property
    def keys_fresh(self) -> bool:
        """Whether the keys need not be asked for again."""
        return 0 <= time.time() - self.keys_at < FRESH_S


def file_of(profile: Profile, environ: Mapping[str, str]) -> Path | None:
    """Returns where the names of ``profile``'s daemon and workspace are kept."""
    base = environ.get("XDG_CACHE_HOME")
    home = environ.get("HOME")
    if not base and not home:
        return None
    folder = Path(base) if base else Path(home or "") / ".cache"
    daemon = profile.url or environ.get("XDG_RUNTIME_DIR", "")
    place = hashlib.sha256(f"{daemon}\n{profile.workspace or ''}".encode()).hexdigest()[:16]
    return folder / "askr" / f"names-{place}.json"


def load(path: Path | None) -> KnownNames:
    """Returns the names kept in ``path``; none when it cannot be read."""
    if path is None:
        return KnownNames()
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(FILE_BYTES_MAX), type=KnownNames)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return KnownNames()


def save(path: Path | None, names: KnownNames) -> None:
    """Keeps ``names`` in ``path``, which a reader sees whole or not at all."""
    if path is None:
        return
    draft = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.encode(names))
        draft.replace(path)
        return
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def refresh(terminal: Terminal) -> None:
    """Asks the daemon for its names when the kept ones are old; failures are of no interest."""
    client = terminal.connected
    path = file_of(terminal.profile, terminal.environ)
    names = load(path)
    if client is None or path is None or names.fresh:
        return
    with contextlib.suppress(AskrError):
        learn(names, client)
        save(path, names)


def learn(names: KnownNames, client: "Client") -> None:
    """Replaces services, commands and events in ``names`` by what there is now.

    Raises:
        AskrError: the daemon did not answer within 0.2 s.
    """
    rows = client.send("$askr.services", timeout=REFRESH_S)
    names.services = _sorted(_text(row.get("service")) for row in rows)
    names.commands = _sorted(
        f"{_text(row.get('service'))}.{command}"
        for row in rows
        for command in _named(row.get("commands"), "name")
    )
    names.events = _sorted(
        event
        for row in rows
        for member in ("emits", "listens")
        for event in _named(row.get(member), "event")
    )
    names.instances = {
        service: _sorted(
            _text(row.get("instance")) for row in rows if row.get("service") == service
        )
        for service in names.services
    }
    names.requests = {}
    names.saved_at = time.time()


def learn_keys(names: KnownNames, client: "Client") -> None:
    """Replaces the keys in ``names`` by those of the state, as many as completion can use.

    Raises:
        AskrError: the daemon did not answer.
    """
    names.keys = _sorted(entry.key for entry in client.state.entries(""))
    names.keys_at = time.time()


def learn_request(names: KnownNames, client: "Client", command: str) -> None:
    """Adds the schema of the payload of ``command``.

    Raises:
        AskrError: the daemon did not answer within 0.2 s.
    """
    told = client.send("$askr.describe", {"target": command}, timeout=REFRESH_S)
    names.requests[command] = told.get("request")


def remember_keys(terminal: Terminal, keys: Iterable[str]) -> None:
    """Adds state keys that were seen."""
    path = file_of(terminal.profile, terminal.environ)
    names = load(path)
    merged = _sorted({*names.keys, *keys})
    if merged != names.keys:
        names.keys = merged
        save(path, names)


def _named(rows: Any, member: str) -> list[str]:
    """Names in a list of texts or of objects with a name."""
    if not isinstance(rows, list):
        return []
    return [_text(row.get(member) if isinstance(row, dict) else row) for row in rows]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _sorted(names: Iterable[str]) -> list[str]:
    """Unique printable names, at most as many as completion can use."""
    return sorted({name for name in names if name and name.isprintable()})[:NAMES_MAX]
