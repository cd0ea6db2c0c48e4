"""The router: bytes of one session in, outboxes and effects out. Nothing else decides.

`Router.feed` is the hot path: one loop over the frames of a read that handles plain calls,
replies and emits itself and hands everything else to the rules of the neighbouring files. Those
rules know calls, replies and emits too: with ``fast=False`` every frame goes through them, and
both ways give identical bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from askrd.core import commits, departure, links, liveness, membership, records, recovery, rules
from askrd.core.effects import Effect
from askrd.core.session import Phase, Session
from askrd.core.state import Entry
from askrd.core.statistics import RECENT_MASK
from askrd.core.subscriptions import Audience
from askrd.core.switchboard import Daemon, Switchboard
from askrd.wire import header
from askrd.wire.errors import AskrError
from askrd.wire.frames import HEADER_REST_BYTES, STAMP_TIME, Kind
from askrd.wire.limits import (
    ASKED_MAX,
    DEFAULT_LIMITS,
    HEADER_BYTES,
    ID_MAX,
    RECENT_FRAME_BYTES,
    Limits,
)

_UNUSUAL = 0xFFF8_EFFC
"""Bits of the tail that leave the fast path: the last byte, hops ≥ 8, flags but SEALED, coding > 3."""
_CALL, _REPLY, _EMIT, _EVENT = int(Kind.CALL), int(Kind.REPLY), int(Kind.EMIT), int(Kind.EVENT)
_BURST_FRAME_BYTES = RECENT_FRAME_BYTES
"""Larger events are not joined with their neighbours: the copy would cost more than it saves."""
_CLOSING, _CLOSED = Phase.CLOSING, Phase.CLOSED
_FORGET_US = 60_000_000


class Router:
    """All workspaces of one daemon, driven by inputs that carry the time.

    Attributes:
        dirty: sessions with something to write; the caller clears it as it flushes.
        effects: what else is to be done; the caller takes and clears it after each input.
        queued_bytes: roughly what outboxes got since the caller last set it to 0.
    """

    def __init__(
        self,
        daemon: Daemon,
        *,
        limits: Limits = DEFAULT_LIMITS,
        fast: bool = True,
        now_us: int = 0,
        wall_offset_us: int = 0,
    ) -> None:
        """Starts without sessions.

        Args:
            daemon: who answers.
            limits: bounds; docs/PROTOCOL.md §12.
            fast: False sends every frame through the rules, for comparison.
            now_us: monotonic time of the start.
            wall_offset_us: what to add to a monotonic time for Unix time.
        """
        self.board = Switchboard(daemon, limits)
        self.board.now_us = self.board.started_us = now_us
        self.board.wall_offset_us = wall_offset_us
        self._fast = fast
        self._fast_size_max = HEADER_REST_BYTES + limits.payload_bytes_max
        self._in_flight_max = limits.commands_in_flight_max
        self._forget_at_us = now_us + _FORGET_US
        self.dirty = self.board.dirty
        self.effects: list[Effect] = self.board.effects

    def restore(
        self,
        workspace: str,
        rows: Iterable[tuple[str, Entry]],
        head_rev: int,
        now_us: int,
        records: Iterable[tuple[str, str, bytes]] = (),
    ) -> None:
        """Takes in what a store kept of a workspace; before any connection."""
        self.board.now_us = now_us
        recovery.restore(self.board, workspace, rows, head_rev, records)

    # ── inputs ────────────────────────────────────────────────────────────────────────────

    def connect(
        self,
        *,
        suffix: str,
        secret: str,
        via: str,
        address: str,
        now_us: int,
        is_held_to_pings: bool = True,
    ) -> Session:
        """Takes in a new connection; it has a while to say HELLO.

        Args:
            suffix: six random base62 characters: its instance id.
            secret: random text it may show to take its identity over.
            via: the door's word.
            address: where it comes from, for people.
            now_us: the time.
            is_held_to_pings: whether silence closes it.
        """
        board = self.board
        board.now_us = now_us
        session = Session(
            suffix=suffix,
            secret=secret,
            via=via,
            address=address,
            limits=board.limits,
            on_full=board.overfull,
            now_us=now_us,
        )
        session.is_held_to_pings = is_held_to_pings
        board.sessions[session] = None
        board.totals.sessions += 1
        board.wheel.arm(session, now_us + board.limits.handshake_timeout_ms * 1000)
        return session

    def feed(self, session: Session, data: bytes, now_us: int) -> None:
        """Takes in bytes of ``session``, cut anywhere; raises nothing, whatever they are."""
        if session.phase is _CLOSING or session.phase is _CLOSED:
            return
        board, totals = self.board, self.board.totals
        board.now_us = session.heard_us = now_us
        if session.bytes_in >= session.confirm_at:
            links.confirm(board, session)
        session.bytes_in += len(data)
        if session.is_unresponsive:
            membership.judge(board, session, is_unresponsive=False)
        if not session.assembly.is_empty:
            data = session.assembly.join(data)
        asked, asking, taken = session.asked, session.asking, session.taken
        routes, subjects, workspace = session.routes, session.subjects, session.workspace
        dirty, remember = board.dirty, board.recent.append
        fast, size_max, origin = self._fast, self._fast_size_max, session.origin
        event_stamp, keep_event = b"", session.remember
        burst: list[bytes] = []
        heard_by: Audience | None = None
        replies = emits = deliveries = queued = 0
        raw, at, end_of = data, 0, len(data)
        while end_of - at >= HEADER_BYTES:
            size, kind, stamp_length, name_length, id_, ttl_ms, tail = header.read(data, at)
            end = at + 4 + size
            if end > end_of:
                break
            body = at + HEADER_BYTES
            if (
                stamp_length
                or tail & _UNUSUAL
                or not 20 <= size - name_length <= size_max
                or not fast
            ):
                pass
            elif kind == _CALL:
                if heard_by is not None:
                    _deliver(dirty, heard_by, burst)
                    heard_by = None
                route = routes.get(raw[body : body + name_length])
                if (
                    route is not None
                    and 0 < id_ <= ID_MAX
                    and id_ not in asking
                    and id_ not in taken
                    and len(asking) < self._in_flight_max
                    and (member := route.turn()) is not None
                ):
                    ttl_ms = ttl_ms or route.timeout_ms
                    deadline_us = now_us + ttl_ms * 1000
                    callee = member.session
                    callee.last_id = rid = callee.last_id + 1
                    asking[id_] = callee.asked[rid] = asked_now = (
                        session,
                        id_,
                        member,
                        rid,
                        route,
                        now_us,
                        deadline_us,
                        None,
                    )
                    remember(asked_now)
                    if deadline_us < session.due_us:
                        board.wheel.arm(session, deadline_us)
                    route.statistics.calls += 1
                    lane = callee.outbox.urgent
                    if not lane:
                        dirty.append(callee)
                    name = route.name
                    if route.is_renamed:
                        rest = name + raw[body + name_length : end]
                        size = len(rest) + HEADER_REST_BYTES
                        frame = header.stamped(
                            size, _CALL, len(name), rid, ttl_ms, tail, origin, rest, 0, len(rest)
                        )
                    else:
                        frame = header.stamped(
                            size, _CALL, name_length, rid, ttl_ms, tail, origin, data, body, end
                        )
                    if route.is_idempotent:
                        callee.again[rid] = frame
                    lane.append(frame)
                    queued += size
                    at = end
                    continue
            elif kind == _REPLY:
                if heard_by is not None:
                    _deliver(dirty, heard_by, burst)
                    heard_by = None
                entry = asked.get(id_)
                if (
                    entry is not None
                    and (caller := entry[0]) is not None
                    and caller is not session
                    and (member := entry[2]) is not None
                    and entry[7] is None
                    and not name_length
                    and len(asked) < ASKED_MAX
                ):
                    _, caller_id, _, _, route, came_us, _, _ = entry
                    del asked[id_], caller.asking[caller_id]
                    if route.is_idempotent:
                        session.again.pop(id_, None)
                    counted = route.statistics
                    counted.recent_us[counted.replies & RECENT_MASK] = now_us - came_us
                    counted.replies += 1
                    lane = caller.outbox.urgent
                    if not lane:
                        dirty.append(caller)
                    lane.append(
                        header.stamped(
                            size, _REPLY, 0, caller_id, 0, tail, member.stamp, data, body, end
                        )
                    )
                    queued += size
                    replies += 1
                    at = end
                    continue
            elif kind == _EMIT and not id_:
                audience = subjects.get(raw[body : body + name_length])
                if audience is not None and workspace is not None:
                    workspace.seq = seq = workspace.seq + 1
                    if not event_stamp:
                        event_stamp = STAMP_TIME.pack(now_us + board.wall_offset_us) + origin
                    frame = header.stamped(
                        size, _EVENT, name_length, seq, 0, tail, event_stamp, data, body, end
                    )
                    if audience is not heard_by:
                        if heard_by is not None:
                            _deliver(dirty, heard_by, burst)
                        heard_by = audience
                    burst.append(frame)
                    if size > _BURST_FRAME_BYTES:
                        _deliver(dirty, heard_by, burst)
                        heard_by = None
                        workspace.recent.add_large(frame)
                    else:
                        keep_event(frame)
                    count = len(audience.listeners)
                    audience.count += 1
                    emits += 1
                    deliveries += count
                    queued += size * count
                    at = end
                    continue
            if heard_by is not None:
                _deliver(dirty, heard_by, burst)
                heard_by = None
            if size < 20 + stamp_length + name_length:
                rules.malformed(
                    board, session, "a frame's size is smaller than its header and name"
                )
                at = end_of
                break
            if replies or emits:
                totals.add(replies, emits, deliveries)
                replies = emits = deliveries = 0
            rules.take(board, session, data[at:end])
            if session.phase >= Phase.CLOSING:
                at = end_of
                break
            routes, subjects, workspace = session.routes, session.subjects, session.workspace
            origin, event_stamp, keep_event = session.origin, b"", session.remember
            at = end
        if heard_by is not None:
            _deliver(dirty, heard_by, burst)
        board.queued_bytes += queued
        if replies or emits:
            totals.add(replies, emits, deliveries)
        if at < end_of:
            rules.hold(board, session, data[at:])

    def feed_large(self, session: Session, whole: memoryview, now_us: int) -> None:
        """Takes in exactly one large frame that was received in its place.

        Nothing of another frame of ``session`` may be held; ``whole`` is never written again.
        """
        self.feed(session, b"", now_us)
        if session.phase < Phase.CLOSING:
            session.bytes_in += len(whole)
            rules.take_large(self.board, session, whole)

    def refuse(self, session: Session, error: AskrError, now_us: int) -> None:
        """Takes in that the door could not read what was sent; one not welcomed yet is closed."""
        self.board.now_us = session.heard_us = now_us
        if session.phase is Phase.OPENING:
            membership.turn_away(self.board, session, error)
        elif session.phase is Phase.OPEN:
            id_ = error.details.get("id", 0)
            is_id = isinstance(id_, int) and 0 < id_ <= ID_MAX
            self.board.refuse(session, id_ if is_id else 0, error)

    def pause(self, session: Session) -> None:
        """Takes in that the door cannot write more now; the session gets no new commands."""
        session.outbox.pause()
        session.judge_ready()

    def resume(self, session: Session, now_us: int) -> None:
        """Takes in that everything was written; the session may get commands again."""
        self.board.now_us = now_us
        liveness.reads_again(self.board, session)

    def half_close(self, session: Session, now_us: int) -> None:
        """Takes in that the peer sends nothing more; it still gets the outcomes it waits for."""
        self.board.now_us = now_us
        membership.half_close(self.board, session)

    def lose(self, session: Session, cause: str, now_us: int) -> None:
        """Takes in that the connection is gone; idempotent. A resumable session waits a while."""
        self.board.now_us = now_us
        membership.lose(self.board, session, cause)

    def leave(self, session: Session, cause: str, now_us: int) -> None:
        """Ends a session, whether its peer could have come back or not; idempotent."""
        self.board.now_us = now_us
        membership.leave(self.board, session, cause)

    def tick(self, now_us: int) -> None:
        """Takes in that time has passed: deadlines, heartbeats, entries that go, forgetting."""
        board = self.board
        board.now_us = now_us
        liveness.look_around(board)
        if now_us >= self._forget_at_us:
            self._forget_at_us = now_us + _FORGET_US
            liveness.forget(board)

    def drain(self, grace_ms: int, now_us: int) -> None:
        """Takes no new commands from now on and tells every peer to go elsewhere."""
        self.board.now_us = now_us
        self._fast = False
        departure.begin(self.board, grace_ms)

    def close_all(self, reason: str) -> None:
        """Says goodbye to every session and has its connection closed."""
        departure.say_goodbye(self.board, reason)

    def committed(self, ticket: int, now_us: int) -> None:
        """Takes in that the store holds every change up to ``ticket``."""
        self.board.now_us = now_us
        for read in commits.committed(self.board, ticket):
            rules.read_now(self.board, read)

    def rejected(self, reason: str, now_us: int) -> None:
        """Takes in that the store could not write any change that waits."""
        self.board.now_us = now_us
        for request in commits.rejected(self.board, reason):
            rules.ask_again(self.board, request)
        records.persevere(self.board)

    # ── what the caller asks ──────────────────────────────────────────────────────────────

    @property
    def next_due_us(self) -> int:
        """When `tick` has something to do next; far away when nothing waits."""
        return self.board.wheel.next_due_us


def _deliver(dirty: list[Session], audience: Audience, burst: list[bytes]) -> None:
    """Gives every listener a burst of events of one subject, as one piece where nothing waits."""
    data = burst[0] if len(burst) == 1 else b"".join(burst)
    for listener in audience.listeners:
        box = listener.outbox
        lane = box.events
        if not lane:
            dirty.append(listener)
        if not box.is_paused:
            lane.append(data)
        else:
            for frame in burst:
                lane.append(frame)
    burst.clear()
