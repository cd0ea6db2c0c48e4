"""The daemon's life: build, listen, say ready, drain, stop. The one place that wires it together."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from askrd.config import Config, ListenAddress, Loaded
from askrd.core import attachments, departure
from askrd.core.router import Router
from askrd.core.switchboard import Daemon as Identity
from askrd.doors.dialling import Dialler
from askrd.doors.http.surroundings import Surroundings
from askrd.doors.listener import Listener
from askrd.fabric.single_node import SingleNode
from askrd.host import clock, entropy, memory, whereabouts
from askrd.host.logs import Log, start_log
from askrd.host.signals import StopSignals
from askrd.host.systemd import Notifier
from askrd.host.unix_socket import BoundSocket, bind_unix, release_unix
from askrd.relay import Relay
from askrd.store.memory import MemoryStore
from askrd.store.store import Outcomes, Store
from askrd.version import BUILD, VERSION
from askrd.wire.channels import offered

if TYPE_CHECKING:
    from askrd.core.statistics import Totals
    from askrd.doors.certificates import Certificates
    from askrd.store.database import Database

DRAIN_POLL_S = 0.02
"""How often a drain looks whether commands are still in flight."""
INFORM_WAIT_S = 1.0
"""How long peers may take to read that the daemon is going away; what they asked before is heard."""
STORE_WAIT_S = 5.0
"""How long writes that wait for the disk may take before their writers are told goodbye."""
CLOSE_WAIT_S = 3.0
"""How long the last bytes may take once everybody was told goodbye."""

_log = Log("askrd.daemon")


def run(loaded: Loaded, *, json_ready: bool) -> int:
    """Runs one daemon until a signal or a fault ends it.

    Args:
        loaded: its configuration.
        json_ready: whether the ready line on stdout is JSON.

    Returns:
        The exit code: 0 after a drain, 1 after a fault of the core.

    Raises:
        CannotListen: an address is taken or not to be had; nothing was started.
        CannotStore: the data directory cannot be used; nothing was started.
    """
    config = loaded.config
    memory.keep_freed_memory()
    start_log(config.log_format, config.log_level)
    with _database(config.data) as database:
        running = RunningDaemon(
            config, loaded.listen, os.environ, database=database, json_ready=json_ready
        )
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(running.serve())


@contextmanager
def _database(path: str) -> Iterator[Database | None]:
    """Opens the database in a directory, and keeps others away from there; None without one."""
    if not path:
        yield None
        return
    from askrd.store.data_directory import DataDirectory
    from askrd.store.database import Database

    with DataDirectory(Path(path)) as directory:
        yield Database(directory)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Returns uvloop's event loop where it is installed, else None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


def build_name() -> str:
    """Says how the hot path runs, for people: interpreter and event loop."""
    loop = "asyncio" if _loop_factory() is None else "uvloop"
    return f"{BUILD}, Python {platform.python_version()}, {loop}"


def _nothing_to_reload() -> None:
    _log.info("nothing to reload", hint="only certificates are read again")


class RunningDaemon:
    """One daemon from its first socket to its last byte."""

    def __init__(
        self,
        config: Config,
        listen: tuple[ListenAddress, ...],
        environ: Mapping[str, str],
        *,
        database: Database | None = None,
        json_ready: bool,
    ) -> None:
        self._config = config
        self._database = database
        self._listen = listen
        self._environ = environ
        self._json_ready = json_ready
        self._started_s = time.monotonic()
        self._identity = Identity(
            id=entropy.instance_id() if database is None else database.daemon_id,
            epoch=entropy.epoch(),
            version=VERSION,
            build=build_name(),
            workspace=config.workspace,
        )
        self._notifier = Notifier(environ)
        self._sockets: list[BoundSocket] = []
        self._addresses: list[ListenAddress] = []
        self._fault: BaseException | None = None
        self._drain = asyncio.Event()
        self._now = asyncio.Event()

    async def serve(self) -> int:
        """Serves until told to stop; returns the exit code.

        Cancelling it closes every connection without a drain.
        """
        loop = asyncio.get_running_loop()
        router = Router(
            self._identity,
            limits=self._config.limits,
            now_us=clock.monotonic_us(),
            wall_offset_us=clock.wall_offset_us(),
        )
        make_fabric = partial(SingleNode, make_store=self._make_store)
        relay = Relay(router, loop=loop, on_fault=self._on_fault, make_fabric=make_fabric)
        certificates = self._certificates()
        around = Surroundings(
            router.board,
            self._config.limits,
            self._config.allow_origins,
            self._config.compression,
        )
        listener = Listener(
            relay,
            relay.connect,
            relay.enter,
            relay.events,
            self._config.limits,
            around,
            certificates,
        )
        relay.on_gone = listener.forget
        relay.on_rebound = listener.rebound
        reached = partial(attachments.reached, relay.router.board)
        dialler = Dialler(relay, relay.connect, relay.enter, reached)
        relay.on_dial = dialler.take
        record: whereabouts.Record | None = None
        path = whereabouts.record_path(self._listen, self._environ)
        try:
            self._restore(relay)
            await self._open(listener, router.board.totals)
            router.board.channels = offered(self._config.channel, self._addresses)
            dialler.begin(self._addresses)
            record = self._publish(path)
            with StopSignals(
                loop,
                drain=lambda _: self._drain.set(),
                stop_now=lambda _: self._now.set(),
                reload=certificates.reload if certificates is not None else _nothing_to_reload,
            ):
                self._say_ready()
                await self._until_told(relay)
                listener.stop_accepting()
                await self._leave(relay, router, dialler)
        finally:
            listener.stop_accepting()
            await dialler.close()
            relay.close()
            if record is not None:
                whereabouts.withdraw(path, record)
            for bound in self._sockets:
                release_unix(bound)
        return 0 if self._fault is None else 1

    def _on_fault(self, fault: BaseException) -> None:
        """Stops the daemon: when the core fails, its tables can no longer be trusted."""
        if self._fault is None:
            self._fault = fault
            _log.error("core failed; the daemon stops", cause=fault)
        self._drain.set()
        self._now.set()

    # ── start ─────────────────────────────────────────────────────────────────────────────

    def _certificates(self) -> Certificates | None:
        """Reads what TLS is greeted with.

        Raises:
            BadCertificate: the files cannot be used; nothing was started.
        """
        config = self._config
        if not config.tls_certificate:
            return None
        from askrd.doors.certificates import CertificateFiles, Certificates

        return Certificates(CertificateFiles(Path(config.tls_certificate), Path(config.tls_key)))

    def _make_store(self, outcomes: Outcomes) -> Store:
        """Returns a store over the database, or one in memory where there is none."""
        loop = asyncio.get_running_loop()
        if self._database is None:
            return MemoryStore(outcomes, loop.call_soon)
        from askrd.store.sqlite import SqliteStore

        return SqliteStore(self._database, outcomes, loop.call_soon_threadsafe)

    def _restore(self, relay: Relay) -> None:
        """Takes in the kept state before anybody is listened to, the one time disk and loop meet."""
        with memory.no_search_for_garbage():
            kept = relay.restore()
        if self._database is not None:
            file = str(self._database.path)
            _log.info("state restored", entries=kept.entries, records=kept.records, file=file)
        relay.define_logs(self._config.workspace, self._config.logs)

    async def _open(self, listener: Listener, totals: Totals) -> None:
        for address in self._listen:
            if address.kind == "unix":
                path = Path(address.path)
                whereabouts.prepare_directory(path.parent, self._environ)
                bound = bind_unix(path, self._config.socket_mode_bits)
                self._sockets.append(bound)
                await listener.listen_unix(bound.socket)
                self._addresses.append(address)
            elif address.kind == "udp":
                self._addresses.append(await listener.listen_udp(address, totals))
            else:
                self._addresses.append(await listener.listen_tcp(address))

    def _publish(self, path: Path) -> whereabouts.Record | None:
        """Writes `askrd.json`, unless it tells of another daemon that is running."""
        whereabouts.prepare_directory(path.parent, self._environ)
        record = whereabouts.Record(
            addresses=tuple(self._urls()),
            pid=os.getpid(),
            version=VERSION,
            daemon=self._identity.id,
        )
        other = whereabouts.published(path)
        if other is not None and other.is_of_another_living(record):
            _log.info("record left alone", file=str(path), pid=other.pid)
            return None
        whereabouts.publish(path, record)
        return record

    def _urls(self) -> list[str]:
        return [address.url for address in self._addresses]

    def _say_ready(self) -> None:
        urls = self._urls()
        if self._json_ready:
            body = {"ready": True, "listen": urls, "pid": os.getpid(), "version": VERSION}
            if self._config.data:
                body["data"] = self._config.data
            line = msgspec.json.encode(body).decode()
        else:
            took = time.monotonic() - self._started_s
            line = (
                f"askrd {VERSION}  {'  '.join(urls)}  workspace {self._config.workspace}  "
                f"({self._guard()})  state in {self._config.data or 'memory'}\n"
                f"ready in {took:.2f} s. Try:  askr demo   askr shell   askr services      "
                "Ctrl-C stops"
            )
        try:
            print(line, flush=True)  # noqa: T201  # the one line stdout is for
        except BrokenPipeError:
            sys.stdout = None
        self._notifier.ready(f"listening on {' '.join(urls)}")
        _log.info("ready", listen=" ".join(urls), pid=os.getpid(), build=self._identity.build)
        if self._config.insecure:
            _log.warning("insecure", reason="anyone who reaches the port may do everything")

    def _guard(self) -> str:
        if all(address.is_local for address in self._addresses):
            return "no authentication: this machine only"
        return "INSECURE: no authentication, open beyond this machine"

    # ── life and end ──────────────────────────────────────────────────────────────────────

    async def _until_told(self, relay: Relay) -> None:
        """Waits for the first signal; feeds the watchdog and the status line meanwhile."""
        interval_s = self._notifier.watchdog_interval_s
        shown = ""
        while not self._drain.is_set():
            try:
                await asyncio.wait_for(self._drain.wait(), interval_s or 1.0)
            except TimeoutError:
                if interval_s:
                    self._notifier.watchdog()
                status = f"{relay.connections} connections"
                if status != shown:
                    shown = status
                    self._notifier.status(status)

    async def _leave(self, relay: Relay, router: Router, dialler: Dialler) -> None:
        """Finishes what is in flight, says goodbye, lets the last bytes out."""
        grace_s = self._config.drain_s
        self._notifier.stopping(f"draining {departure.in_flight(router.board)} commands")
        hint = "the same signal again stops at once"
        _log.info(
            "draining", in_flight=departure.in_flight(router.board), grace_s=grace_s, hint=hint
        )
        if self._fault is None:
            dialler.rest()
            relay.drain(int(grace_s * 1000))
            await self._while_not_now(
                lambda: departure.uninformed(router.board) > 0, min(INFORM_WAIT_S, grace_s)
            )
            await self._while_not_now(lambda: departure.in_flight(router.board) > 0, grace_s)
            left = departure.in_flight(router.board)
            await self._while_not_now(lambda: len(router.board.gate) > 0, STORE_WAIT_S)
            await dialler.close()
            relay.close_all("the daemon is shutting down")
            await self._while_not_now(lambda: relay.connections > 0, CLOSE_WAIT_S)
            _log.info("stopped", unfinished=left)
        relay.abort_all()
        await asyncio.sleep(0)

    async def _while_not_now(self, goes_on: Callable[[], bool], within_s: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while goes_on() and not self._now.is_set() and loop.time() < until:
            try:
                await asyncio.wait_for(self._now.wait(), DRAIN_POLL_S)
            except TimeoutError:
                continue
