"""The relay: feeds the router what doors hear, and carries out what it decided.

It runs on the event loop and never waits. Output is written once per connection and loop turn;
effects are carried out once per read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import ParamSpec, assert_never

from askrd.core import log_commands
from askrd.core.effects import Close, Dial, Durable, HangUp, Note, Persist, Rebind, Record, Say
from askrd.core.instants import NEVER_US
from askrd.core.router import Router
from askrd.core.session import Phase, Session
from askrd.doors.door import Door, in_runs
from askrd.doors.transcript import EventTexts
from askrd.fabric.fabric import MakeFabric
from askrd.host import clock, entropy
from askrd.host.logs import Log
from askrd.store.store import Kept
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError
from askrd.wire.limits import FLUSH_BYTES
from askrd.wire.logs import LogDefinition

_log = Log("askrd.relay")

QUIET_CODES = frozenset({1000, 4000})
"""Close codes of ordinary ends; any other says that the peer did what cannot go on."""

P = ParamSpec("P")


class Relay:
    """One router with its doors, its fabric and its time.

    Attributes:
        router: decides; only called here.
        events: texts of events shared by text doors within one loop turn.
        on_gone: learns of every session whose connection is gone.
        on_rebound: learns that the connection of the first session carries the second one now,
            and the other way round.
        on_dial: learns which services the daemon is to dial, and which no more.
    """

    def __init__(
        self,
        router: Router,
        *,
        loop: asyncio.AbstractEventLoop,
        on_fault: Callable[[BaseException], None],
        make_fabric: MakeFabric,
    ) -> None:
        """Starts without connections.

        Args:
            router: new.
            loop: on which everything happens.
            on_fault: learns that the core itself failed.
            make_fabric: makes what decides about everything that is to be kept.
        """
        self.router = router
        self.events = EventTexts()
        self.on_gone: Callable[[Session], None] = lambda _: None
        self.on_rebound: Callable[[Session, Session], None] = lambda _link, _session: None
        self.on_dial: Callable[[Dial | HangUp], None] = lambda _: None
        self._loop = loop
        self._wheel = router.board.wheel
        self._on_fault = on_fault
        self._doors: dict[Session, Door] = {}
        self._fabric = make_fabric(self)
        self._is_flush_due = False
        self._is_closed = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_us = NEVER_US

    # ── from the doors ────────────────────────────────────────────────────────────────────

    def connect(self, via: str, address: str) -> Session:
        """Makes the session of a new connection."""
        session = self.router.connect(
            suffix=entropy.instance_id(),
            secret=entropy.resume_secret(),
            via=via,
            address=address,
            now_us=clock.monotonic_us(),
        )
        self._after()
        return session

    def enter(self, session: Session, door: Door) -> None:
        """Has ``session`` speak through ``door`` from now on."""
        self._doors[session] = door

    def received(self, session: Session, data: bytes) -> None:
        """Takes in binary frames, cut anywhere; `_tell` in place, for the hot path."""
        try:
            self.router.feed(session, data, clock.monotonic_us())
        except Exception as exc:  # noqa: BLE001
            self._on_fault(exc)
            return
        self._after()

    def received_large(self, session: Session, whole: memoryview) -> None:
        """Takes in one large frame that was received in its place."""
        self._tell(self.router.feed_large, session, whole, clock.monotonic_us())

    def refuse(self, session: Session, error: AskrError) -> None:
        """Takes in that a door could not read something."""
        self._tell(self.router.refuse, session, error, clock.monotonic_us())

    def paused(self, session: Session) -> None:
        """Takes in that a connection takes no more bytes."""
        self.router.pause(session)

    def resumed(self, session: Session) -> None:
        """Writes what waited, urgent first, until the connection is full again or nothing waits."""
        door = self._doors.get(session)
        if door is not None and self._write_waiting(session, door):
            self._tell(self.router.resume, session, clock.monotonic_us())

    def half_closed(self, session: Session) -> None:
        """Lets a peer that sends nothing more read what it waits for."""
        self._tell(self.router.half_close, session, clock.monotonic_us())
        self._loop.call_soon(self._flush_session, session)

    def lost(self, session: Session, cause: str) -> None:
        """Takes in that a connection is gone."""
        self._doors.pop(session, None)
        self.on_gone(session)
        self._tell(self.router.lose, session, cause, clock.monotonic_us())

    # ── from the fabric ───────────────────────────────────────────────────────────────────

    def decided(self, ticket: int) -> None:
        """Takes in that changes are kept; see `fabric.Decisions`."""
        if not self._is_closed:
            self._tell(self.router.committed, ticket, clock.monotonic_us())

    def rejected(self, reason: str) -> None:
        """Takes in that changes could not be kept; see `fabric.Decisions`."""
        if not self._is_closed:
            self._tell(self.router.rejected, reason, clock.monotonic_us())

    def broke(self, fault: BaseException) -> None:
        """Takes in that the fabric itself failed, which ends the daemon; see `fabric.Decisions`."""
        self._on_fault(fault)

    # ── from the daemon ───────────────────────────────────────────────────────────────────

    def restore(self) -> Kept:
        """Has the router take in what was kept before, and returns it.

        Raises:
            CannotStore: it cannot be read.
        """
        kept = self._fabric.recall()
        for name, there in kept.workspaces.items():
            self.router.restore(
                name, there.rows, there.head_rev, clock.monotonic_us(), there.records
            )
        self._after()
        return kept

    def define_logs(self, workspace: str, logs: Iterable[LogDefinition]) -> None:
        """Has a workspace have the logs of the configuration; before anybody connects.

        Raises:
            AskrError: with those that were kept they are too many, or too large together.
        """
        board = self.router.board
        board.now_us = clock.monotonic_us()
        for definition in logs:
            log_commands.define(board, board.workspace(workspace), definition)
        self._after()

    def drain(self, grace_ms: int) -> None:
        """Has the router take no new commands and tell every peer."""
        self._tell(self.router.drain, grace_ms, clock.monotonic_us())

    def close_all(self, reason: str) -> None:
        """Says goodbye to every session."""
        self.router.close_all(reason)
        self._after()
        self._flush()

    def abort_all(self) -> None:
        """Cuts every connection that is still there."""
        for door in list(self._doors.values()):
            door.transport.abort()

    def close(self) -> None:
        """Stops the clock and closes the fabric; what it decides from then on is told nobody."""
        self._is_closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._fabric.close()

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._doors)

    # ── what the router decided ───────────────────────────────────────────────────────────

    def _tell(self, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Gives the router one input and carries out what it decides.

        When the core itself fails its tables can no longer be trusted, and the daemon stops.
        """
        try:
            action(*args, **kwargs)
        except Exception as exc:  # noqa: BLE001
            self._on_fault(exc)
        else:
            self._after()

    def _after(self) -> None:
        """Carries out effects, and sees to it that output and time are looked after."""
        router = self.router
        if router.effects:
            self._carry_out()
        if router.dirty:
            if router.board.queued_bytes > FLUSH_BYTES:
                self._flush()
            elif not self._is_flush_due:
                self._is_flush_due = True
                self._loop.call_soon(self._flush)
        due_us = self._wheel.next_due_us
        if due_us < self._alarm_us:
            self._set_alarm(due_us)

    def _carry_out(self) -> None:
        effects = self.router.effects
        changes: list[Durable] = []
        while effects:
            batch = effects.copy()
            effects.clear()
            for effect in batch:
                match effect:
                    case Persist() | Record():
                        changes.append(effect)
                    case Close():
                        self._close(effect)
                    case Note():
                        _log.info(effect.event, **effect.fields)
                    case Rebind():
                        self._rebind(effect)
                    case Say():
                        self._say(effect)
                    case Dial() | HangUp():
                        self.on_dial(effect)
                    case _:
                        assert_never(effect)
        if changes:
            self._fabric.propose(changes)

    def _close(self, effect: Close) -> None:
        session = effect.session
        door = self._doors.get(session)
        if effect.close_code not in QUIET_CODES and not (door is not None and door.tells_log):
            event = "connection refused" if session.workspace is None else "connection closed"
            _log.warning(
                event,
                address=session.address,
                peer=session.peer_id,
                code=effect.close_code,
                reason=effect.reason,
            )
        if door is None:
            self.router.leave(session, effect.reason, clock.monotonic_us())
            return
        pieces = session.outbox.take()
        if pieces:
            _hand(door, pieces)
        door.close(effect.close_code, effect.reason)

    def _rebind(self, effect: Rebind) -> None:
        """Has a connection carry another session, and cuts the one that session had."""
        link, session = effect.link, effect.session
        door, before = self._doors.pop(link, None), self._doors.pop(session, None)
        self.on_rebound(link, session)
        if before is not None:
            before.session = link
            self._doors[link] = before
            before.transport.abort()
        if door is None:
            return
        door.session = session
        self._doors[session] = door
        _hand(door, list(effect.first))
        if not door.is_full and self._write_waiting(session, door):
            self.router.resume(session, clock.monotonic_us())

    def _say(self, effect: Say) -> None:
        door = self._doors.get(effect.session)
        if door is not None:
            _hand(door, [effect.frame])

    def _write_waiting(self, session: Session, door: Door) -> bool:
        """Writes what waits for a paused session; says whether the connection took all of it."""
        box = session.outbox
        while box.is_paused:
            pieces = box.take()
            if pieces:
                self._write(session, door, pieces)
                if door.is_full:
                    return False
        return True

    def _write(self, session: Session, door: Door, pieces: list[Raw]) -> None:
        """Writes what a session is told, and keeps it where its peer may come back."""
        resumption = session.resumption
        if resumption is not None:
            pieces = in_runs(pieces)
            for piece in pieces:
                resumption.tail.add(piece)
        _hand(door, pieces)

    def _flush(self) -> None:
        """Writes what waits for every session that is not paused."""
        self._is_flush_due = False
        router = self.router
        dirty = router.dirty.copy()
        router.dirty.clear()
        router.board.queued_bytes = 0
        doors = self._doors
        for session in dirty:
            box = session.outbox
            if box.is_paused:
                continue
            pieces = box.take()
            door = doors.get(session)
            if door is not None and pieces:
                if session.resumption is None:
                    _hand(door, pieces)
                else:
                    self._write(session, door, pieces)
            if session.is_finishing:
                self._finish(session)
        self.events.forget()

    def _flush_session(self, session: Session) -> None:
        self._flush()
        self._finish(session)

    def _finish(self, session: Session) -> None:
        """Closes a half-closed session once nothing is left to tell it."""
        waits = session.asking or session.listens or session.watches
        written = session.last_ticket <= self.router.board.gate.committed
        if session.is_finishing and not waits and written and session.phase < Phase.CLOSING:
            self.router.board.close(session, 1000, "nothing is left to tell")
            self._after()

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def _set_alarm(self, due_us: int) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_us = due_us
        delay_s = max(0, due_us - clock.monotonic_us()) / 1_000_000
        self._alarm = self._loop.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._alarm_us = NEVER_US
        self.router.board.wall_offset_us = clock.wall_offset_us()
        self._tell(self.router.tick, clock.monotonic_us())


def _hand(door: Door, pieces: list[Raw]) -> None:
    """Has a door write; one that fails is cut, and whoever comes after it gets what is theirs."""
    try:
        door.write(pieces)
    except Exception as exc:  # noqa: BLE001  # the bulkhead of the way out
        door.give_up(exc)
